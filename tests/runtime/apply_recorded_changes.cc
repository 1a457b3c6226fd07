// Recorded changes applied one by one leave the kernel as a fresh load of where they led.
#include <algorithm>
#include <boost/test/unit_test.hpp>

#include "tests/compiler/cluster.h"
#include "tests/compiler/recorded_changes.h"
#include "tests/runtime/apply_fixture.h"

namespace kproxy::tests {

BOOST_AUTO_TEST_SUITE(apply_recorded_changes)

BOOST_AUTO_TEST_CASE(end_as_a_fresh_load) {
  const NetworkNamespace space;
  snapshot::StringPool pool;
  snapshot::Snapshot snapshot = recorded_cluster(pool, "churn-begin.json");
  ruleset::Tracker tracker(recorded_node());
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  ruleset::Ruleset& ruleset = tracker.ruleset();
  const auto socket = require(apply::NetlinkSocket::open());
  apply::Engine engine(*socket, ruleset.owners());
  const auto wanted = [&] {
    apply::Desired desired{ruleset.structure(), ruleset.elements()};
    std::sort(desired.elements.begin(), desired.elements.end(), ruleset::key_less);
    return desired;
  };
  ruleset.take_change();
  require(engine.reconcile(wanted));

  std::size_t transactions = 0;
  for (const Event& event : recorded_events(pool)) {
    apply(event, snapshot);
    BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
    const ruleset::Change change = ruleset.take_change();
    if (change.empty()) continue;
    const apply::Applied applied = require(engine.apply(change, wanted));
    BOOST_TEST(applied.attempts == 1);
    BOOST_TEST(applied.transactions == (change.add_chains.empty() ? 1u : 2u));
    ++transactions;
  }
  BOOST_TEST(transactions > 150u);  // the other events change nothing on this node
  ruleset.collect();
  require(engine.apply(ruleset.take_change(), wanted));
  BOOST_TEST(require(engine.verify(wanted)).none());

  // The text of the end, loaded afresh in a namespace of its own, is the same for the engine.
  const NetworkNamespace other;
  nft(text_of(recorded_cluster(pool, "churn-end.json"), recorded_node()));
  const auto other_socket = require(apply::NetlinkSocket::open());
  apply::Engine there(*other_socket, ruleset.owners());
  BOOST_TEST(require(there.verify(wanted)).none());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
