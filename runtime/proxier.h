// Keeps the kernel's table what a Snapshot compiles to, from whatever source the Snapshot comes.
//
// Whoever fills the Snapshot says changed(); run() then compiles what changed and sends the
// difference in one transaction, at once or, where there is a least time between syncs, when that
// has passed. What the kernel refuses is tried again with a full comparison, at growing intervals;
// meanwhile the rules that are there stay. What others do to the table is put right. Every hour the
// whole table is compared.
//
// Never waits, but for the kernel's answers. One thread.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "compiler/ruleset/tracker.h"
#include "compiler/snapshot/snapshot.h"
#include "runtime/apply/engine.h"
#include "runtime/apply/monitor.h"
#include "runtime/log/log.h"
#include "runtime/log/repetition.h"
#include "runtime/serve/health.h"
#include "runtime/serve/proxy_metrics.h"

namespace kproxy {

class Proxier {
 public:
  using Clock = std::chrono::steady_clock;

  struct Settings {
    options::Options options;
    std::string golden;  // path of the only ruleset that may be applied; empty: any may
    // The longest wait before a new attempt.
    Clock::duration sync_period = std::chrono::seconds(30);
    Clock::duration min_sync_period{};  // from the end of one sync to the next
  };

  // All references must outlive this; the snapshot's changes are taken by nobody else.
  Proxier(Settings settings, snapshot::Snapshot& snapshot, const log::Log& log,
          serve::ProxyMetrics& metrics, serve::Health& health);

  // Called after each compilation, with what had changed, and after each sync, as it ended.
  std::function<void(const snapshot::Changes&)> on_compiled = [](const auto&) {};
  std::function<void()> on_synced = [] {};
  std::function<void(const Error&)> on_failed = [](const auto&) {};

  void set_periods(Clock::duration sync_period, Clock::duration min_sync_period);

  // Compiles the snapshot apart; prints the difference from the golden ruleset, if any, to stdout.
  Status check_golden() const;

  // The steps that a start consists of. An Error: it is of no use to go on.
  Status compile();  // brings the ruleset up to date
  Status connect();  // to the kernel, which check_kernel() found to suit
  void connect(std::unique_ptr<apply::Transport> transport);  // through that one
  Status reconcile(std::string_view message);                 // the whole table, once
  bool sync_all(std::string_view message);  // the same, but tried again if it fails
  Status listen();                          // to what others do to the table

  // Compares and prints the differences to stdout; how many.
  Result<std::size_t> verify();

  // The snapshot is another one than when it was compiled last.
  void changed();

  // What to poll for reading; -1 before listen().
  int fd() const { return monitor_ ? monitor_->file_descriptor() : -1; }
  void notified();
  // Does what is due. Afterwards next() says when something will be.
  void run();
  std::optional<Clock::time_point> next() const;

  const ruleset::Ruleset& ruleset() const { return tracker_.ruleset(); }
  // Elements that the kernel does not take.
  std::size_t rejected() const { return engine_->rejected().size(); }
  // The kernel has what was compiled last.
  bool in_force() const { return synced_once_ && !retry_at_; }
  // And the snapshot is as it was compiled.
  bool in_sync() const { return in_force() && !changed_at_; }

 private:
  void sync();
  void repair();
  void repaired(const apply::Applied& applied);  // what somebody else had done
  void collect();
  void failed(const Error& error, bool full, Clock::time_point begin);
  void retry_later();
  void count(const apply::Applied& applied);
  void succeeded(std::string_view message, const apply::Applied& applied, bool full,
                 Clock::time_point begin);
  void tell_isolated(const apply::Applied& applied);
  void tell_conflicts();
  void trouble(std::string_view message, const Error& error);
  apply::Desired desired() const;

  Settings settings_;
  snapshot::Snapshot& snapshot_;
  const log::Log& log_;
  serve::ProxyMetrics& metrics_;
  serve::Health& health_;
  ruleset::Tracker tracker_;
  std::unique_ptr<apply::Transport> transport_;
  std::optional<apply::Engine> engine_;
  std::optional<apply::Monitor> monitor_;
  mutable log::Repetition repetition_;
  // Elements that the kernel does not take, and whose they are; no name: of several, or the node's.
  std::map<ruleset::Element, snapshot::ObjectName> isolated_;
  std::set<std::string> conflicts_;              // as told
  std::optional<Clock::time_point> changed_at_;  // since when a sync is wanted
  std::optional<Clock::time_point> repair_at_;   // somebody touched the table
  bool suspected_ = false;  // somebody touched it since, and no sync has gone well
  std::optional<Clock::time_point> collect_at_;  // chains that nothing points at any more go
  std::optional<Clock::time_point> retry_at_;    // after a failure
  std::optional<Clock::time_point> verify_at_;   // everything, though nothing is known to be wrong
  Clock::time_point repaired_at_{};
  Clock::time_point ended_at_{};  // the last sync
  Clock::duration retry_interval_{};
  std::chrono::nanoseconds compile_time_{};
  std::size_t elements_ = 0;  // that there should be
  bool synced_once_ = false;
};

}  // namespace kproxy
