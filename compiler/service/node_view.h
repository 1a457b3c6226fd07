// What one node makes of the cluster's objects: its own name, addresses and zone, who counts as a
// local pod, where node ports are accepted. Formed from the options, the Node object and the
// ServiceCIDRs; everything a Service port's compilation needs to know besides the Service port.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "compiler/options/options.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/types/error.h"

namespace kproxy::service {

// How a connection is recognised as coming from a pod of this cluster (or node).
struct LocalDetector {
  enum class Kind : std::uint8_t { none, cidr, interface, interface_prefix };
  Kind kind = Kind::none;
  std::vector<Cidr> cidrs;  // kind cidr: of one family
  std::string interface;    // the interface's name, or the prefix of names
  bool operator==(const LocalDetector&) const = default;
};

// The node as one address family sees it.
struct NodeFamily {
  std::optional<Address> primary;  // the node's primary address
  std::vector<Address> addresses;  // all that the Node object lists (for source range exceptions)
  LocalDetector detector;
  bool node_ports_everywhere = false;     // accepted on every local address but loopback
  std::vector<Cidr> node_port_addresses;  // else on local addresses in these; may be empty
  std::vector<Cidr> service_cidrs;        // of all ServiceCIDR objects; none contains another
  bool operator==(const NodeFamily&) const = default;
};

struct NodeView {
  std::string name;
  std::string zone;  // empty: none
  std::array<NodeFamily, 2> families;
  bool masquerade_all = false;
  unsigned masquerade_bit = 14;
  bool external_ips = true;  // whether spec.externalIPs are frontends
  bool operator==(const NodeView&) const = default;

  const NodeFamily& of(Family family) const { return families[index_of(family)]; }
};

// The view of the node that the options name. Where they name none, the snapshot's only Node is it;
// with several Nodes that is an Error. A name without a Node object gives a view without zone and
// addresses, and a warning.
Result<NodeView> view_of_node(const options::Options& options, const snapshot::Snapshot& snapshot,
                              Errors& warnings);

}  // namespace kproxy::service
