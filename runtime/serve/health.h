// Whether this node's proxy keeps up: what /healthz, /livez and the health ports of Services say.
//
// A family is unhealthy while a sync that was asked for has been outstanding for too long, and from
// a failure on where none ever succeeded. The main thread tells what happens; any thread may ask.
// A mutex, held for some comparisons.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "compiler/types/address.h"

namespace kproxy::serve {

// The same moment on both clocks: one to measure with, one to show.
struct Moment {
  std::chrono::steady_clock::time_point steady;
  std::chrono::system_clock::time_point wall;

  static Moment now() {
    return {std::chrono::steady_clock::now(), std::chrono::system_clock::now()};
  }
};

// RFC 3339 in UTC with as many fractional digits as it takes.
std::string rfc3339(std::chrono::system_clock::time_point time);

class Health {
 public:
  // timeout: how long a sync may be outstanding; kube-proxy's is twice the sync period.
  explicit Health(std::chrono::nanoseconds timeout, std::function<Moment()> now = Moment::now)
      : now_(std::move(now)), timeout_(timeout) {}
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;

  void set_timeout(std::chrono::nanoseconds timeout);
  // A sync was asked for. Say so for each reason there is; a sync that succeeds settles them all.
  void sync_queued();
  void sync_queued(Family family);
  void synced();
  void synced(Family family);
  void sync_failed();
  // Whether load balancers shall send to this node: its Node is known, is not being deleted, and no
  // autoscaler is about to remove it. Not so until told.
  void set_node_eligible(bool eligible);

  // No family is unhealthy.
  bool healthy() const;

  struct Answer {
    int status;  // 200 or 503
    std::string body;
  };
  Answer healthz() const;  // also of the node
  Answer livez() const;    // of the proxy alone

 private:
  struct FamilyState {
    std::optional<std::chrono::steady_clock::time_point> outstanding_since;
    std::optional<std::chrono::system_clock::time_point> last_synced;
    bool failed = false;  // since the last success

    bool started() const { return outstanding_since || last_synced || failed; }
  };

  bool healthy(const FamilyState& state, const Moment& now) const;
  bool all_healthy(const Moment& now) const;
  Answer answer(bool with_node) const;

  const std::function<Moment()> now_;
  mutable std::mutex mutex_;
  std::chrono::nanoseconds timeout_;
  std::array<FamilyState, 2> families_;
  bool node_eligible_ = false;
};

}  // namespace kproxy::serve
