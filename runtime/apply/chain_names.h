// Names of chains, remembered: elements by the ten thousands point at a handful of them.
#pragma once

#include <string>
#include <unordered_map>

#include "compiler/ruleset/names.h"

namespace kproxy::apply {

// Not thread-safe. The references it gives stay valid.
class ChainNames {
 public:
  explicit ChainNames(const ruleset::OwnerNames& owners) : owners_(owners) {}

  const std::string& of(const ruleset::ChainRef& chain) {
    if (last_ != nullptr && last_->first == chain) return last_->second;
    auto found = names_.find(chain);
    if (found == names_.end()) found = names_.emplace(chain, name(chain, owners_)).first;
    last_ = &*found;
    return found->second;
  }

 private:
  struct Hash {
    std::size_t operator()(const ruleset::ChainRef& chain) const {
      std::size_t hash = static_cast<std::size_t>(chain.kind);
      for (std::size_t part :
           {static_cast<std::size_t>(chain.scope), static_cast<std::size_t>(chain.family),
            static_cast<std::size_t>(chain.policy), std::size_t{chain.owner},
            std::size_t{chain.count}})
        hash = hash * 1000003 ^ part;
      return hash;
    }
  };

  const ruleset::OwnerNames& owners_;
  std::unordered_map<ruleset::ChainRef, std::string, Hash> names_;
  const std::pair<const ruleset::ChainRef, std::string>* last_ = nullptr;
};

}  // namespace kproxy::apply
