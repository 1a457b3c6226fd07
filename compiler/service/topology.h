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

struct Eligible {
  std::vector<Endpoint> cluster;  // under policy Cluster
  std::vector<Endpoint> local;    // under policy Local
};

// Of several candidates with one address and port, one that does not terminate counts, else the
// first. Both results are in order of address and port. n log n.
Eligible select_endpoints(std::vector<Candidate> candidates, const NodeView& node);

}  // namespace kproxy::service
