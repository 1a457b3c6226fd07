// What a Service's UDP ports mean to flows that exist already: where clients send, and which
// endpoints still answer there. A UDP flow has no end of its own: the kernel keeps sending it to
// the endpoint it was first given, for as long as the client keeps sending.
//
// An endpoint counts that serves, whether or not new connections are given to it: an unready or
// terminating one, or one that a traffic policy leaves out, keeps the flows that it has. Pure
// functions of one Service; a Service without UDP ports costs a look at its ports.
#pragma once

#include <vector>

#include "compiler/service/service_port.h"

namespace kproxy::service {

struct Socket {
  Address address;
  Port port;
  auto operator<=>(const Socket&) const = default;
};

// A UDP port of a Service in one family.
struct UdpPort {
  Family family = Family::ipv4;
  std::vector<Frontend> frontends;  // as ServicePort has them
  std::vector<Socket> serving;      // in order, none twice
  bool operator==(const UdpPort&) const = default;
};

// Ordered as resolve() orders Service ports; none for a Service that is not served.
std::vector<UdpPort> udp_ports(const snapshot::Snapshot::Entry& entry, const NodeView& node);

}  // namespace kproxy::service
