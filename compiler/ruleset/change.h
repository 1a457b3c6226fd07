// The difference between two rulesets, in the order in which one transaction can make it: what is
// to be created, which elements go and come, what is no longer needed.
#pragma once

#include <vector>

#include "compiler/ruleset/element.h"
#include "compiler/ruleset/structure.h"

namespace kproxy::ruleset {

struct Change {
  std::vector<SetRef> add_sets;
  std::vector<Chain> add_chains;     // with their rules
  std::vector<Chain> replace_rules;  // existing chains whose rules become these
  std::vector<Element> erase;        // an entry whose data changes is erased and inserted
  std::vector<Element> insert;
  std::vector<ChainRef> remove_chains;
  std::vector<SetRef> remove_sets;
  // Entries of `clients` maps to forget, because the endpoint (other, other_port) has left: the
  // client addresses are the kernel's to know.
  std::vector<Element> forget;

  bool empty() const {
    return add_sets.empty() && add_chains.empty() && replace_rules.empty() && erase.empty() &&
           insert.empty() && remove_chains.empty() && remove_sets.empty() && forget.empty();
  }
};

}  // namespace kproxy::ruleset
