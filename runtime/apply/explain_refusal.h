// What a refusal of the kernel's is about, in words: from the message it is about.
#pragma once

#include <optional>

#include "compiler/ruleset/element.h"
#include "compiler/types/error.h"
#include "runtime/apply/batch.h"
#include "runtime/apply/conversation.h"

namespace kproxy::apply {

struct Explanation {
  Error error;
  // The very element, where the kernel says which one (5.9 and later do) and it was to be inserted.
  std::optional<ruleset::Element> inserted;
};

Explanation explain(const Refusal& refusal, const Batch& batch, ruleset::OwnerNames& owners);

}  // namespace kproxy::apply
