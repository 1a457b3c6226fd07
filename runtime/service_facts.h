// What else follows from Services beside the ruleset: health ports, UDP flows to be forgotten, and
// how many Service ports have no endpoint on this node although their policy wants one.
//
// update() costs the size of the Services that changed; of all of them where the node's view did.
// One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/service/health_port.h"
#include "compiler/service/node_view.h"
#include "compiler/snapshot/snapshot.h"
#include "runtime/kernel/stale_flows.h"

namespace kproxy {

class ServiceFacts {
 public:
  enum class TrafficPolicy : std::uint8_t { internal, external };

  void update(const snapshot::Snapshot& snapshot, const snapshot::Changes& changes,
              const service::NodeView& view);

  kernel::StaleFlows& stale_flows() { return stale_flows_; }
  const kernel::StaleFlows& stale_flows() const { return stale_flows_; }
  // In order of the Services' names.
  std::vector<service::HealthPort> health_ports() const;
  bool has_health_ports() const { return !health_ports_.empty(); }
  // Whether they are others than when it was last asked.
  bool take_health_ports_changed() { return std::exchange(health_ports_changed_, false); }

  // Service ports of a policy Local that have endpoints, but none on this node.
  std::size_t without_local_endpoints(Family family, TrafficPolicy policy) const {
    return without_local_[index_of(family)][static_cast<std::size_t>(policy)];
  }

 private:
  using Counts = std::array<std::array<std::size_t, 2>, 2>;  // by family and policy

  void update_service(const snapshot::ObjectName& name, const snapshot::Snapshot::Entry* entry,
                      const service::NodeView& view);
  static Counts count_without_local(const snapshot::Snapshot::Entry& entry,
                                    const service::NodeView& view);

  std::optional<service::NodeView> view_;  // that all facts are of
  kernel::StaleFlows stale_flows_;
  std::map<snapshot::ObjectName, service::HealthPort> health_ports_;
  bool health_ports_changed_ = false;
  std::map<snapshot::ObjectName, Counts> counts_;  // of Services that have any
  Counts without_local_{};
};

}  // namespace kproxy
