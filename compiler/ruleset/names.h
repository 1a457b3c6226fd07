// What chains, sets and maps are called: small references that stages pass around, and the names
// that people and the kernel see.
//
// Nearly all objects are constant: one per scope (Service addresses, node ports) and family. Those
// of session affinity belong to one Service port, their owner, which is known by a number here and
// by its label ("shop/web/tcp/http") in names.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/types/address.h"

namespace kproxy::ruleset {

inline constexpr std::string_view kTable = "kproxy";  // of family inet

// Where a frontend is looked up: by address, protocol and port, or (on the node's own addresses)
// by protocol and port alone.
enum class Scope : std::uint8_t { services, node_ports };
inline constexpr std::array<Scope, 2> kScopes{Scope::services, Scope::node_ports};
enum class Policy : std::uint8_t { cluster, local };
inline constexpr std::array<Policy, 2> kPolicies{Policy::cluster, Policy::local};

using Owner = std::uint32_t;  // index into OwnerNames; kNoOwner: a constant object
inline constexpr Owner kNoOwner = 0;

enum class SetKind : std::uint8_t {
  // One per scope and family. Keys are frontends.
  frontends,       // map -> verdict: where new connections go
  external,        // map -> verdict: what external frontends do before that
  local_policy,    // map -> verdict: where clients from outside go under policy Local
  affinity,        // map -> verdict: jump to the chain that knows the client, policy Cluster
  affinity_local,  // the same, policy Local
  record,          // map -> verdict: goto the chain that remembers the client
  endpoints,       // map: frontend and slot -> endpoint
  // One per family.
  cluster_ips,          // addresses that are some Service's ClusterIP
  service_cidrs,        // prefixes that ClusterIPs come from
  pod_cidrs,            // sources that count as pods
  node_port_addresses,  // local addresses that accept node ports
  source_guarded,       // frontends that only some sources may use
  source_ranges,        // frontend and source prefix that may
  hairpin,              // (address, address) of endpoints on this node
  // One per owner, family and policy.
  clients,       // map: client -> the endpoint it was given last; entries time out
  client_ports,  // IPv6 only: the endpoint's port, which `clients` then does not have
  rememberable,  // the endpoints a client may be remembered for
};

struct SetRef {
  SetKind kind = SetKind::frontends;
  Scope scope = Scope::services;  // of the kinds that come per scope, else services
  Family family = Family::ipv4;
  Policy policy = Policy::cluster;  // of objects with an owner, else cluster
  Owner owner = kNoOwner;           // of the last three kinds
  auto operator<=>(const SetRef&) const = default;
};

enum class ChainKind : std::uint8_t {
  // Base chains.
  prerouting,
  input,
  output,
  postrouting,
  unserved_prerouting,  // after all DNAT: what went to a ClusterIP's address, and nobody took it
  unserved_output,
  // Constant.
  lookup,          // per scope and family: finds the frontend
  external_local,  // per scope and family: external frontends under policy Local
  mark_for_masquerade,
  masquerade,
  reject,
  record,  // per scope and family: finds the frontend again, after DNAT
  // One per scope, family, policy and number of endpoints.
  random,
  // One per owner, family (and policy).
  affinity,      // DNAT to the endpoint the client was given last
  record_owner,  // remembers the client's endpoint; for both policies
};

struct ChainRef {
  ChainKind kind = ChainKind::prerouting;
  Scope scope = Scope::services;
  Family family = Family::ipv4;
  Policy policy = Policy::cluster;
  Owner owner = kNoOwner;
  std::uint16_t count = 0;  // random: number of endpoints, 1..kMaxEndpoints
  auto operator<=>(const ChainRef&) const = default;
};

// Numbers for labels of owners and back. Grows with the owners ever seen. Not thread-safe.
class OwnerNames {
 public:
  Owner intern(const std::string& label);
  const std::string& label(Owner owner) const { return labels_[owner]; }

 private:
  std::map<std::string, Owner> owners_;
  std::vector<std::string> labels_{""};  // [kNoOwner]
};

// Names are unique among sets and among chains of the table; at most 255 bytes as the kernel wants,
// given labels of at most 200.
std::string name(const SetRef& set, const OwnerNames& owners);
std::string name(const ChainRef& chain, const OwnerNames& owners);
// The inverse. Interns an owner's label that was not known. Nothing if the name is not of ours.
std::optional<SetRef> parse_set_name(std::string_view name, OwnerNames& owners);
std::optional<ChainRef> parse_chain_name(std::string_view name, OwnerNames& owners);

}  // namespace kproxy::ruleset
