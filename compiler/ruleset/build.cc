#include "compiler/ruleset/build.h"

#include <utility>
#include <vector>

namespace kproxy::ruleset {

Ruleset::ServiceState state_of(const snapshot::Snapshot& snapshot, const service::NodeView& node,
                               const snapshot::ObjectName& service) {
  Ruleset::ServiceState state;
  state.name = service;
  const snapshot::Snapshot::Entry* entry = snapshot.find(service);
  if (entry == nullptr) return state;
  if (entry->service) state.created = entry->service->created;
  state.ports = service::resolve(*entry, node);
  return state;
}

Result<Ruleset> build(const options::Options& options, const snapshot::Snapshot& snapshot,
                      Errors& warnings) {
  Result<service::NodeView> view = service::view_of_node(options, snapshot, warnings);
  if (!view) return view.error();
  Ruleset ruleset(std::move(view).value());
  const service::NodeView& node = ruleset.node();
  std::vector<Ruleset::ServiceState> states;
  states.reserve(snapshot.services().size());
  for (const auto& [name, entry] : snapshot.services())
    states.push_back(state_of(snapshot, node, name));
  ruleset.update(std::move(states), [&snapshot, &node](const snapshot::ObjectName& name) {
    return state_of(snapshot, node, name);
  });
  return ruleset;
}

}  // namespace kproxy::ruleset
