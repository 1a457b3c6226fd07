// Every metric of kproxy, one line each: what it is called, what it says, how it is measured.
//
// Those that begin with kubeproxy_, kubernetes_ and rest_client_ mean what they mean in kube-proxy,
// so that dashboards and alerts go on working; kproxy's own begin with kproxy_. Made once by the
// daemon; any thread may change any value without a lock (metrics.h).
//
// One table serves both address families, so that what is said of a sync is said of both.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "runtime/serve/metrics.h"
#include "runtime/serve/process_metrics.h"

namespace kproxy::serve {

std::vector<double> sync_buckets();         // seconds: 15, from 1 ms, doubling
std::vector<double> programming_buckets();  // seconds: a quarter to five minutes
std::vector<double> request_buckets();      // seconds: 5 ms to a minute

// What runs, for kubernetes_build_info. Empty fields are shown as such.
struct BuildInfo {
  std::string major, minor;
  std::string git_version, git_commit, git_tree_state;
  std::string build_date;
  std::string go_version;  // or the toolchain that stands in for it
  std::string compiler;
  std::string platform;  // "linux/amd64"
};

struct FeatureGate {
  std::string name;
  std::string stage;  // "ALPHA", "BETA", "DEPRECATED"; empty: generally available
  bool enabled = false;
};

// A sync that ended.
struct SyncReport {
  double seconds = 0;
  bool full = false;  // compared with, or loaded into, the kernel as a whole
  bool succeeded = true;
};

struct ProxyMetrics {
 private:
  using Counters = Labelled<Counter>;
  using Gauges = Labelled<Gauge>;
  using Histograms = Labelled<Histogram>;
  template <typename Value>
  using ByFamily = PerFamily<Value>;

 public:
  Registry registry;
  Registry sli_registry;  // the page /metrics/slis

  // clang-format off
  // kube-proxy's: what a sync takes, and how it ends.
  ByFamily<Histogram> sync_duration{registry, "kubeproxy_sync_proxy_rules_duration_seconds", "[ALPHA] How long each sync took, whether or not it succeeded.", sync_buckets()};
  ByFamily<Histogram> full_sync_duration{registry, "kubeproxy_sync_full_proxy_rules_duration_seconds", "[ALPHA] How long each sync of everything took.", sync_buckets()};
  ByFamily<Histogram> partial_sync_duration{registry, "kubeproxy_sync_partial_proxy_rules_duration_seconds", "[ALPHA] How long each sync of what changed took.", sync_buckets()};
  ByFamily<Gauge> last_sync{registry, "kubeproxy_sync_proxy_rules_last_timestamp_seconds", "[ALPHA] When a sync last succeeded, in Unix time."};
  ByFamily<Gauge> last_queued{registry, "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "[ALPHA] When a sync was last asked for, in Unix time."};
  ByFamily<Histogram> programming_duration{registry, "kubeproxy_network_programming_duration_seconds", "[ALPHA] From the change of a Service or of its pods to its being in force on this node.", programming_buckets()};
  Single<Gauge> endpoint_changes_pending{registry, "kubeproxy_sync_proxy_rules_endpoint_changes_pending", "[ALPHA] EndpointSlices that changed and are not synced yet."};
  Single<Counter> endpoint_changes{registry, "kubeproxy_sync_proxy_rules_endpoint_changes_total", "[ALPHA] Changes of EndpointSlices seen."};
  Single<Gauge> service_changes_pending{registry, "kubeproxy_sync_proxy_rules_service_changes_pending", "[ALPHA] Services that changed and are not synced yet."};
  Single<Counter> service_changes{registry, "kubeproxy_sync_proxy_rules_service_changes_total", "[ALPHA] Changes of Services seen."};
  Gauges no_local_endpoints{registry, "kubeproxy_sync_proxy_rules_no_local_endpoints_total", "[ALPHA] Service ports with a Local traffic policy and endpoints, none of them on this node.", {"ip_family", "traffic_policy"}};
  ByFamily<Counter> sync_failures{registry, "kubeproxy_sync_proxy_rules_nftables_sync_failures_total", "[ALPHA] Syncs that the kernel did not take."};
  ByFamily<Counter> cleanup_failures{registry, "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total", "[ALPHA] Removals of what is no longer in use that the kernel did not take."};
  Counters healthz{registry, "kubeproxy_proxy_healthz_total", "[ALPHA] Answers of /healthz, by status code.", {"code"}};
  Counters livez{registry, "kubeproxy_proxy_livez_total", "[ALPHA] Answers of /livez, by status code.", {"code"}};
  ByFamily<Histogram> conntrack_duration{registry, "kubeproxy_conntrack_reconciler_sync_duration_seconds", "[ALPHA] How long each pass over the connection tracking table took.", sync_buckets()};
  ByFamily<Counter> conntrack_deleted{registry, "kubeproxy_conntrack_reconciler_deleted_entries_total", "[ALPHA] Connection tracking entries deleted."};

  // Those of every Kubernetes component.
  Gauges build_info{registry, "kubernetes_build_info", "[ALPHA] What was built, from what and how; always 1.", {"build_date", "compiler", "git_commit", "git_tree_state", "git_version", "go_version", "major", "minor", "platform"}};
  Gauges feature_enabled{registry, "kubernetes_feature_enabled", "[BETA] Feature gates: 1 for those that are on.", {"name", "stage"}};
  Counters rest_requests{registry, "rest_client_requests_total", "[ALPHA] Requests to the API server, by status code, method and host.", {"code", "host", "method"}};
  Histograms rest_duration{registry, "rest_client_request_duration_seconds", "[ALPHA] How long requests to the API server took, by verb and host.", {"host", "verb"}, request_buckets()};
  Gauges healthcheck{sli_registry, "kubernetes_healthcheck", "[STABLE] The latest outcome of a health check: 1 for success.", {"name", "type"}};
  Counters healthchecks{sli_registry, "kubernetes_healthchecks_total", "[STABLE] Outcomes of health checks.", {"name", "status", "type"}};

  // kproxy's own: what there is.
  Single<Gauge> services{registry, "kproxy_services", "Services compiled."};
  Single<Gauge> elements{registry, "kproxy_elements", "Elements of sets and maps in the ruleset."};
  // What is sent to the kernel.
  Single<Histogram> compile_duration{registry, "kproxy_compile_duration_seconds", "How long it took to compile what changed.", sync_buckets()};
  Single<Histogram> commit_duration{registry, "kproxy_commit_duration_seconds", "How long the kernel took for what it was sent in one sync.", sync_buckets()};
  Single<Counter> transactions{registry, "kproxy_transactions_total", "Transactions that the kernel took."};
  Single<Counter> transaction_bytes{registry, "kproxy_transaction_bytes_total", "Bytes of the transactions that the kernel took."};
  Counters transaction_elements{registry, "kproxy_transaction_elements_total", "Elements inserted and erased.", {"operation"}};
  // What the kernel holds, compared with what it is to hold.
  Single<Histogram> verify_duration{registry, "kproxy_verify_duration_seconds", "How long it took to read back and compare the table.", sync_buckets()};
  Single<Counter> drift_found{registry, "kproxy_drift_found_total", "Times the table was found changed by somebody else."};
  Single<Counter> drift_repaired{registry, "kproxy_drift_repaired_total", "Times the table was put right after that."};
  Single<Counter> drift_differences{registry, "kproxy_drift_differences_total", "Single differences found in the table."};
  // By family, where kube-proxy's tell of both at once or leave some out.
  ByFamily<Counter> family_service_changes{registry, "kproxy_service_changes_total", "Services that came, became different or went, by the families they are or were of."};
  ByFamily<Gauge> family_service_changes_pending{registry, "kproxy_service_changes_pending", "Of those changes, the ones that are not in force yet."};
  ByFamily<Histogram> endpoint_change_duration{registry, "kproxy_endpoint_change_duration_seconds", "From reading a change of an EndpointSlice, its deletion included, to its being in force.", sync_buckets()};
  // What is left out.
  Single<Gauge> isolated{registry, "kproxy_isolated_elements", "Elements left out because the kernel does not take them."};
  Gauges isolated_of_services{registry, "kproxy_isolated_service_elements", "Those of one Service.", {"namespace", "service"}};
  Single<Gauge> conflicts{registry, "kproxy_conflicting_frontends", "Addresses and ports that several Services claim."};
  Single<Counter> unusable_objects{registry, "kproxy_unusable_objects_total", "Objects, or parts of them, left out because they make no sense."};
  Single<Counter> watch_restarts{registry, "kproxy_watch_restarts_total", "Watches that ended and were resumed, or begun anew."};
  // clang-format on
  ProcessMetrics process{registry, sli_registry};

  ProxyMetrics() = default;
  ProxyMetrics(const ProxyMetrics&) = delete;
  ProxyMetrics& operator=(const ProxyMetrics&) = delete;

  void set_build(const BuildInfo& build);
  void set_features(const std::vector<FeatureGate>& gates);
  // A sync was asked for.
  void queued();
  // A sync ended. Both families.
  void synced(const SyncReport& report);
  // Service ports of that policy ("internal", "external") with endpoints, none of them local.
  void set_no_local_endpoints(Family family, std::string_view policy, std::size_t count);
  // code: as HTTP has it, or "<error>" where there was no answer.
  void requested(std::string_view code, std::string_view method, std::string_view verb,
                 std::string_view host, std::chrono::duration<double> time);
};

}  // namespace kproxy::serve
