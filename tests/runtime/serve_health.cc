// What /healthz and /livez say, by what has happened and how long ago.
#include <boost/test/unit_test.hpp>
#include <functional>
#include <string>
#include <vector>

#include "runtime/serve/health.h"

namespace kproxy::serve {
namespace {

using namespace std::chrono_literals;

// 2026-11-21T06:00:00Z, and what has been added.
struct TestClock {
  Moment moment{std::chrono::steady_clock::time_point(1000s),
                std::chrono::system_clock::time_point(1'795'240'800s)};

  void pass(std::chrono::milliseconds time) {
    moment.steady += time;
    moment.wall += time;
  }
  std::function<Moment()> now() {
    return [this] { return moment; };
  }
};

struct Step {
  enum class What { queued, queued_ipv6, synced, synced_ipv4, failed, eligible, ineligible, wait };
  What what;
  std::chrono::milliseconds time{};
};

BOOST_AUTO_TEST_SUITE(serve_health)

// HC-05 to HC-09
BOOST_AUTO_TEST_CASE(healthy_and_eligible) {
  using enum Step::What;
  const auto pass = [](std::chrono::milliseconds time) { return Step{Step::What::wait, time}; };
  const Step kQueued{queued}, kSynced{synced}, kFailed{failed}, kEligible{eligible};
  const struct {
    const char* clause;
    std::vector<Step> steps;
    int healthz;
    int livez;
  } kTable[] = {
      {"HC-09: own Node never seen", {}, 503, 200},
      {"HC-06: starting up", {kEligible}, 200, 200},
      {"HC-06: starting up, for long", {kEligible, pass(1h)}, 200, 200},
      {"HC-06: asked for", {kEligible, kQueued}, 200, 200},
      {"HC-05: just not yet too long", {kEligible, kQueued, pass(59'999ms)}, 200, 200},
      {"HC-05: outstanding for too long", {kEligible, kQueued, pass(60s)}, 503, 503},
      {"HC-05: by the oldest request",
       {kEligible, kQueued, pass(30s), kQueued, pass(30s)},
       503,
       503},
      {"HC-05: one family is enough", {kEligible, kSynced, {queued_ipv6}, pass(60s)}, 503, 503},
      {"HC-05: not settled by the other family",
       {kEligible, kQueued, pass(60s), {synced_ipv4}},
       503,
       503},
      {"HC-05: late, but synced", {kEligible, kQueued, pass(2h), kSynced}, 200, 200},
      {"HC-06: idle", {kEligible, kQueued, kSynced, pass(24h)}, 200, 200},
      {"HC-05: fails after it has succeeded",
       {kEligible, kQueued, kSynced, kQueued, kFailed, pass(59s)},
       200,
       200},
      {"HC-05: goes on failing",
       {kEligible, kQueued, kSynced, kQueued, kFailed, pass(30s), kFailed, pass(30s)},
       503,
       503},
      {"a failure that nobody had asked for",
       {kEligible, kQueued, kSynced, kFailed, pass(60s)},
       503,
       503},
      {"BEYOND-06: the first sync fails", {kEligible, kQueued, kFailed}, 503, 503},
      {"BEYOND-06: until one succeeds", {kEligible, kQueued, kFailed, pass(1s), kSynced}, 200, 200},
      {"HC-08: not eligible", {kEligible, kSynced, {ineligible}}, 503, 200},
      {"HC-09: eligible again", {kEligible, kSynced, {ineligible}, kEligible}, 200, 200},
  };
  for (const auto& one : kTable) {
    TestClock clock;
    Health health(60s, clock.now());
    for (const Step& step : one.steps) {
      switch (step.what) {
        case queued:
          health.sync_queued();
          break;
        case queued_ipv6:
          health.sync_queued(Family::ipv6);
          break;
        case synced:
          health.synced();
          break;
        case synced_ipv4:
          health.synced(Family::ipv4);
          break;
        case failed:
          health.sync_failed();
          break;
        case eligible:
          health.set_node_eligible(true);
          break;
        case ineligible:
          health.set_node_eligible(false);
          break;
        case wait:
          clock.pass(step.time);
          break;
      }
    }
    BOOST_TEST(health.healthz().status == one.healthz, one.clause);
    BOOST_TEST(health.livez().status == one.livez, one.clause);
    BOOST_TEST(health.healthy() == (one.livez == 200), one.clause);
  }
}

// HC-03, HC-04, HC-09, HC-10
BOOST_AUTO_TEST_CASE(bodies) {
  TestClock clock;
  Health health(60s, clock.now());
  BOOST_TEST(health.livez().body ==
             R"({"lastUpdated":"2026-11-21T06:00:00Z","currentTime":"2026-11-21T06:00:00Z",)"
             R"("healthy":true})");
  BOOST_TEST(health.healthz().body ==
             R"({"lastUpdated":"0001-01-01T00:00:00Z","currentTime":"2026-11-21T06:00:00Z",)"
             R"("nodeEligible":false,"healthy":true})");
  health.set_node_eligible(true);
  health.sync_queued();
  clock.pass(1s);
  health.synced(Family::ipv4);
  clock.pass(500ms);
  BOOST_TEST(health.healthz().body ==
             R"({"lastUpdated":"2026-11-21T06:00:01.5Z","currentTime":"2026-11-21T06:00:01.5Z",)"
             R"("nodeEligible":true,"healthy":true,"status":{)"
             R"("IPv4":{"lastUpdated":"2026-11-21T06:00:01Z","healthy":true},)"
             R"("IPv6":{"lastUpdated":"0001-01-01T00:00:00Z","healthy":true}}})");
  clock.pass(1min);
  BOOST_TEST(health.livez().body ==
             R"({"lastUpdated":"2026-11-21T06:00:01Z","currentTime":"2026-11-21T06:01:01.5Z",)"
             R"("healthy":false,"status":{)"
             R"("IPv4":{"lastUpdated":"2026-11-21T06:00:01Z","healthy":true},)"
             R"("IPv6":{"lastUpdated":"0001-01-01T00:00:00Z","healthy":false}}})");
}

BOOST_AUTO_TEST_CASE(times) {
  const struct {
    std::chrono::nanoseconds since_1970;
    const char* text;
  } kTable[] = {
      {0ns, "1970-01-01T00:00:00Z"},
      {1'795'240'800s, "2026-11-21T06:00:00Z"},
      {1'795'240'800s + 120ms, "2026-11-21T06:00:00.12Z"},
      {1'795'240'800s + 1ns, "2026-11-21T06:00:00.000000001Z"},
      {1'795'240'800s + 1s - 1ns, "2026-11-21T06:00:00.999999999Z"},
  };
  for (const auto& one : kTable)
    BOOST_TEST(rfc3339(std::chrono::system_clock::time_point(one.since_1970)) == one.text);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::serve
