// Rules as the expressions that the kernel runs, made with libnftnl: the same expressions, loads
// and registers that nft 1.0.6 makes of the same rule as text.
#pragma once

#include <libnftnl/rule.h>

#include <memory>
#include <string>

#include "compiler/ruleset/structure.h"

namespace kproxy::apply {

struct FreeRule {
  void operator()(nftnl_rule* rule) const { nftnl_rule_free(rule); }
};
using NftnlRule = std::unique_ptr<nftnl_rule, FreeRule>;

// Without table and chain.
NftnlRule encode(const ruleset::Rule& rule, const ruleset::OwnerNames& owners);

// A rule's expressions in one line, as they compare: the same for a rule as it is sent and as the
// kernel lists it. Without handles.
std::string canonical_text(const nftnl_rule* rule);

}  // namespace kproxy::apply
