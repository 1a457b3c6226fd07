#include "runtime/serve/proxy_metrics.h"

namespace kproxy::serve {

std::vector<double> sync_buckets() {
  std::vector<double> bounds;
  for (int i = 0; i < 15; ++i) bounds.push_back((1 << i) / 1000.0);
  return bounds;
}

std::vector<double> programming_buckets() {
  std::vector<double> bounds{0.25, 0.5};
  for (int second = 1; second < 60; ++second) bounds.push_back(second);
  for (int second = 60; second < 120; second += 5) bounds.push_back(second);
  for (int second = 120; second <= 300; second += 30) bounds.push_back(second);
  return bounds;
}

std::vector<double> request_buckets() {
  return {0.005, 0.025, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60};
}

void ProxyMetrics::set_build(const BuildInfo& build) {
  build_info
      .with({build.build_date, build.compiler, build.git_commit, build.git_tree_state,
             build.git_version, build.go_version, build.major, build.minor, build.platform})
      .set(1);
}

void ProxyMetrics::set_features(const std::vector<FeatureGate>& gates) {
  for (const FeatureGate& gate : gates)
    feature_enabled.with({gate.name, gate.stage}).set(gate.enabled ? 1 : 0);
}

void ProxyMetrics::queued() {
  last_queued.both([](Gauge& gauge) { gauge.set_to_now(); });
}

void ProxyMetrics::synced(const SyncReport& report) {
  const auto observe = [&](Histogram& histogram) { histogram.observe(report.seconds); };
  sync_duration.both(observe);
  (report.full ? full_sync_duration : partial_sync_duration).both(observe);
  if (report.succeeded)
    last_sync.both([](Gauge& gauge) { gauge.set_to_now(); });
  else
    sync_failures.both([](Counter& counter) { counter.add(); });
}

void ProxyMetrics::set_no_local_endpoints(Family family, std::string_view policy,
                                          std::size_t count) {
  no_local_endpoints.with({to_string(family), policy}).set(static_cast<double>(count));
}

void ProxyMetrics::requested(std::string_view code, std::string_view method, std::string_view verb,
                             std::string_view host, std::chrono::duration<double> time) {
  rest_requests.with({code, host, method}).add();
  rest_duration.with({host, verb}).observe(time.count());
}

}  // namespace kproxy::serve
