// The table's sets, maps and chains with their rules. Pure functions: the skeleton from the node's
// view, what session affinity adds to it from a Service port.
#pragma once

#include <vector>

#include "compiler/ruleset/structure.h"
#include "compiler/service/node_view.h"
#include "compiler/service/service_port.h"

namespace kproxy::ruleset {

// The constant part: base chains, the chains they lead to, and all sets and maps but those of
// affinity. Depends on the node's view, never on a Service.
Structure skeleton(const service::NodeView& node);

// The chain that spreads new connections over n slots (1..kMaxEndpoints).
Chain random_chain(Scope scope, Family family, Policy policy, std::uint16_t n);

// The policies by which some frontend of the Service port may be served.
std::vector<Policy> policies_in_use(const service::ServicePort& port);

// Sets, maps and chains that a Service port with session affinity has for itself; nothing for one
// without. Depends on its policies, protocol and timeout, never on its endpoints.
Structure affinity_structure(const service::ServicePort& port, Owner owner);

}  // namespace kproxy::ruleset
