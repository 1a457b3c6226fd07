// What a Service means on this node: each of its ports in each of its families, with the frontends
// clients use and the endpoints that may answer, after readiness, topology and traffic policies.
//
// resolve() is a pure function of one Service, its slices and the node's view; it costs the size of
// the Service and its slices (n log n in the endpoints).
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compiler/service/node_view.h"
#include "compiler/snapshot/snapshot.h"

namespace kproxy::service {

// A place where new connections go. Ordered by what wins where one Service names an address twice.
enum class FrontendKind : std::uint8_t { cluster_ip, load_balancer, external_ip, node_port };
std::string_view to_string(FrontendKind kind);  // "ClusterIP", "LoadBalancer", ...

struct Frontend {
  FrontendKind kind = FrontendKind::cluster_ip;
  Address address;  // not used for a node port, which has no address of its own
  Port port;
  auto operator<=>(const Frontend&) const = default;
};

struct Endpoint {
  Address address;
  Port port;
  bool local = false;  // runs on this node
  auto operator<=>(const Endpoint&) const = default;
};

// Where new connections of a Service port may go; each list in order of address and port.
struct Eligible {
  std::vector<Endpoint> cluster;  // under policy Cluster
  std::vector<Endpoint> local;    // under policy Local
  bool operator==(const Eligible&) const = default;
};

// One port of one Service in one family.
struct ServicePort {
  std::string port_name;  // may be empty
  Protocol protocol = Protocol::tcp;
  Port port;
  Family family = Family::ipv4;
  std::vector<Frontend> frontends;  // in order of kind and address, no frontend twice
  bool internal_local = false;      // ClusterIP traffic goes to local endpoints only
  bool external_local = false;      // external frontends keep the client's address
  Eligible endpoints;
  std::optional<std::uint32_t> affinity_seconds;  // sessionAffinity: ClientIP
  // Who may use the load balancer's addresses; nothing: everybody. No range contains another.
  std::optional<std::vector<Cidr>> source_ranges;

  // Some endpoint of the family, anywhere, is ready, or serving while it terminates. (Then, and
  // only then, is there an endpoint under policy Cluster.)
  bool any() const { return !endpoints.cluster.empty(); }

  bool operator==(const ServicePort&) const = default;
};

// All Service ports of a Service, ordered by port and family; none for a Service that is not
// served (headless, ExternalName, another proxy's, or without an object).
std::vector<ServicePort> resolve(const snapshot::Snapshot::Entry& entry, const NodeView& node);

// An endpoint in the place of another.
struct Replacement {
  std::size_t port;   // which of resolve()'s
  std::size_t index;  // its place under policy Cluster
  Endpoint endpoint;
};
// What a change of slices most often comes to. `held` gives what resolve() gave before for the
// endpoints of the port with that index, null where there was no such port. Nothing: there are more
// or fewer endpoints now, or others on this node. Costs the size of the slices.
std::optional<std::vector<Replacement>> replacements(
    const snapshot::Snapshot::Entry& entry, const NodeView& node,
    const std::function<const Eligible*(std::size_t)>& held);

// "ns/name/tcp/https", the name of a Service port in the names of chains and sets; the port's
// number stands in for an empty port name.
std::string label(const snapshot::ObjectName& service, const ServicePort& port);

}  // namespace kproxy::service
