// The node daemon: follows the API server, or a snapshot file, and has the Proxier keep the
// kernel's table what that means; serves health and metrics; clears what conntrack should forget.
//
// The main thread runs a loop around poll(): the source, the kernel's notifications, the
// configuration file, signals, timers. HTTP is served by a second thread; a third asks conntrack
// for its entries. SIGTERM and SIGINT end it and leave the rules.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "compiler/snapshot/snapshot.h"
#include "compiler/snapshot/string_pool.h"
#include "runtime/config/command_line.h"
#include "runtime/kernel/privileges.h"
#include "runtime/log/log.h"
#include "runtime/pending_changes.h"
#include "runtime/proxier.h"
#include "runtime/serve/health.h"
#include "runtime/serve/proxy_metrics.h"
#include "runtime/serve/servers.h"
#include "runtime/service_facts.h"
#include "runtime/source/api_server.h"
#include "runtime/source/file_watch.h"
#include "runtime/source/snapshot_file.h"
#include "runtime/sync_trouble.h"

namespace kproxy {

class Daemon {
 public:
  // Reads the command line once more, with the files it names.
  using Reparse = std::function<std::variant<config::CommandLine, config::Exit>()>;

  // Log must outlive the Daemon.
  Daemon(config::CommandLine settings, Reparse reparse, log::Log& log);
  ~Daemon();

  // Until told to stop; the exit status.
  int run();

 private:
  using Clock = std::chrono::steady_clock;
  // Where the start has got to, with the API server.
  enum class Phase : std::uint8_t {
    waiting_for_node,
    waiting_for_lists,  // serving, but nothing is programmed yet
    running,
  };

  Status start_with_file();
  Status start_with_cluster();
  void follow_file();
  void follow_cluster();
  Status advance();  // as far in the start as is known enough
  bool node_is_awaited();
  bool service_cidrs_are_awaited();
  Status start_services();
  Status check_node();
  void drop_privileges(kernel::Stage stage);
  Status start_servers();
  void follow_configuration();
  void remember_node();
  void observe();
  void tell(const snapshot::Diagnostics& diagnostics);
  bool may_clear_stale_flows() const;
  void clear_stale_flows();
  void publish();
  void publish_health_ports();
  void look_at_addresses();
  void post_failures();
  void post_last_events();
  void stop(const Error& error);
  int milliseconds_to_next_timer() const;

  config::CommandLine settings_;
  const Reparse reparse_;
  log::Log& log_;
  serve::ProxyMetrics metrics_;
  serve::Health health_;
  snapshot::StringPool pool_;
  snapshot::Snapshot snapshot_;
  Proxier proxier_;
  ServiceFacts facts_;
  PendingChanges pending_{metrics_};
  SyncTrouble sync_trouble_;
  std::unique_ptr<source::SnapshotFile> file_;
  std::unique_ptr<source::ApiServer> cluster_;
  source::FileWatch configuration_;
  std::optional<snapshot::Node> node_;  // as it was last, with the API server
  log::Repetition repetition_;

  Phase phase_ = Phase::waiting_for_node;
  std::optional<Clock::time_point> node_listed_;  // when the server first said whether there is one
  bool runs_plugins_ = false;
  bool node_missing_told_ = false;
  std::optional<Clock::time_point> timer_;  // of the phase, or of addresses to be looked at
  std::optional<int> exit_status_;

  std::array<std::vector<Cidr>, 2> own_addresses_;  // of the node, by family, as seen last
  std::mutex failures_mutex_;
  std::vector<serve::HealthPortFailure> failures_;  // from the thread that serves
  std::optional<serve::Servers> servers_;           // last, so that its thread ends first
};

}  // namespace kproxy
