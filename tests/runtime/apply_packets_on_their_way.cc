// Packets are on their way while a Service loses or gains endpoints. The kernel looks up the
// verdict that says how many slots there are and then the slot, and a transaction may be committed
// between the two: it must not let the packet go where no endpoint is. And it runs all chains as
// they were when it began, with verdicts that may be newer: a chain that was not there yet is
// empty.
#include <arpa/inet.h>
#include <sys/socket.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "tests/runtime/apply_fixture.h"

namespace kproxy::tests {
namespace {

constexpr auto kDuration = std::chrono::seconds(2);
// Chains stay that much longer than what leads to them, as in the daemon, where it is seconds: the
// processor of a virtual machine may stand still with a packet that is about to enter one.
constexpr auto kLinger = std::chrono::milliseconds(50);
// Without rules for those whose slot has gone, some 10 of 10,000 packets are not translated.
constexpr unsigned kFewestPackets = 1'000;

// Packets of a host that asks the Service as fast as it can, until it is told to stop.
class Sender {
 public:
  ~Sender() { stop(); }
  void stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  unsigned sent() const { return sent_; }
  unsigned refused() const { return refused_; }

 private:
  // Each packet is the first of a connection: it has a port of its own.
  void run() {
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(80), .sin_addr = {}, .sin_zero = {}};
    inet_pton(AF_INET, "10.96.0.1", &to.sin_addr);
    sockaddr_in own{.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
    for (std::uint16_t port = 1024; !stop_; port = port == 60000 ? 1024 : port + 1) {
      const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      own.sin_port = htons(port);
      bind(fd, reinterpret_cast<const sockaddr*>(&own), sizeof own);
      const bool went =
          sendto(fd, "", 1, MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 1;
      ++(went ? sent_ : refused_);
      close(fd);
    }
  }

  std::atomic<bool> stop_ = false;
  std::atomic<unsigned> sent_ = 0, refused_ = 0;
  std::thread thread_{[this] { run(); }};
};

ruleset::Ruleset::ServiceState udp_service(int endpoints) {
  service::ServicePort port = service_port(Family::ipv4, 1, endpoints);
  port.protocol = Protocol::udp;
  return service_state("plain4", {port});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(apply_packets_on_their_way)

BOOST_AUTO_TEST_CASE(every_packet_goes_to_an_endpoint_or_is_refused) {
  struct Case {
    std::vector<int> endpoints;  // in turn
    bool refuses;
    bool new_chains;  // each number of endpoints needs a chain that is not there yet
  };
  std::vector<int> growing;
  for (int n = 2; n <= 64; ++n) growing.push_back(n);
  for (const Case& c :
       {Case{{1, 8}, false, false}, Case{{0, 8}, true, false}, Case{growing, false, true}}) {
    Applying a({udp_service(8)});
    a.reconcile();
    BOOST_REQUIRE(std::system("ip link set lo up && ip address add 192.0.2.1/24 dev lo && "
                              "ip route add 10.96.0.0/16 dev lo && "
                              "ip route add 10.244.0.0/16 dev lo && "
                              "sysctl -qw net.netfilter.nf_conntrack_udp_timeout=1") == 0);
    nft("table ip watch {\n counter astray { }\n"
        " chain leaving { type filter hook output priority 0; ip daddr 10.96.0.0/16 counter name "
        "astray; }\n}");

    Sender sender;
    const auto end = std::chrono::steady_clock::now() + kDuration;
    unsigned changes = 0;
    while (std::chrono::steady_clock::now() < end) {
      for (const int endpoints : c.endpoints) {
        a.ruleset.update({udp_service(endpoints)}, no_other);
        BOOST_TEST(a.apply().attempts == 1);
        ++changes;
      }
      if (!c.new_chains) continue;
      std::this_thread::sleep_for(kLinger);
      a.ruleset.collect();
      BOOST_TEST(a.apply().transactions == 1u);
    }
    sender.stop();
    BOOST_TEST_MESSAGE(changes << " changes, " << sender.sent() << " packets sent, "
                               << sender.refused() << " refused");
    BOOST_TEST(changes > 200u);
    BOOST_TEST(sender.sent() > kFewestPackets);
    BOOST_TEST((sender.refused() > 0) == c.refuses);
    const std::string astray = nft("list counter ip watch astray");
    BOOST_TEST(astray.find("packets 0 ") != astray.npos, astray);
    a.check_equal();
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
