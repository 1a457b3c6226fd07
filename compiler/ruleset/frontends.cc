#include "compiler/ruleset/frontends.h"

#include <algorithm>
#include <tuple>

namespace kproxy::ruleset {

FrontendKey frontend_key(const service::ServicePort& port, const service::Frontend& frontend) {
  FrontendKey key;
  key.family = port.family;
  key.protocol = port.protocol;
  key.node_port = frontend.kind == service::FrontendKind::node_port;
  key.port = frontend.port;
  if (!key.node_port) key.address = frontend.address;
  return key;
}

std::string to_string(const FrontendKey& key) {
  const std::string protocol = "/" + std::string(to_string(key.protocol));
  if (key.node_port)
    return "node port " + std::to_string(key.port.value) + protocol + " (" +
           std::string(to_string(key.family)) + ")";
  return to_string(key.address, key.port) + protocol;
}

bool FrontendOwners::Better::operator()(const Claims* a, const Claims* b) const {
  // created == 0 means unknown: anybody with a date is taken to be older.
  if ((a->created == 0) != (b->created == 0)) return b->created == 0;
  return std::tie(a->created, *a->service) < std::tie(b->created, *b->service);
}

std::size_t FrontendOwners::Hash::operator()(const FrontendKey& key) const noexcept {
  const std::size_t rest = static_cast<std::size_t>(key.port.value) << 16 |
                           static_cast<std::size_t>(key.protocol) << 8 |
                           static_cast<std::size_t>(key.node_port) << 1 | index_of(key.family);
  return std::hash<Address>()(key.address) ^ (rest * 0x9e3779b97f4a7c15u);
}

std::set<snapshot::ObjectName> FrontendOwners::claim(Claims& claims, std::int64_t created,
                                                     std::vector<FrontendKey> keys) {
  std::set<snapshot::ObjectName> others;
  std::sort(keys.begin(), keys.end());
  if (claims.created == created && claims.keys == keys) return others;
  for (const FrontendKey& key : claims.keys) release(claims, key, others);
  claims.created = created;
  claims.keys = std::move(keys);
  for (const FrontendKey& key : claims.keys) take(claims, key, others);
  others.erase(*claims.service);
  return others;
}

void FrontendOwners::take(Claims& claims, const FrontendKey& key,
                          std::set<snapshot::ObjectName>& others) {
  const auto [owner, free] = owners_.try_emplace(key, &claims);
  if (free) return;
  Claimants& claimants = contested_[key];
  claimants.insert(owner->second);
  claimants.insert(&claims);
  if (!Better()(&claims, owner->second)) {
    ++claims.lost;
    return;
  }
  ++owner->second->lost;
  others.insert(*owner->second->service);
  owner->second = &claims;
}

void FrontendOwners::release(Claims& claims, const FrontendKey& key,
                             std::set<snapshot::ObjectName>& others) {
  const auto owner = owners_.find(key);
  const auto contest = contested_.find(key);
  if (contest == contested_.end()) {
    owners_.erase(owner);
    return;
  }
  contest->second.erase(&claims);
  if (owner->second == &claims) {
    owner->second = *contest->second.begin();
    --owner->second->lost;
    others.insert(*owner->second->service);
  } else {
    --claims.lost;
  }
  if (contest->second.size() == 1) contested_.erase(contest);
}

bool FrontendOwners::owns(const Claims& claims, const FrontendKey& key) const {
  if (claims.lost == 0) return true;
  const auto owner = owners_.find(key);
  return owner != owners_.end() && owner->second == &claims;
}

}  // namespace kproxy::ruleset
