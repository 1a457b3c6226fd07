// From what a Service means to what nftables is told. Pure functions: the skeleton from the node's
// view, a Service port's elements from the Service port.
#pragma once

#include <functional>
#include <vector>

#include "compiler/ruleset/element.h"
#include "compiler/ruleset/structure.h"
#include "compiler/service/node_view.h"
#include "compiler/service/service_port.h"

namespace kproxy::ruleset {

// The constant part: base chains, the chains they lead to, and all sets and maps but those of
// affinity. Depends on the node's view, never on a Service.
Structure skeleton(const service::NodeView& node);

// Elements that the node itself gives: service CIDRs, pod CIDRs, node port addresses.
std::vector<Element> node_elements(const service::NodeView& node);

// The chain that spreads new connections over n slots (1..kMaxEndpoints).
Chain random_chain(Scope scope, Family family, Policy policy, std::uint16_t n);

// Sets, maps and chains that a Service port with session affinity has for itself; nothing for one
// without. Depends on its policies, protocol and timeout, never on its endpoints.
Structure affinity_structure(const service::ServicePort& port, Owner owner);

// The Service port's elements in canonical order. `owns` tells whether a frontend is this Service
// port's: another Service may have the better claim, and then gets all of the frontend's elements.
// Elements that several Service ports may share (ClusterIPs, hairpin pairs) are in each one's list.
std::vector<Element> compile(const service::ServicePort& port, Owner owner,
                             const service::NodeView& node,
                             const std::function<bool(const service::Frontend&)>& owns);

// Whether elements of this kind may stem from several Service ports at once.
bool is_shared(SetKind kind);

}  // namespace kproxy::ruleset
