// Which endpoints a Service port may use on this node: readiness, topology hints, locality.
#pragma once

#include <string_view>
#include <vector>

#include "compiler/service/node_view.h"
#include "compiler/service/service_port.h"
#include "compiler/snapshot/objects.h"

namespace kproxy::service {

// An endpoint of a Service port together with what its slice gives it.
struct Candidate {
  const snapshot::Endpoint* endpoint;
  const snapshot::Endpoint::Hints* hints;  // null: none
  Port port;
};

// Whether it runs on this node.
inline bool is_local(const snapshot::Endpoint& endpoint, const NodeView& node) {
  return !endpoint.node.empty() && endpoint.node == node.name;
}
// Those of this node, in their order.
std::vector<Endpoint> local_of(const std::vector<Endpoint>& endpoints);

// Of several candidates with one address and port, one that does not terminate counts, else the
// first. n log n, or n where they are in order.
Eligible select_endpoints(std::vector<Candidate> candidates, const NodeView& node);

}  // namespace kproxy::service
