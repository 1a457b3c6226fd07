// When failing syncs are worth an event on the Node: BEYOND-29.
#include "runtime/sync_trouble.h"

#include <boost/test/unit_test.hpp>
#include <sstream>

namespace kproxy {
namespace {

// Syncs as they end, "SECOND:CAUSE", a success where there is no cause, and the seconds at which an
// event is posted.
const struct {
  const char* what;
  const char* syncs;
  const char* events;
} kTable[] = {
    {"a passing failure", "0:a 1:a 3:a 7:", ""},
    {"one that stays, at growing intervals", "0:a 1:a 3:a 7:a 15:a 31:a 61:a 91:a 4000:a", "31"},
    {"not before half a minute", "0:a 29:a 30:a", "30"},
    {"once and again, with successes between", "0:a 20:a 25: 26:a 40:a 55:a 57:a", "57"},
    {"another cause, a minute later", "0:a 31:a 61:b 90:b 91:b 121:b 300:b", "31 91"},
    {"the cause of before again", "0:a 31:a 91:b 151:a 211:b", "31 91"},
    {"a cause that changes before its time", "0:a 15:b 31:b 91:a", "31 91"},
    {"again after a recovery", "0:a 31:a 40: 100:a 131:a 191:a", "31 131"},
    {"the least time holds across it", "0:a 31:a 32: 33:a 64:a 90:a 91:a", "31 91"},
    {"so many causes are enough",
     "0:a 100:b 200:c 300:d 400:e 500:f 600:g 700:h 800:i 900:j 1000:k 1100:l 1200:m 1300:n 1400:o "
     "1500:p 1600:q 1700:r 1800: 1900:a 1931:s",
     "100 200 300 400 500 600 700 800 900 1000 1100 1200 1300 1400 1500 1600 1931"},
};

BOOST_AUTO_TEST_SUITE(sync_trouble)

BOOST_AUTO_TEST_CASE(events) {
  for (const auto& one : kTable) {
    SyncTrouble trouble;
    std::string events;
    std::istringstream syncs(one.syncs);
    for (std::string sync; syncs >> sync;) {
      const auto colon = sync.find(':');
      const std::string second = sync.substr(0, colon), cause = sync.substr(colon + 1);
      if (cause.empty()) {
        trouble.succeeded();
        continue;
      }
      const SyncTrouble::Clock::time_point now{std::chrono::seconds(1000 + std::stoi(second))};
      if (trouble.failed("n1", {"", cause, ""}, now))
        events += (events.empty() ? "" : " ") + second;
    }
    BOOST_TEST(events == one.events, one.what << ": at " << events);
  }
}

BOOST_AUTO_TEST_CASE(the_event) {
  SyncTrouble trouble;
  const SyncTrouble::Clock::time_point begin{std::chrono::seconds(7)};
  const Error error{"add table inet kproxy", "the kernel says: no", "ask it why"};
  BOOST_TEST(!trouble.failed("n1", error, begin).has_value());
  const auto event = trouble.failed("n1", error, begin + std::chrono::milliseconds(31900));
  BOOST_REQUIRE(event.has_value());
  BOOST_TEST(event->regarding.kind == "Node");
  BOOST_TEST(event->regarding.name == "n1");
  BOOST_TEST(event->type == "Warning");
  BOOST_TEST(event->reason == "FailedToSyncProxyRules");
  BOOST_TEST(event->action == "SyncProxyRules");
  BOOST_TEST(event->note ==
             "No sync has succeeded for 31 s; the rules stay as they were, and it is tried again: "
             "add table inet kproxy: the kernel says: no (ask it why)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy
