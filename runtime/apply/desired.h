// What the kernel should have under our table.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "compiler/ruleset/element.h"
#include "compiler/ruleset/structure.h"

namespace kproxy::apply {

struct Desired {
  ruleset::Structure structure;
  std::vector<ruleset::Element> elements;  // in the order of key_less()

  std::span<const ruleset::Element> of(const ruleset::SetRef& set) const {
    const auto by_set = std::equal_range(elements.begin(), elements.end(), set, BySet{});
    return {by_set.first, by_set.second};
  }

 private:
  struct BySet {
    bool operator()(const ruleset::Element& e, const ruleset::SetRef& set) const {
      return e.set < set;
    }
    bool operator()(const ruleset::SetRef& set, const ruleset::Element& e) const {
      return set < e.set;
    }
  };
};

}  // namespace kproxy::apply
