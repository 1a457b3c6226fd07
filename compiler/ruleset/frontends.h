// Who owns a frontend. Two Services can claim one address and port (the same external IP, the same
// node port); the older Service has it, then the first by name, and when it goes the next one does.
//
// Cost of a claim: constant on average; contested frontends are expected to be few. Not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "compiler/service/service_port.h"
#include "compiler/snapshot/objects.h"

namespace kproxy::ruleset {

// A frontend together with what sets it apart from all others.
struct FrontendKey {
  Family family = Family::ipv4;
  Protocol protocol = Protocol::tcp;
  bool node_port = false;
  Port port;
  Address address;  // unspecified for a node port
  auto operator<=>(const FrontendKey&) const = default;
};
FrontendKey frontend_key(const service::ServicePort& port, const service::Frontend& frontend);
// "10.0.0.1:80/tcp", "node port 30080/udp (IPv4)".
std::string to_string(const FrontendKey& key);

class FrontendOwners {
 public:
  struct Claimant {
    std::int64_t created = 0;  // Unix seconds; 0: unknown, which counts as the newest
    snapshot::ObjectName service;
    bool operator<(const Claimant& other) const;  // has the better claim
    bool operator==(const Claimant&) const = default;
  };

  // The service's claims become these. Returns the other Services that lost or won a frontend.
  std::set<snapshot::ObjectName> claim(const Claimant& claimant, std::vector<FrontendKey> keys);

  bool owns(const snapshot::ObjectName& service, const FrontendKey& key) const;

  // Frontends with several claimants, best claim first.
  const std::map<FrontendKey, std::set<Claimant>>& contested() const { return contested_; }

 private:
  struct Claims {
    std::int64_t created = 0;
    const snapshot::ObjectName* service = nullptr;  // the key in claims_
    std::vector<FrontendKey> keys;                  // sorted
    Claimant claimant() const { return {created, *service}; }
  };
  struct Hash {
    std::size_t operator()(const FrontendKey& key) const;
  };

  void take(const Claims* claims, const FrontendKey& key, std::set<snapshot::ObjectName>& others);
  void release(const Claims* claims, const FrontendKey& key,
               std::set<snapshot::ObjectName>& others);

  std::map<snapshot::ObjectName, Claims> claims_;
  std::unordered_map<FrontendKey, const Claims*, Hash> owners_;
  std::map<FrontendKey, std::set<Claimant>> contested_;
};

}  // namespace kproxy::ruleset
