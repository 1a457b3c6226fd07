// From what a Service means to the elements of the table's sets and maps. Pure functions of the
// node's view and one Service port.
#pragma once

#include <functional>
#include <span>
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

// What slices alone can change of a Service port's elements, if all of its frontends are its own.
//
// Tells whether compile() would give the same elements with these endpoints but for where those of
// kind `endpoints` lead, since the endpoints are as many and on this node have the same addresses;
// never with session affinity. endpoint_of() is then where such an element leads.
bool same_but_for_endpoints(std::span<const Element> elements, const service::Eligible& endpoints);
inline const service::Endpoint& endpoint_of(const Element& element,
                                            const service::Eligible& endpoints) {
  const std::uint16_t slot = element.slot.value;
  return slot < kLocalSlots ? endpoints.cluster[slot] : endpoints.local[slot - kLocalSlots];
}
// Those of kind `endpoints`, of elements in canonical order.
std::span<Element> endpoint_elements(std::span<Element> elements);

// Whether elements of this kind may stem from several Service ports at once.
bool is_shared(SetKind kind);

}  // namespace kproxy::ruleset
