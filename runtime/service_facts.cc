#include "runtime/service_facts.h"

#include "compiler/service/service_port.h"

namespace kproxy {

void ServiceFacts::update(const snapshot::Snapshot& snapshot, const snapshot::Changes& changes,
                          const service::NodeView& view) {
  const bool all = view_ != view;
  if (all) {
    view_ = view;
    for (const auto& [name, entry] : snapshot.services()) update_service(name, &entry, view);
  }
  changes.each_service(
      [&](const snapshot::ObjectName& name, const snapshot::Snapshot::Entry* entry) {
        if (!all || entry == nullptr) update_service(name, entry, view);
      });
}

std::vector<service::HealthPort> ServiceFacts::health_ports() const {
  std::vector<service::HealthPort> ports;
  for (const auto& [name, port] : health_ports_) ports.push_back(port);
  return ports;
}

void ServiceFacts::update_service(const snapshot::ObjectName& name,
                                  const snapshot::Snapshot::Entry* entry,
                                  const service::NodeView& view) {
  stale_flows_.update(name, entry, view);

  const auto port = entry == nullptr ? std::nullopt : service::health_port(*entry, view);
  const auto known = health_ports_.find(name);
  if (port && (known == health_ports_.end() || known->second != *port)) {
    health_ports_[name] = *port;
    health_ports_changed_ = true;
  } else if (!port && known != health_ports_.end()) {
    health_ports_.erase(known);
    health_ports_changed_ = true;
  }

  const Counts now = entry == nullptr ? Counts{} : count_without_local(*entry, view);
  const auto before = counts_.find(name);
  for (std::size_t family = 0; family < now.size(); ++family)
    for (std::size_t policy = 0; policy < now[family].size(); ++policy) {
      if (before != counts_.end()) without_local_[family][policy] -= before->second[family][policy];
      without_local_[family][policy] += now[family][policy];
    }
  if (now != Counts{})
    counts_[name] = now;
  else if (before != counts_.end())
    counts_.erase(before);
}

ServiceFacts::Counts ServiceFacts::count_without_local(const snapshot::Snapshot::Entry& entry,
                                                       const service::NodeView& view) {
  Counts counts{};
  if (!entry.service || !(entry.service->internal_local || entry.service->external_local))
    return counts;
  for (const service::ServicePort& port : service::resolve(entry, view)) {
    if (!port.any() || !port.endpoints.local.empty()) continue;
    auto& [internal, external] = counts[index_of(port.family)];
    internal += port.internal_local;
    external += port.external_local;
  }
  return counts;
}

}  // namespace kproxy
