// Decides when syncs that keep failing are worth an event on the Node: a single failure is not, as
// it is tried again.
//
// There is one event for each cause, once no sync has succeeded for so long; again only after one
// has. One thread; never waits, and needs no timer, as whatever fails is tried again.
#pragma once

#include <chrono>
#include <optional>
#include <set>
#include <string>

#include "compiler/types/error.h"
#include "runtime/source/cluster_event.h"

namespace kproxy {

class SyncTrouble {
 public:
  using Clock = std::chrono::steady_clock;

  // The attempts after 1, 3, 7 and 15 seconds have failed as well, so that it is no passing want of
  // memory and no other program's moment with the table; and half a minute is left until /livez
  // says that we are unhealthy.
  static constexpr auto kPatience = std::chrono::seconds(30);
  static constexpr auto kInterval = std::chrono::minutes(1);  // between two events, at least
  static constexpr std::size_t kMostCauses = 16;              // told until a sync succeeds

  // The event to post, if any.
  std::optional<source::ClusterEvent> failed(const std::string& node, const Error& error,
                                             Clock::time_point now);
  void succeeded();

 private:
  std::optional<Clock::time_point> since_;  // the first failure after the last success
  std::optional<Clock::time_point> posted_;
  std::set<std::string> told_;
};

}  // namespace kproxy
