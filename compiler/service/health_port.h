// spec.healthCheckNodePort: the port by which a load balancer outside learns whether this node has
// endpoints of a Service of its own.
//
// Pure functions; the cost is that of the Service's slices.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "compiler/service/node_view.h"
#include "compiler/snapshot/snapshot.h"

namespace kproxy::service {

struct HealthPort {
  std::string service_namespace;
  std::string service_name;
  Port port;
  // For each family in which the Service has a ClusterIP: how many distinct addresses of ready
  // endpoints on this node it has, over all of its ports.
  std::array<std::optional<std::size_t>, 2> local_endpoints;

  bool operator==(const HealthPort&) const = default;
};

// Nothing for a Service that is not served, or has no such port: only those of type LoadBalancer
// with externalTrafficPolicy Local do.
std::optional<HealthPort> health_port(const snapshot::Snapshot::Entry& entry, const NodeView& node);

// By family, where node ports are accepted: addresses of this node; none given: on every address.
using NodePortAddresses = std::array<std::optional<std::vector<Address>>, 2>;

// own: of each family, the node's own addresses, and prefixes that are its own as a whole (which
// are not looked at).
NodePortAddresses node_port_addresses(const NodeView& node,
                                      const std::array<std::vector<Cidr>, 2>& own);

}  // namespace kproxy::service
