// Somebody else's transactions are noticed if they touch our table, and only then.
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "runtime/apply/monitor.h"
#include "tests/runtime/apply_fixture.h"

namespace kproxy::tests {

BOOST_AUTO_TEST_SUITE(apply_monitor)

BOOST_AUTO_TEST_CASE(notices_others_in_our_table_alone) {
  Applying a;
  a.apply();
  apply::Monitor monitor = require(apply::Monitor::open(a.socket->port_id()));
  BOOST_TEST(!monitor.touched());

  struct Case {
    const char* command;
    bool touches;
  };
  const Case cases[] = {
      {"add table ip kproxy", false},  // of another family
      {"add table inet other", false},
      {"add set inet other services4 { type ipv4_addr; }", false},
      {"delete table inet other", false},
      {"add element inet kproxy cluster-ips4 { 10.96.0.99 }", true},
      {"delete element inet kproxy cluster-ips4 { 10.96.0.99 }", true},
      {"add rule inet kproxy services4 drop", true},
      {"add chain inet kproxy other", true},
      {"flush map inet kproxy services4", true},
      {"delete table inet kproxy", true},
      {"flush ruleset", false},  // there is nothing of ours left
  };
  bool touched_once = false;
  for (const Case& c : cases) {
    nft(c.command);
    BOOST_TEST(monitor.touched() == c.touches, c.command);
    BOOST_TEST(!monitor.touched(), "told once");
    BOOST_TEST(monitor.author().empty() == !(touched_once |= c.touches), c.command);
  }
  BOOST_TEST(monitor.author().ends_with(", process " + std::to_string(getpid())), monitor.author());
  BOOST_TEST(a.reconcile().transactions == 1u);
  BOOST_TEST(!monitor.touched(), "the engine's own");
}

BOOST_AUTO_TEST_CASE(lost_messages_count_as_touched) {
  Applying a;
  apply::Monitor monitor = require(apply::Monitor::open(a.socket->port_id()));
  const int small = 1;  // the kernel makes it the least it allows
  setsockopt(monitor.file_descriptor(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  nft("add table inet other");
  std::string batch;
  for (int i = 0; i < 1000; ++i) batch += "add chain inet other c" + std::to_string(i) + "\n";
  nft(batch);
  BOOST_TEST(monitor.touched());
  BOOST_TEST(!monitor.touched());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
