#include "compiler/kpcompile/counts.h"

#include <algorithm>
#include <iterator>

namespace kproxy::kpcompile {

std::vector<service::Endpoint> endpoints_of(const service::ServicePort& port) {
  std::vector<service::Endpoint> all;
  const auto& [cluster, local] = port.endpoints;
  std::set_union(cluster.begin(), cluster.end(), local.begin(), local.end(),
                 std::back_inserter(all));
  return all;
}

Counts count(const Compilation& compilation) {
  const ruleset::Ruleset& ruleset = compilation.ruleset;
  Counts counts;
  for (const auto& [name, entry] : compilation.snapshot.services()) {
    const std::vector<service::ServicePort> ports = service::resolve(entry, ruleset.node());
    counts.services += !ports.empty();
    counts.service_ports += ports.size();
    for (const service::ServicePort& port : ports) counts.endpoints += endpoints_of(port).size();
  }
  const ruleset::Structure structure = ruleset.structure();
  const std::vector<ruleset::Element> elements = ruleset.elements();
  auto next = elements.begin();
  for (const ruleset::SetRef& set : structure.sets) {
    ++(ruleset::is_map(set.kind) ? counts.maps : counts.sets);
    const auto end = std::find_if_not(
        next, elements.end(), [&set](const ruleset::Element& each) { return each.set == set; });
    counts.elements.emplace_back(name(set, ruleset.owners()), end - next);
    next = end;
  }
  for (const ruleset::Chain& chain : structure.chains) {
    ++counts.chains;
    counts.base_chains += chain.hook.has_value();
    counts.rules += chain.rules.size();
  }
  counts.conflicts = ruleset.conflicts().size();
  return counts;
}

}  // namespace kproxy::kpcompile
