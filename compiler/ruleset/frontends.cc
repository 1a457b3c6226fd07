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

bool FrontendOwners::Claimant::operator<(const Claimant& other) const {
  // created == 0 means unknown: anybody with a date is taken to be older.
  if ((created == 0) != (other.created == 0)) return other.created == 0;
  return std::tie(created, service) < std::tie(other.created, other.service);
}

std::size_t FrontendOwners::Hash::operator()(const FrontendKey& key) const {
  const std::size_t rest = static_cast<std::size_t>(key.port.value) << 16 |
                           static_cast<std::size_t>(key.protocol) << 8 |
                           static_cast<std::size_t>(key.node_port) << 1 | index_of(key.family);
  return std::hash<Address>()(key.address) ^ (rest * 0x9e3779b97f4a7c15u);
}

std::set<snapshot::ObjectName> FrontendOwners::claim(const Claimant& claimant,
                                                     std::vector<FrontendKey> keys) {
  std::set<snapshot::ObjectName> others;
  std::sort(keys.begin(), keys.end());
  // When all Services claim they come in order of their names: each belongs at the end.
  const bool last = claims_.empty() || claims_.rbegin()->first < claimant.service;
  const auto known = last ? claims_.end() : claims_.find(claimant.service);
  if (known != claims_.end()) {
    if (known->second.created == claimant.created && known->second.keys == keys) return others;
    for (const FrontendKey& key : known->second.keys) release(&known->second, key, others);
    claims_.erase(known);
  }
  if (!keys.empty()) {
    const auto entry = claims_.emplace_hint(claims_.end(), claimant.service,
                                            Claims{claimant.created, nullptr, std::move(keys)});
    entry->second.service = &entry->first;
    for (const FrontendKey& key : entry->second.keys) take(&entry->second, key, others);
  }
  others.erase(claimant.service);
  return others;
}

void FrontendOwners::take(const Claims* claims, const FrontendKey& key,
                          std::set<snapshot::ObjectName>& others) {
  const auto [entry, free] = owners_.try_emplace(key, claims);
  if (free) return;
  std::set<Claimant>& claimants = contested_[key];
  claimants.insert(entry->second->claimant());
  claimants.insert(claims->claimant());
  if (claims->claimant() < entry->second->claimant()) {
    others.insert(*entry->second->service);
    entry->second = claims;
  }
}

void FrontendOwners::release(const Claims* claims, const FrontendKey& key,
                             std::set<snapshot::ObjectName>& others) {
  const auto owner = owners_.find(key);
  const auto contest = contested_.find(key);
  if (contest == contested_.end()) {
    owners_.erase(owner);
    return;
  }
  contest->second.erase(claims->claimant());
  if (owner->second == claims) {
    const snapshot::ObjectName& heir = contest->second.begin()->service;
    owner->second = &claims_.at(heir);
    others.insert(heir);
  }
  if (contest->second.size() == 1) contested_.erase(contest);
}

bool FrontendOwners::owns(const snapshot::ObjectName& service, const FrontendKey& key) const {
  const auto owner = owners_.find(key);
  return owner != owners_.end() && *owner->second->service == service;
}

}  // namespace kproxy::ruleset
