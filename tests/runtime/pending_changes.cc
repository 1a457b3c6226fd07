// Changes seen and in force, by family: BEYOND-26, MET-06 to MET-10.
#include "runtime/pending_changes.h"

#include <boost/test/unit_test.hpp>

namespace kproxy {
namespace {

using namespace std::chrono_literals;

// The value of the line that begins so; -1 where there is none.
double value(const serve::ProxyMetrics& metrics, const std::string& name) {
  const std::string page = "\n" + metrics.registry.text();
  const auto at = page.find("\n" + name + " ");
  return at == std::string::npos ? -1 : std::stod(page.substr(at + name.size() + 2));
}

struct Fixture {
  serve::ProxyMetrics metrics;
  PendingChanges pending{metrics};
  PendingChanges::Clock::time_point now{1000s};

  void check(const char* name, double ipv4, double ipv6) const {
    BOOST_TEST(value(metrics, std::string(name) + "{ip_family=\"IPv4\"}") == ipv4, name);
    BOOST_TEST(value(metrics, std::string(name) + "{ip_family=\"IPv6\"}") == ipv6, name);
  }
  void check(const char* name, double both) const {
    BOOST_TEST(value(metrics, name) == both, name);
  }
};

constexpr const char* kTotal = "kproxy_service_changes_total";
constexpr const char* kPending = "kproxy_service_changes_pending";
constexpr const char* kTimes = "kproxy_endpoint_change_duration_seconds_count";
constexpr const char* kSeconds = "kproxy_endpoint_change_duration_seconds_sum";

BOOST_FIXTURE_TEST_SUITE(pending_changes, Fixture)

BOOST_AUTO_TEST_CASE(nothing_yet) {
  check(kTotal, 0, 0);
  check(kPending, 0, 0);
  check(kTimes, 0, 0);
}

BOOST_AUTO_TEST_CASE(services) {
  source::Observations seen;
  seen.service_events = 3;  // of one of both families and two of IPv6
  seen.service_changes = {1, 3};
  pending.observe(seen, now);
  pending.observe(seen, now);
  check(kTotal, 2, 6);
  check(kPending, 2, 6);
  check("kubeproxy_sync_proxy_rules_service_changes_total", 6);
  check("kubeproxy_sync_proxy_rules_service_changes_pending", 6);
  pending.in_force(now);
  check(kTotal, 2, 6);
  check(kPending, 0, 0);
  check("kubeproxy_sync_proxy_rules_service_changes_total", 6);
  check("kubeproxy_sync_proxy_rules_service_changes_pending", 0);
}

BOOST_AUTO_TEST_CASE(slices) {
  source::Observations seen;
  seen.slice_events = 30;
  seen.slice_changes = {20, 10};
  pending.observe(seen, now);
  check("kubeproxy_sync_proxy_rules_endpoint_changes_pending", 30);
  pending.in_force(now + 1s);
  check(kTimes, 0, 0);  // what was there at the start has not changed

  seen.slice_changes = {2, 0};
  pending.observe(seen, now + 2s);
  seen.slice_changes = {0, 1};
  pending.observe(seen, now + 4s);
  pending.in_force(now + 5s);
  check(kTimes, 2, 1);
  check(kSeconds, 6, 1);
  check("kubeproxy_sync_proxy_rules_endpoint_changes_pending", 0);
  check("kubeproxy_sync_proxy_rules_endpoint_changes_total", 90);
  pending.in_force(now + 9s);
  check(kTimes, 2, 1);
}

// MET-06: not what led to a change before the start.
BOOST_AUTO_TEST_CASE(triggers) {
  const auto wall = std::chrono::system_clock::now();
  source::Observations seen;
  seen.triggers = {{Family::ipv4, wall - 1h}, {Family::ipv6, wall + 1s}, {Family::ipv4, wall + 1s}};
  pending.observe(seen, now);
  pending.in_force(now);
  pending.in_force(now);
  check("kubeproxy_network_programming_duration_seconds_count", 1, 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy
