// Tells how two rulesets, as text, differ.
#pragma once

#include <string>

#include "compiler/types/error.h"

namespace kproxy::kpcompile {

struct NamedText {
  std::string name;  // in messages
  std::string text;
};

// Differences by Service, for people; empty where there are none but order and comments. An Error
// where a text is not a ruleset that kpcompile wrote.
Result<std::string> compare(const NamedText& before, const NamedText& after);

}  // namespace kproxy::kpcompile
