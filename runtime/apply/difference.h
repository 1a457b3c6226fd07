// What the kernel has against what it should have, as the work that makes the one the other, and as
// lines for people.
//
// Least disturbance: elements are erased and inserted one by one, a chain's rules are replaced in
// place. Only what cannot be changed in place (what a set is made of, where a chain is hooked)
// calls for the table to be replaced, in one transaction. Linear in the elements.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "compiler/ruleset/change.h"
#include "runtime/apply/desired.h"
#include "runtime/apply/read_back.h"

namespace kproxy::apply {

struct Differences {
  bool no_table = false;       // it is not there: all is to be made; `change` is then empty
  bool dormant = false;        // it is there and does nothing
  bool hooked = false;         // it has base chains, of whatever names
  bool structure = false;      // something differs besides elements
  bool replace_table = false;  // it cannot become what it should be; `change` is then empty
  ruleset::Change change{};    // elements of prefix sets are not in it, but:
  std::vector<ruleset::SetRef> rewrite{};   // prefix sets to be written whole
  std::vector<ForeignElement> foreign{};    // to be erased
  std::vector<std::string> extra_chains{};  // to be removed, by name
  std::vector<std::string> extra_sets{};    // likewise
  std::size_t count = 0;                    // of all that differs
  std::vector<std::string> lines{};         // the first few, a line each

  bool none() const { return count == 0; }
};

// Elements in `except` (sorted by <) are neither missed nor wanted.
Differences difference(const KernelState& kernel, const Desired& desired,
                       const ruleset::OwnerNames& owners,
                       std::span<const ruleset::Element> except = {});

}  // namespace kproxy::apply
