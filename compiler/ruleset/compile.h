// From what a Service means to the elements of the table's sets and maps. Pure functions of the
// node's view and one Service port.
#pragma once

#include <functional>
#include <vector>

#include "compiler/ruleset/element.h"
#include "compiler/service/node_view.h"
#include "compiler/service/service_port.h"

namespace kproxy::ruleset {

// Elements that the node itself gives: service CIDRs, pod CIDRs, node port addresses.
std::vector<Element> node_elements(const service::NodeView& node);

// The Service port's elements in canonical order. `owns` tells whether a frontend is this Service
// port's: another Service may have the better claim, and then gets all of the frontend's elements.
// Elements that several Service ports may share (ClusterIPs, hairpin pairs) are in each one's list.
std::vector<Element> compile(const service::ServicePort& port, Owner owner,
                             const service::NodeView& node,
                             const std::function<bool(const service::Frontend&)>& owns);

// Whether elements of this kind may stem from several Service ports at once.
bool is_shared(SetKind kind);

}  // namespace kproxy::ruleset
