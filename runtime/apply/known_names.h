// Names of chains and sets, remembered: elements by the ten thousands point at a handful of them,
// and every change is of the same few maps.
#pragma once

#include <string>
#include <unordered_map>

#include "compiler/ruleset/names.h"

namespace kproxy::apply {

// Not thread-safe. The references it gives stay valid.
class KnownNames {
 public:
  explicit KnownNames(const ruleset::OwnerNames& owners) : owners_(owners) {}

  const std::string& of(const ruleset::ChainRef& chain) { return chains_.of(chain, owners_); }
  const std::string& of(const ruleset::SetRef& set) { return sets_.of(set, owners_); }

 private:
  struct Hash {
    template <typename... Parts>
    static std::size_t all(Parts... parts) {
      std::size_t hash = 0;
      ((hash = hash * 1000003 ^ static_cast<std::size_t>(parts)), ...);
      return hash;
    }
    std::size_t operator()(const ruleset::ChainRef& chain) const {
      return all(chain.kind, chain.scope, chain.family, chain.policy, chain.owner, chain.count);
    }
    std::size_t operator()(const ruleset::SetRef& set) const {
      return all(set.kind, set.scope, set.family, set.policy, set.owner);
    }
  };

  template <typename Ref>
  class Table {
   public:
    const std::string& of(const Ref& ref, const ruleset::OwnerNames& owners) {
      if (last_ != nullptr && last_->first == ref) return last_->second;
      auto found = names_.find(ref);
      if (found == names_.end()) found = names_.emplace(ref, name(ref, owners)).first;
      last_ = &*found;
      return found->second;
    }

   private:
    std::unordered_map<Ref, std::string, Hash> names_;
    const std::pair<const Ref, std::string>* last_ = nullptr;
  };

  const ruleset::OwnerNames& owners_;
  Table<ruleset::ChainRef> chains_;
  Table<ruleset::SetRef> sets_;
};

}  // namespace kproxy::apply
