// Followed event by event, the ruleset is at every moment what a full compile gives, and at the end
// what the final LIST compiles to.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "tests/compiler/cluster.h"
#include "tests/compiler/recorded_changes.h"

namespace kproxy::ruleset {

BOOST_AUTO_TEST_SUITE(churn)

BOOST_AUTO_TEST_CASE(replay) {
  snapshot::StringPool pool;
  const options::Options options = tests::recorded_node();
  const std::string end = tests::text_of(tests::recorded_cluster(pool, "churn-end.json"), options);
  BOOST_TEST(end != tests::text_of(tests::recorded_cluster(pool, "churn-begin.json"), options));

  // Services and slices come in two streams with no order between them.
  for (const std::string order : {"as recorded", "Services first", "slices first"}) {
    std::vector<tests::Event> stream = tests::recorded_events(pool);
    BOOST_REQUIRE(stream.size() == 285);
    const auto is_service = [](const tests::Event& event) {
      return std::holds_alternative<snapshot::Service>(event.object);
    };
    if (order != "as recorded")
      std::stable_partition(stream.begin(), stream.end(), [&](const tests::Event& event) {
        return is_service(event) == (order == "Services first");
      });

    snapshot::Snapshot snapshot = tests::recorded_cluster(pool, "churn-begin.json");
    Tracker tracker(options);
    Errors warnings;
    BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
    for (const tests::Event& event : stream) {
      tests::apply(event, snapshot);
      BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
      tracker.ruleset().take_change();
      tracker.ruleset().collect();
      tracker.ruleset().take_change();
      const bool same = tests::text_of(tracker.ruleset()) == tests::text_of(snapshot, options);
      BOOST_REQUIRE_MESSAGE(same,
                            order << ": after " << snapshot::name_of(event.object).to_string());
    }
    BOOST_TEST((tests::text_of(tracker.ruleset()) == end), order);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::ruleset
