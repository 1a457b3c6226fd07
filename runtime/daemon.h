// The node daemon: keeps the kernel's table what the cluster's snapshot compiles to.
//
// One thread: waits for the source, brings the ruleset up to date, applies the difference in one
// transaction. What the kernel refuses is tried again, with a full comparison, at growing intervals;
// meanwhile the rules that are there stay. SIGTERM and SIGINT end it and leave the rules.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "compiler/ruleset/tracker.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/snapshot/string_pool.h"
#include "runtime/apply/engine.h"
#include "runtime/apply/monitor.h"
#include "runtime/config/command_line.h"
#include "runtime/log/log.h"
#include "runtime/source/snapshot_file.h"

namespace kproxy {

class Daemon {
 public:
  // Both must outlive the Daemon.
  Daemon(const config::CommandLine& settings, const log::Log& log);

  // Each returns the exit status.
  int follow();   // until told to stop
  int once();     // applies the snapshot; 1 also where the kernel would not take some of it
  int verify();   // says on stdout how the kernel differs: 0 it does not, 1 it does, 2 trouble
  int cleanup();  // removes the table

 private:
  using Clock = std::chrono::steady_clock;

  Status read_and_compile();
  Status check_golden() const;
  Status connect();
  Status listen();
  Status reconcile(std::string_view message);
  void repair();
  void tell_once(const snapshot::Diagnostics& diagnostics);
  // Applies what changed in the ruleset; sends nothing where nothing did.
  void sync();
  void sync_file();
  void run_timers();
  int milliseconds_to_next_timer() const;
  void report(std::string_view message, const apply::Applied& applied) const;
  void retry_later(const Error& error);
  apply::Desired desired() const;

  const config::CommandLine& settings_;
  const log::Log& log_;
  snapshot::StringPool pool_;
  source::SnapshotFile file_;
  snapshot::Snapshot snapshot_;
  ruleset::Tracker tracker_;
  std::unique_ptr<apply::Transport> transport_;
  std::optional<apply::Engine> engine_;
  std::optional<apply::Monitor> monitor_;
  std::set<std::string> told_;  // of the input, at the last reading: each thing is said once
  std::optional<Clock::time_point> repair_at_;   // somebody touched the table
  Clock::time_point repaired_at_{};
  std::optional<Clock::time_point> collect_at_;  // chains that nothing points at any more go
  std::optional<Clock::time_point> retry_at_;    // after a failure
  Clock::duration retry_interval_{};
  std::chrono::nanoseconds compile_time_{};
  std::size_t rejected_ = 0;  // elements, by the last comparison
  bool withheld_ = false;     // the ruleset is not the golden one: the kernel keeps what it has
};

}  // namespace kproxy
