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

// Those that are eligible under a policy, the first kMaxEndpoints of which are served.
const std::vector<service::Endpoint>& endpoints_of(const service::Eligible& endpoints,
                                                   Policy policy);

// Elements that the node itself gives: service CIDRs, pod CIDRs, node port addresses.
std::vector<Element> node_elements(const service::NodeView& node);

// The Service port's elements in canonical order, but for those of kind `endpoints`: there are
// many, and they follow from these, see append_endpoints(). `owns` tells whether a frontend is this
// Service port's: another Service may have the better claim, and then gets all of the frontend's
// elements. Elements that several Service ports may share (ClusterIPs, hairpin pairs) are in each
// one's list.
std::vector<Element> compile(const service::ServicePort& port, Owner owner,
                             const service::NodeView& node,
                             const std::function<bool(const service::Frontend&)>& owns);

// How many endpoints an element of kind `frontends` or `local_policy` chooses from, and under which
// policy they are eligible; 0: it leads to none.
struct Choice {
  Policy policy = Policy::cluster;
  std::uint16_t count = 0;
};
Choice choice_of(const Element& chooser);
// For such an element, the one of kind `endpoints` that leads to the endpoint with that index.
Element endpoint_element(const Element& chooser, std::size_t index,
                         const service::Endpoint& endpoint);
// Adds all elements of kind `endpoints` of a frontend, in order of their slots: `frontend` is of
// kind `frontends`, one of the elements of a Service port that was compiled with these endpoints.
void append_endpoints(const Element& frontend, std::span<const Element> elements,
                      const service::Eligible& endpoints, std::vector<Element>& to);
// The elements of the Service port that are of kind `frontends`, which come first.
std::span<const Element> frontends_of(std::span<const Element> elements);

// Whether elements of this kind may stem from several Service ports at once.
bool is_shared(SetKind kind);

}  // namespace kproxy::ruleset
