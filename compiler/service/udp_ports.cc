#include "compiler/service/udp_ports.h"

#include <algorithm>

namespace kproxy::service {
namespace {

// Whoever serves, or is given new connections: a ready endpoint may be one that does not serve,
// where the Service publishes addresses that are not ready.
std::vector<Socket> serving(const snapshot::Snapshot::Entry& entry, std::string_view port_name,
                            Family family) {
  std::vector<Socket> result;
  for (const snapshot::EndpointSlice* slice : entry.slices) {
    if (slice->headless || slice->family != family) continue;
    for (const snapshot::EndpointSlice::PortSpec& port : slice->ports) {
      if (port.name != port_name || port.protocol != Protocol::udp) continue;
      for (const snapshot::Endpoint& endpoint : slice->endpoints)
        if (endpoint.ready || endpoint.serving) result.push_back({endpoint.address, port.port});
    }
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

}  // namespace

std::vector<UdpPort> udp_ports(const snapshot::Snapshot::Entry& entry, const NodeView& node) {
  std::vector<UdpPort> result;
  if (!entry.service) return result;
  const auto& ports = entry.service->ports;
  if (std::none_of(ports.begin(), ports.end(),
                   [](const auto& port) { return port.protocol == Protocol::udp; }))
    return result;
  for (ServicePort& port : resolve(entry, node))
    if (port.protocol == Protocol::udp)
      result.push_back(
          {port.family, std::move(port.frontends), serving(entry, port.port_name, port.family)});
  return result;
}

}  // namespace kproxy::service
