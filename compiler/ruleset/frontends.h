// Who owns a frontend. Two Services can claim one address and port (the same external IP, the same
// node port); the older Service has it, then the first by name, and when it goes the next one does.
//
// Cost of a claim: constant on average; contested frontends are expected to be few. Not
// thread-safe.
#pragma once

#include <compare>
#include <cstdint>
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

// What one Service claims. Kept by whoever keeps the Service, at one place in memory as long as
// there are keys in it.
struct Claims {
  const snapshot::ObjectName* service = nullptr;  // likewise
  std::int64_t created = 0;       // Unix seconds; 0: unknown, which counts as the newest
  std::vector<FrontendKey> keys;  // sorted
  std::size_t lost = 0;           // of the keys, how many another one has
};

class FrontendOwners {
 public:
  struct Better {  // has the better claim
    bool operator()(const Claims* a, const Claims* b) const;
  };
  using Claimants = std::set<Claims*, Better>;

  void expect(std::size_t frontends) { owners_.reserve(frontends); }

  // The Service's claims become these. Returns the other Services that lost or won a frontend.
  std::set<snapshot::ObjectName> claim(Claims& claims, std::int64_t created,
                                       std::vector<FrontendKey> keys);

  // Whether a frontend that the Service claims is its own.
  bool owns(const Claims& claims, const FrontendKey& key) const;

  // Frontends with several claimants, best claim first.
  const std::map<FrontendKey, Claimants>& contested() const { return contested_; }

 private:
  struct Hash {
    std::size_t operator()(const FrontendKey& key) const noexcept;
  };

  void take(Claims& claims, const FrontendKey& key, std::set<snapshot::ObjectName>& others);
  void release(Claims& claims, const FrontendKey& key, std::set<snapshot::ObjectName>& others);

  std::unordered_map<FrontendKey, Claims*, Hash> owners_;
  std::map<FrontendKey, Claimants> contested_;
};

}  // namespace kproxy::ruleset
