// UDP clients that keep their source port, real packets: what they meet after each change.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <cstdlib>

#include "compiler/ruleset/tracker.h"
#include "runtime/apply/engine.h"
#include "runtime/kernel/stale_flows.h"
#include "tests/runtime/conntrack_entries.h"
#include "tests/runtime/network_namespace.h"
#include "tests/runtime/stale_flows_passes.h"

namespace kproxy::tests {
namespace {

using snapshot::ObjectName;

const ObjectName kDns{"kube-system", "dns"};
constexpr int kPatience = 2000, kSilence = 150;  // milliseconds

struct AnySocketAddress {
  explicit AnySocketAddress(const service::Socket& at) {
    if (at.address.family() == Family::ipv4) {
      auto* four = reinterpret_cast<sockaddr_in*>(&storage);
      four->sin_family = AF_INET;
      four->sin_port = htons(at.port.value);
      std::memcpy(&four->sin_addr, at.address.bytes().data() + 12, 4);
      size = sizeof *four;
    } else {
      auto* six = reinterpret_cast<sockaddr_in6*>(&storage);
      six->sin6_family = AF_INET6;
      six->sin6_port = htons(at.port.value);
      std::memcpy(&six->sin6_addr, at.address.bytes().data(), 16);
      size = sizeof *six;
    }
  }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  sockaddr_storage storage{};
  socklen_t size;
};

class UdpSocket {
 public:
  explicit UdpSocket(const service::Socket& own) {
    AnySocketAddress address(own);
    fd_ = socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    BOOST_REQUIRE_MESSAGE(fd_ >= 0 && bind(fd_, address.get(), address.size) == 0,
                          "bind: " << std::strerror(errno));
  }
  ~UdpSocket() { close(fd_); }
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// A node with three pods and a client, all of them in one network namespace; an address of the
// family is the IPv4 one's last part after a prefix.
class Node {
 public:
  explicit Node(Family family) : family_(family), tracker_(options()) {
    run("ip link set lo up");
    for (const char* pod : {"244:1", "244:2", "244:3", "9:1"}) add("address", address(pod), "");
    add("address", address("192:1"), "");
    // Somewhere to send what goes to addresses that nobody has.
    run("ip link add out arp off type veth peer name far");
    run("ip link set far up");
    run("ip link set out up");
    run("ip address add 10.7.0.1/24 dev out");
    run("ip -6 address add fd00:7::1/64 dev out nodad");
    run(family_ == Family::ipv4 ? "ip route add default dev out"
                                : "ip -6 route add default dev out");
    for (int pod = 1; pod <= 3; ++pod)
      for (int port : {5353, 5354})
        pods_.push_back(
            {"pod" + std::to_string(pod) + (port == 5353 ? "" : "'"),
             std::make_unique<UdpSocket>(service::Socket{address("244:" + std::to_string(pod)),
                                                         Port{static_cast<std::uint16_t>(port)}})});
    socket_ = apply::NetlinkSocket::open().value();
    put();
    sync();
    engine_ = std::make_unique<apply::Engine>(*socket_, tracker_.ruleset().owners());
    apply();
  }

  // "244:1" is 10.244.0.1 or fd00:244::1.
  Address address(const std::string& text) const {
    const auto colon = text.find(':');
    const std::string high = text.substr(0, colon), low = text.substr(colon + 1);
    return Address::parse(family_ == Family::ipv4 ? "10." + high + ".0." + low
                                                  : "fd00:" + high + "::" + low)
        .value();
  }

  // The Service as it is to be: endpoints as "1", "2'" (on port 5354), "~3" (terminating, unready).
  snapshot::Service service;
  std::vector<std::string> endpoints;

  // What changed becomes rules; stale flows are not dealt with.
  void apply() {
    put();
    sync();
    const auto applied = engine_->reconcile([this] {
      apply::Desired desired{tracker_.ruleset().structure(), tracker_.ruleset().elements()};
      std::sort(desired.elements.begin(), desired.elements.end(), ruleset::key_less);
      return desired;
    });
    BOOST_REQUIRE(applied.ok());
    tracker_.ruleset().skip_change();
  }
  std::size_t clear() {
    std::size_t deleted = 0;
    for (const kernel::Pass& pass : clear_all(*flows_, tracker_.ruleset().node())) {
      BOOST_TEST(!pass.error);
      deleted += pass.deleted;
    }
    return deleted;
  }
  // As a new process, which looks at everything.
  std::size_t restart() {
    flows_ = std::make_unique<kernel::StaleFlows>();
    flows_->update(kDns, snapshot_.find(kDns), tracker_.ruleset().node());
    return clear();
  }

  UdpSocket client(int port) const {
    return UdpSocket({address("9:1"), Port{static_cast<std::uint16_t>(port)}});
  }
  // Who answers: "pod1 saw 10.244.0.1:4711" and the like; "refused" or "silence".
  std::string ask(const UdpSocket& client, const Address& to, int port = 53) {
    AnySocketAddress target({to, Port{static_cast<std::uint16_t>(port)}});
    BOOST_REQUIRE(connect(client.fd(), target.get(), target.size) == 0);
    char text[256];
    while (recv(client.fd(), text, sizeof text, 0) >= 0) {
    }
    // A packet that is rejected on its way out of its own host.
    if (send(client.fd(), "?", 1, 0) != 1) return errno == EPERM ? "refused" : std::strerror(errno);
    std::vector<pollfd> events;
    for (const auto& pod : pods_) events.push_back({pod.socket->fd(), POLLIN, 0});
    events.push_back({client.fd(), POLLIN, 0});
    if (poll(events.data(), events.size(), kSilence) <= 0) return "silence";
    for (std::size_t i = 0; i < pods_.size(); ++i)
      if (events[i].revents & POLLIN) {
        sockaddr_storage from{};
        socklen_t size = sizeof from;
        recvfrom(pods_[i].socket->fd(), text, sizeof text, 0, reinterpret_cast<sockaddr*>(&from),
                 &size);
        const std::string answer = pods_[i].name + " saw " + std::to_string(port_of(from));
        sendto(pods_[i].socket->fd(), answer.data(), answer.size(), 0,
               reinterpret_cast<sockaddr*>(&from), size);
      }
    pollfd answered{client.fd(), POLLIN, 0};
    if (poll(&answered, 1, kPatience) <= 0) return "no answer";
    const ssize_t size = recv(client.fd(), text, sizeof text, 0);
    if (size < 0) return errno == ECONNREFUSED ? "refused" : std::strerror(errno);
    return std::string(text, static_cast<std::size_t>(size));
  }

 private:
  static std::uint16_t port_of(const sockaddr_storage& address) {
    return ntohs(address.ss_family == AF_INET
                     ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                     : reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  static options::Options options() {
    options::Options options;
    options.node = "node-a";
    options.masquerade_all = true;  // so that each new flow has another source port at the pod
    options.node_port_addresses = {*Cidr::parse("10.192.0.0/16"), *Cidr::parse("fd00:192::/64")};
    return options;
  }
  static void run(const std::string& command) {
    BOOST_REQUIRE_MESSAGE(std::system(command.c_str()) == 0, command);
  }
  void add(const char* what, const Address& address, const char* more) const {
    run(std::string("ip ") + (family_ == Family::ipv4 ? "" : "-6 ") + what + " add " +
        Cidr::host(address).to_string() + " dev lo" + more);
  }

  void put() {
    for (const auto* slice : slices()) snapshot_.erase("EndpointSlice", slice->name);
    if (!service.name.name.empty()) {
      snapshot_.put(service);
      for (const std::string& endpoint : endpoints) snapshot_.put(slice(endpoint));
    } else {
      snapshot_.erase("Service", kDns);
    }
  }
  std::vector<const snapshot::EndpointSlice*> slices() const {
    const auto* entry = snapshot_.find(kDns);
    return entry == nullptr ? std::vector<const snapshot::EndpointSlice*>() : entry->slices;
  }
  snapshot::EndpointSlice slice(const std::string& text) const {
    snapshot::EndpointSlice slice;
    slice.name = {kDns.ns, text};
    slice.service = kDns.name;
    slice.family = family_;
    const bool terminating = text.front() == '~', other_port = text.back() == '\'';
    slice.ports = {
        {"dns", Protocol::udp, Port{static_cast<std::uint16_t>(other_port ? 5354 : 5353)}}};
    snapshot::Endpoint endpoint;
    endpoint.address = address("244:" + text.substr(terminating ? 1 : 0, 1));
    endpoint.terminating = terminating;
    endpoint.ready = !terminating;
    slice.endpoints = {endpoint};
    return slice;
  }
  void sync() {
    Errors warnings;
    const snapshot::Changes changes = snapshot_.take_changes();
    BOOST_REQUIRE(tracker_.update(snapshot_, changes, warnings).ok());
    changes.each_service([&](const ObjectName& name, const snapshot::Snapshot::Entry* entry) {
      flows_->update(name, entry, tracker_.ruleset().node());
    });
  }

  struct Pod {
    std::string name;
    std::unique_ptr<UdpSocket> socket;
  };
  NetworkNamespace name_space_;
  Family family_;
  std::vector<Pod> pods_;
  snapshot::Snapshot snapshot_;
  ruleset::Tracker tracker_;
  std::unique_ptr<apply::NetlinkSocket> socket_;
  std::unique_ptr<apply::Engine> engine_;
  std::unique_ptr<kernel::StaleFlows> flows_ = std::make_unique<kernel::StaleFlows>();
};

// A node and its Service: ClusterIP 96:10, load balancer 198:1, node port 30053.
struct World : Node {
  explicit World(Family family)
      : Node(family), cluster_ip(address("96:10")), vip(address("198:1")) {
    service.cluster_ips[index_of(family)] = cluster_ip;
    service.ports = {{"dns", Protocol::udp, Port{53}, Port{30053}}};
  }
  void serve(std::vector<std::string> by) {
    service.name = kDns;
    endpoints = std::move(by);
    apply();
  }
  void remove() {
    service.name = {};
    apply();
  }
  const Address cluster_ip, vip;
};

bool by(const std::string& answer, const std::string& pod) {
  return answer.starts_with(pod + " saw ");
}

}  // namespace

BOOST_AUTO_TEST_SUITE(conntrack_udp_traffic)

// CT-06, E2E-30: the endpoint is replaced; before stale flows are cleared the client is stuck.
BOOST_AUTO_TEST_CASE(endpoint_replaced) {
  for (Family family : kFamilies) {
    World world(family);
    world.serve({"1"});
    world.clear();
    const UdpSocket client = world.client(4001), node_port_client = world.client(4002);
    BOOST_TEST(by(world.ask(client, world.cluster_ip), "pod1"));
    BOOST_TEST(by(world.ask(node_port_client, world.address("192:1"), 30053), "pod1"));
    world.serve({"2"});
    BOOST_TEST(by(world.ask(client, world.cluster_ip), "pod1"), "is stuck");
    BOOST_TEST(world.clear() == 2u);
    BOOST_TEST(by(world.ask(client, world.cluster_ip), "pod2"));
    BOOST_TEST(by(world.ask(node_port_client, world.address("192:1"), 30053), "pod2"));
  }
}

// CT-06, E2E-32: the same endpoint on another port.
BOOST_AUTO_TEST_CASE(backend_port_changed) {
  for (Family family : kFamilies) {
    World world(family);
    world.serve({"1"});
    world.clear();
    const UdpSocket client = world.client(4001);
    BOOST_TEST(by(world.ask(client, world.address("192:1"), 30053), "pod1"));
    world.serve({"1'"});
    BOOST_TEST(world.clear() == 1u);
    BOOST_TEST(by(world.ask(client, world.address("192:1"), 30053), "pod1'"));
  }
}

// CT-05, E2E-31: packets before there is an endpoint.
BOOST_AUTO_TEST_CASE(before_any_endpoint) {
  for (Family family : kFamilies) {
    World world(family);
    const UdpSocket client = world.client(4001), vip_client = world.client(4002);
    BOOST_TEST(world.ask(vip_client, world.vip) == "silence");
    world.service.load_balancer_ips = {world.vip};
    world.serve({});
    world.clear();
    BOOST_TEST(world.ask(client, world.cluster_ip) == "refused");
    BOOST_TEST(world.ask(vip_client, world.vip) == "refused");
    world.serve({"1"});
    world.clear();
    BOOST_TEST(by(world.ask(client, world.cluster_ip), "pod1"));
    BOOST_TEST(by(world.ask(vip_client, world.vip), "pod1"));
  }
}

// BEYOND-08: a frontend that comes, in front of endpoints that were there.
BOOST_AUTO_TEST_CASE(frontend_added) {
  for (Family family : kFamilies) {
    World world(family);
    world.serve({"1"});
    world.clear();
    const UdpSocket client = world.client(4001);
    BOOST_TEST(world.ask(client, world.vip) == "silence");
    world.service.load_balancer_ips = {world.vip};
    world.apply();
    BOOST_TEST(world.ask(client, world.vip) == "silence", "is stuck");
    BOOST_TEST(world.clear() == 1u);
    BOOST_TEST(by(world.ask(client, world.vip), "pod1"));
    world.service.load_balancer_ips.clear();
    world.apply();
    BOOST_TEST(world.clear() == 1u);
    BOOST_TEST(world.ask(client, world.vip) == "silence");
  }
}

// BEYOND-08: scaled to zero, and deleted.
BOOST_AUTO_TEST_CASE(nobody_left) {
  for (Family family : kFamilies) {
    for (const bool deleted : {false, true}) {
      World world(family);
      world.serve({"1", "2"});
      world.clear();
      const UdpSocket client = world.client(4001), node_port_client = world.client(4002);
      BOOST_TEST(world.ask(client, world.cluster_ip).starts_with("pod"));
      BOOST_TEST(world.ask(node_port_client, world.address("192:1"), 30053).starts_with("pod"));
      if (deleted)
        world.remove();
      else
        world.serve({});
      BOOST_TEST(world.clear() == 2u);
      BOOST_TEST(world.ask(client, world.cluster_ip) == (deleted ? "silence" : "refused"));
      BOOST_TEST(world.ask(node_port_client, world.address("192:1"), 30053) == "refused");
    }
  }
}

// CT-07, SEL-12: whoever still serves keeps his flows, through changes and a restart. A flow that
// was cut would come from another port afterwards.
BOOST_AUTO_TEST_CASE(live_flows_are_not_touched) {
  for (Family family : kFamilies) {
    World world(family);
    world.serve({"1"});
    world.clear();
    const UdpSocket client = world.client(4001), node_port_client = world.client(4002);
    const std::string before = world.ask(client, world.cluster_ip);
    const std::string before_node_port = world.ask(node_port_client, world.address("192:1"), 30053);
    BOOST_TEST(by(before, "pod1"));
    const auto check = [&](const char* when) {
      BOOST_TEST(world.ask(client, world.cluster_ip) == before, when);
      BOOST_TEST(world.ask(node_port_client, world.address("192:1"), 30053) == before_node_port,
                 when);
    };
    check("nothing happened");
    world.serve({"1", "2"});
    BOOST_TEST(world.clear() == 0u);
    check("scaled up");
    world.serve({"~1", "2", "3"});
    BOOST_TEST(world.clear() == 0u);
    check("terminating");
    world.service.internal_local = true;
    world.service.type = snapshot::Service::Type::node_port;
    world.service.external_local = true;
    world.serve({"~1", "2", "3'"});
    BOOST_TEST(world.clear() == 0u);
    check("excluded by policy");
    BOOST_TEST(world.restart() == 0u);
    check("after a restart");
    world.serve({"2"});
    BOOST_TEST(world.restart() == 2u);
    BOOST_TEST(world.ask(client, world.cluster_ip) != before, "gone while nobody ran");
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
