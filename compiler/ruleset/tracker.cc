#include "compiler/ruleset/tracker.h"

#include <algorithm>

namespace kproxy::ruleset {
namespace {

using Extent = snapshot::Snapshot::Extent;

// Where all Services are compiled, so many at a time: what they mean need not be held for all.
constexpr std::size_t kPiece = 256;

// Whether Services may mean something else on this node than before.
bool concerns_services(const service::NodeView& a, const service::NodeView& b) {
  const auto addresses = [](const service::NodeView& view, Family family) -> const auto& {
    return view.of(family).addresses;
  };
  return a.name != b.name || a.zone != b.zone || a.external_ips != b.external_ips ||
         addresses(a, Family::ipv4) != addresses(b, Family::ipv4) ||
         addresses(a, Family::ipv6) != addresses(b, Family::ipv6);
}

bool is_in_use(const service::ServicePort& port, Policy policy) {
  const std::vector<Policy> used = policies_in_use(port);
  return std::find(used.begin(), used.end(), policy) != used.end();
}

void tell_of_left_out(const Ruleset::ServiceState& service, Errors& warnings) {
  for (const service::ServicePort& port : service.ports)
    for (Policy policy : kPolicies) {
      const std::size_t size = endpoints_of(port.endpoints, policy).size();
      if (size <= kMaxEndpoints || !is_in_use(port, policy)) continue;
      warnings.push_back({"Service port " + service::label(service.name, port),
                          "has " + std::to_string(size) + ' ' +
                              std::string(to_string(port.family)) +
                              " endpoints under traffic policy " +
                              (policy == Policy::cluster ? "Cluster" : "Local") + "; " +
                              std::to_string(size - kMaxEndpoints) + " are left out",
                          std::to_string(kMaxEndpoints) + " at most are served"});
    }
}

}  // namespace

Status Tracker::update(const snapshot::Snapshot& snapshot, const snapshot::Changes& changes,
                       Errors& warnings) {
  bool all = !ruleset_;
  if (!ruleset_ || changes.nodes || changes.service_cidrs) {
    Result<service::NodeView> view = service::view_of_node(options_, snapshot, warnings);
    if (!view) return view.error();
    if (!ruleset_) {
      options_.node = view->name;  // also where it was the only one, once
      ruleset_.emplace(*view);
      ruleset_->expect(snapshot.services().size());
    } else if (*view != ruleset_->node()) {
      all = concerns_services(*view, ruleset_->node());
      ruleset_->set_node(*view);
    }
  }

  const auto resolve_entry = [&](const snapshot::ObjectName& name,
                                 const snapshot::Snapshot::Entry* entry) {
    Ruleset::ServiceState state{.name = name, .created = 0, .ports = {}};
    if (entry == nullptr || !entry->service) return state;
    state.created = entry->service->created;
    state.ports = service::resolve(*entry, ruleset_->node());
    return state;
  };
  const auto resolve = [&](const snapshot::ObjectName& name) {
    return resolve_entry(name, snapshot.find(name));
  };
  std::vector<Ruleset::ServiceState> states;
  const auto update = [&] {
    for (const Ruleset::ServiceState& state : states) tell_of_left_out(state, warnings);
    ruleset_->update(std::move(states), resolve);
    states.clear();
  };
  const auto patched = [&](const snapshot::ObjectName& name, const snapshot::Snapshot::Entry& entry,
                           Extent extent) {
    return extent == Extent::slices && ruleset_->update_endpoints(name, entry);
  };
  for (const snapshot::ObjectName& name : changes.gone)
    states.push_back(resolve_entry(name, nullptr));
  if (all) {
    for (const auto& [name, entry] : snapshot.services()) {
      states.push_back(resolve_entry(name, &entry));
      if (states.size() == kPiece) update();
    }
  } else {
    for (const auto& [service, extent] : changes.services) {
      const auto& [name, entry] = *service;
      if (!patched(name, entry, extent)) states.push_back(resolve_entry(name, &entry));
    }
  }
  if (!states.empty()) update();
  return ok_status();
}

}  // namespace kproxy::ruleset
