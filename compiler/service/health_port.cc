#include "compiler/service/health_port.h"

#include <algorithm>
#include <set>

namespace kproxy::service {
namespace {

using snapshot::EndpointSlice;
using snapshot::Service;

bool serves_a_port(const EndpointSlice& slice, const Service& service) {
  return std::any_of(slice.ports.begin(), slice.ports.end(), [&](const auto& slice_port) {
    return std::any_of(service.ports.begin(), service.ports.end(), [&](const auto& port) {
      return port.name == slice_port.name && port.protocol == slice_port.protocol;
    });
  });
}

std::size_t count_local(const snapshot::Snapshot::Entry& entry, Family family,
                        const NodeView& node) {
  std::set<Address> addresses;
  for (const EndpointSlice* slice : entry.slices) {
    if (slice->headless || slice->family != family || !serves_a_port(*slice, *entry.service))
      continue;
    for (const snapshot::Endpoint& endpoint : slice->endpoints)
      if (endpoint.ready && !endpoint.node.empty() && endpoint.node == node.name)
        addresses.insert(endpoint.address);
  }
  return addresses.size();
}

}  // namespace

std::optional<HealthPort> health_port(const snapshot::Snapshot::Entry& entry,
                                      const NodeView& node) {
  if (!entry.service) return std::nullopt;
  const Service& service = *entry.service;
  if (service.other_proxy || service.type != Service::Type::load_balancer ||
      !service.external_local || service.health_check_node_port.value == 0)
    return std::nullopt;
  HealthPort port{service.name.ns, service.name.name, service.health_check_node_port, {}};
  bool any = false;
  for (Family family : kFamilies) {
    if (!service.cluster_ips[index_of(family)]) continue;
    port.local_endpoints[index_of(family)] = count_local(entry, family, node);
    any = true;
  }
  if (!any) return std::nullopt;
  return port;
}

NodePortAddresses node_port_addresses(const NodeView& node,
                                      const std::array<std::vector<Cidr>, 2>& own) {
  NodePortAddresses result;
  for (Family family : kFamilies) {
    const NodeFamily& view = node.of(family);
    if (view.node_ports_everywhere) continue;
    auto& addresses = result[index_of(family)].emplace();
    for (const Cidr& cidr : own[index_of(family)]) {
      const bool accepted =
          cidr == Cidr::host(cidr.address()) &&
          std::any_of(view.node_port_addresses.begin(), view.node_port_addresses.end(),
                      [&](const Cidr& range) { return range.contains(cidr.address()); });
      if (accepted) addresses.push_back(cidr.address());
    }
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  }
  return result;
}

}  // namespace kproxy::service
