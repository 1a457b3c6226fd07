// Tells which UDP flows must be forgotten after a change, so that their next packet is seen as that
// of a new connection.
//
// Frontends are touched when they come, go, or an endpoint does not serve any more, or the first
// one does. A flow to a touched frontend is stale if it is not with an endpoint that serves there;
// if the frontend is gone, a flow that was redirected is. All other flows are left alone: one
// change among many Services puts few flows in question. Where several Services claim a frontend,
// what serves for any of them serves.
//
// The first update() of each Service touches all its frontends, so that what happened while nobody
// watched is noticed, too. Memory: the UDP ports of all Services. Not thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/service/udp_ports.h"

namespace kproxy::service {

// A flow by how it began and who answers.
struct UdpFlow {
  Socket to;  // where the client sends
  Socket by;  // where answers come from; equal to `to` if nobody redirected it
};

// A set of addresses: prefixes in order, none within another.
class AddressSet {
 public:
  AddressSet() = default;
  explicit AddressSet(std::vector<Cidr> prefixes);
  bool contains(const Address& address) const;  // logarithmic
  const std::vector<Cidr>& prefixes() const { return prefixes_; }

 private:
  std::vector<Cidr> prefixes_;
};

// Where node ports are accepted: those of the node's own addresses that the view accepts.
AddressSet node_port_destinations(const NodeFamily& view, Family family,
                                  const std::vector<Cidr>& own_addresses);

class UdpFlows {
 public:
  // The Service as it is now; null: it is gone. Costs the size of the Service and its slices if it
  // has UDP ports, or had.
  void update(const snapshot::ObjectName& name, const snapshot::Snapshot::Entry* entry,
              const NodeView& node);

  // Whether some frontend of the family has been touched since the last begin() for it.
  bool touched(Family family) const { return !touched_[index_of(family)].empty(); }

  // The frontends touched until now are those that is_stale() goes by, beside those that it goes by
  // already; what update() touches from now on is for the next time.
  void begin(Family family);
  // These have been dealt with.
  void finish(Family family);

  // All frontends that is_stale() goes by have this address, or port; nothing: it differs.
  std::optional<Address> only_address(Family family) const;
  std::optional<Port> only_port(Family family) const;
  // Whether there is a node port among them.
  bool node_ports(Family family) const;

  // `node_ports`: where they are accepted.
  bool is_stale(const UdpFlow& flow, const AddressSet& node_ports) const;

 private:
  // A frontend; a node port has the family's unspecified address.
  struct Hash {
    std::size_t operator()(const Socket& socket) const {
      return std::hash<Address>()(socket.address) ^ (std::size_t{socket.port.value} << 20);
    }
  };
  using Keys = std::unordered_set<Socket, Hash>;

  static Socket key(Family family, const Frontend& frontend);

  std::map<snapshot::ObjectName, std::vector<UdpPort>> services_;  // those that have UDP ports
  std::unordered_map<Socket, std::vector<const UdpPort*>, Hash> claims_;
  std::array<Keys, 2> touched_;  // by family
  std::array<Keys, 2> in_question_;
};

}  // namespace kproxy::service
