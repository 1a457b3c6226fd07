// Which flows a change makes stale, one flow a line: CT-02 to CT-08, BEYOND-08, BEYOND-09.
#include "compiler/service/udp_flows.h"

#include <boost/test/unit_test.hpp>
#include <sstream>

namespace kproxy::service {
namespace {

using snapshot::ObjectName;
using snapshot::Snapshot;

const ObjectName kName{"shop", "dns"};

Address address(const std::string& text) {
  return Address::parse(text).value();
}

Socket socket(const std::string& text) {
  const auto colon = text.rfind(':');
  std::string host = text.substr(0, colon);
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  return {address(host), Port{static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1)))}};
}

NodeView view() {
  NodeView view;
  view.name = "node-a";
  view.families[0].node_port_addresses = {*Cidr::parse("192.0.2.0/24")};
  view.families[1].node_ports_everywhere = true;
  return view;
}

// A Service is written as what it has, separated by blanks:
//   ip=ADDRESS  vip=ADDRESS  external=ADDRESS  udp=PORT  udp=PORT/NODEPORT  tcp=PORT
//   ADDRESS:PORT, an endpoint; before it: - does not serve, ~ terminating, ! unready but serving,
//   ^ ready but not serving
Snapshot snapshot_of(const std::string& text) {
  Snapshot snapshot;
  snapshot::Service service;
  service.name = kName;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const auto equals = word.find('=');
    const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
    if (key == "ip") {
      service.cluster_ips[index_of(address(value).family())] = address(value);
    } else if (key == "vip") {
      service.load_balancer_ips.push_back(address(value));
    } else if (key == "external") {
      service.external_ips.push_back(address(value));
    } else if (key == "udp" || key == "tcp") {
      snapshot::Service::PortSpec port{"p" + value, *parse_protocol(key), {}, {}};
      port.port.value = static_cast<std::uint16_t>(std::stoi(value));
      if (const auto slash = value.find('/'); slash != std::string::npos)
        port.node_port.value = static_cast<std::uint16_t>(std::stoi(value.substr(slash + 1)));
      port.name = std::to_string(port.port.value);
      service.ports.push_back(port);
    } else {
      const bool marked = std::string("-~!^").find(word[0]) != std::string::npos;
      const Socket at = socket(marked ? word.substr(1) : word);
      snapshot::EndpointSlice slice;
      slice.family = at.address.family();
      for (const auto& port : service.ports)
        slice.ports.push_back({port.name, port.protocol, at.port});
      snapshot::Endpoint endpoint;
      endpoint.address = at.address;
      endpoint.ready = !marked || word[0] == '^';
      endpoint.serving = word[0] != '-' && word[0] != '^';
      endpoint.terminating = word[0] == '~';
      slice.endpoints.push_back(endpoint);
      slice.name = {kName.ns, word};
      slice.service = kName.name;
      snapshot.put(slice);
    }
  }
  snapshot.put(service);
  return snapshot;
}

struct Case {
  const char* clauses;
  const char* before;  // the Service when it was last dealt with; null: there was none
  const char* after;   // null: it is gone
  const char* flow;    // where it was sent to, who answers
  bool stale;
};

constexpr const char* kA = "ip=10.96.0.1 udp=53 10.1.0.1:5353 10.1.0.2:5353";
constexpr const char* kNodePort = "ip=10.96.0.1 udp=53/30053 10.1.0.1:5353";
constexpr const char* kSix = "ip=fd00::1 udp=53/30053 [fd01::1]:5353";

constexpr Case kCases[] = {
    // As at start: every frontend is looked at.
    {"CT-07 with an endpoint", nullptr, kA, "10.96.0.1:53 10.1.0.1:5353", false},
    {"CT-07 with another endpoint", nullptr, kA, "10.96.0.1:53 10.1.0.2:5353", false},
    {"CT-04 with somebody else", nullptr, kA, "10.96.0.1:53 10.1.0.3:5353", true},
    {"CT-04 with another port", nullptr, kA, "10.96.0.1:53 10.1.0.1:53", true},
    {"CT-05 with nobody yet", nullptr, kA, "10.96.0.1:53 10.96.0.1:53", true},
    {"another port of the address", nullptr, kA, "10.96.0.1:54 10.1.0.3:5353", false},
    {"another address", nullptr, kA, "10.96.0.2:53 10.1.0.3:5353", false},
    {"CT-02 a TCP port is no frontend", nullptr, "ip=10.96.0.1 tcp=53 10.1.0.1:5353",
     "10.96.0.1:53 10.1.0.3:5353", false},
    {"CT-03 load balancer", nullptr, "ip=10.96.0.1 vip=198.51.100.1 udp=53 10.1.0.1:53",
     "198.51.100.1:53 10.1.0.3:53", true},
    {"CT-03 external IP", nullptr, "ip=10.96.0.1 external=198.51.100.2 udp=53 10.1.0.1:53",
     "198.51.100.2:53 10.1.0.3:53", true},
    {"CT-03 live", nullptr, "ip=10.96.0.1 external=198.51.100.2 udp=53 10.1.0.1:53",
     "198.51.100.2:53 10.1.0.1:53", false},
    {"CT-02 the other family", nullptr, "ip=10.96.0.1 ip=fd00::1 udp=53 10.1.0.1:53",
     "[fd00::1]:53 [fd01::1]:53", true},
    {"CT-04 IPv6", nullptr, kSix, "[fd00::1]:53 [fd01::2]:5353", true},
    {"CT-07 IPv6", nullptr, kSix, "[fd00::1]:53 [fd01::1]:5353", false},

    // Who serves.
    {"CT-04 terminating", nullptr, "ip=10.96.0.1 udp=53 10.1.0.1:53 ~10.1.0.2:53",
     "10.96.0.1:53 10.1.0.2:53", false},
    {"CT-04 unready", nullptr, "ip=10.96.0.1 udp=53 10.1.0.1:53 !10.1.0.2:53",
     "10.96.0.1:53 10.1.0.2:53", false},
    {"CT-04 not serving", nullptr, "ip=10.96.0.1 udp=53 10.1.0.1:53 -10.1.0.2:53",
     "10.96.0.1:53 10.1.0.2:53", true},
    {"given new connections all the same", nullptr, "ip=10.96.0.1 udp=53 ^10.1.0.1:53",
     "10.96.0.1:53 10.1.0.1:53", false},
    {"another port of the Service", nullptr, "ip=10.96.0.1 udp=53 udp=54 10.1.0.1:53",
     "10.96.0.1:54 10.1.0.1:53", false},

    // Node ports: 192.0.2.1 and 198.51.100.9 are the node's, the latter not for node ports.
    {"CT-03 node port", nullptr, kNodePort, "192.0.2.1:30053 10.1.0.3:5353", true},
    {"CT-07 node port", nullptr, kNodePort, "192.0.2.1:30053 10.1.0.1:5353", false},
    {"CT-05 node port", nullptr, kNodePort, "192.0.2.1:30053 192.0.2.1:30053", true},
    {"BEYOND-09 not accepted", nullptr, kNodePort, "198.51.100.9:30053 10.1.0.3:5353", false},
    {"BEYOND-09 not the node's", nullptr, kNodePort, "192.0.2.7:30053 10.1.0.3:5353", false},
    {"BEYOND-09 accepted everywhere", nullptr, kSix, "[2001:db8::1]:30053 [fd01::2]:5353", true},
    {"BEYOND-09 not the node's", nullptr, kSix, "[2001:db8::2]:30053 [fd01::2]:5353", false},
    {"BEYOND-09 loopback", nullptr, kSix, "[::1]:30053 [fd01::2]:5353", false},
    {"an address before a node port", nullptr,
     "ip=10.96.0.1 external=192.0.2.1 udp=30053 udp=53/30053 10.1.0.1:53",
     "192.0.2.1:30053 10.1.0.3:53", true},

    // What changed, and nothing else.
    {"CT-06 endpoint replaced", kA, "ip=10.96.0.1 udp=53 10.1.0.1:5353 10.1.0.3:5353",
     "10.96.0.1:53 10.1.0.2:5353", true},
    {"CT-07 endpoint replaced", kA, "ip=10.96.0.1 udp=53 10.1.0.1:5353 10.1.0.3:5353",
     "10.96.0.1:53 10.1.0.1:5353", false},
    {"CT-06 backend port changed", kA, "ip=10.96.0.1 udp=53 10.1.0.1:53 10.1.0.2:53",
     "10.96.0.1:53 10.1.0.1:5353", true},
    {"BEYOND-10 nothing changed", kA, kA, "10.96.0.1:53 10.1.0.3:5353", false},
    {"BEYOND-10 ready to terminating", kA, "ip=10.96.0.1 udp=53 ~10.1.0.1:5353 10.1.0.2:5353",
     "10.96.0.1:53 10.1.0.3:5353", false},
    {"BEYOND-10 another frontend came", kA,
     "ip=10.96.0.1 vip=198.51.100.1 udp=53 10.1.0.1:5353 10.1.0.2:5353",
     "10.96.0.1:53 10.1.0.3:5353", false},
    {"BEYOND-08 a frontend came", kA,
     "ip=10.96.0.1 vip=198.51.100.1 udp=53 10.1.0.1:5353 10.1.0.2:5353",
     "198.51.100.1:53 198.51.100.1:53", true},
    {"BEYOND-08 a frontend went", "ip=10.96.0.1 vip=198.51.100.1 udp=53 10.1.0.1:53",
     "ip=10.96.0.1 udp=53 10.1.0.1:53", "198.51.100.1:53 10.1.0.1:53", true},
    {"BEYOND-08 it went, others stay", "ip=10.96.0.1 vip=198.51.100.1 udp=53 10.1.0.1:53",
     "ip=10.96.0.1 udp=53 10.1.0.1:53", "10.96.0.1:53 10.1.0.1:53", false},
    {"BEYOND-08 scaled to zero", kA, "ip=10.96.0.1 udp=53", "10.96.0.1:53 10.1.0.1:5353", true},
    {"BEYOND-08 all have stopped", kA, "ip=10.96.0.1 udp=53 -10.1.0.1:5353 -10.1.0.2:5353",
     "10.96.0.1:53 10.1.0.1:5353", true},
    {"BEYOND-08 deleted", kA, nullptr, "10.96.0.1:53 10.1.0.1:5353", true},
    {"BEYOND-08 deleted, never redirected", kA, nullptr, "10.96.0.1:53 10.96.0.1:53", false},
    {"BEYOND-08 node port deleted", kNodePort, nullptr, "192.0.2.1:30053 10.1.0.1:5353", true},
    {"BEYOND-09 deleted, not accepted", kNodePort, nullptr, "192.0.2.7:30053 10.1.0.1:5353", false},
    {"BEYOND-08 port changed", kA, "ip=10.96.0.1 udp=54 10.1.0.1:5353",
     "10.96.0.1:53 10.1.0.1:5353", true},
    {"BEYOND-08 to another protocol", kA, "ip=10.96.0.1 tcp=53 10.1.0.1:5353",
     "10.96.0.1:53 10.1.0.1:5353", true},
    {"CT-05 from zero", "ip=10.96.0.1 udp=53", kA, "10.96.0.1:53 10.96.0.1:53", true},
};

AddressSet node_ports(const Address& to) {
  const std::vector<Cidr> own = {*Cidr::parse("127.0.0.0/8"), *Cidr::parse("::1/128"),
                                 *Cidr::parse("192.0.2.1/32"), *Cidr::parse("198.51.100.9/32"),
                                 *Cidr::parse("2001:db8::1/128")};
  return node_port_destinations(view().of(to.family()), to.family(), own);
}

bool is_stale(const UdpFlows& flows, const std::string& flow) {
  const auto blank = flow.find(' ');
  const UdpFlow parsed{socket(flow.substr(0, blank)), socket(flow.substr(blank + 1))};
  return flows.is_stale(parsed, node_ports(parsed.to.address));
}

void deal_with(UdpFlows& flows) {
  for (Family family : kFamilies) {
    flows.begin(family);
    flows.finish(family);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(udp_flows)

BOOST_AUTO_TEST_CASE(decisions) {
  for (const Case& c : kCases) {
    UdpFlows flows;
    if (c.before != nullptr) {
      const Snapshot before = snapshot_of(c.before);
      flows.update(kName, before.find(kName), view());
      deal_with(flows);
    }
    const Snapshot after = c.after == nullptr ? Snapshot() : snapshot_of(c.after);
    flows.update(kName, after.find(kName), view());
    for (Family family : kFamilies) flows.begin(family);
    BOOST_TEST(is_stale(flows, c.flow) == c.stale, c.clauses << ": " << c.flow);
    deal_with(flows);
    BOOST_TEST(!is_stale(flows, c.flow), "when dealt with: " << c.clauses);
  }
}

BOOST_AUTO_TEST_CASE(several_services_claim_a_frontend) {
  UdpFlows flows;
  const Snapshot one = snapshot_of("ip=10.96.0.1 external=192.0.2.9 udp=53 10.1.0.1:53");
  const Snapshot two = snapshot_of("ip=10.96.0.2 external=192.0.2.9 udp=53 10.1.0.2:53");
  flows.update({"shop", "one"}, one.find(kName), view());
  flows.update({"shop", "two"}, two.find(kName), view());
  flows.begin(Family::ipv4);
  BOOST_TEST(!is_stale(flows, "192.0.2.9:53 10.1.0.1:53"));
  BOOST_TEST(!is_stale(flows, "192.0.2.9:53 10.1.0.2:53"));
  BOOST_TEST(is_stale(flows, "192.0.2.9:53 10.1.0.3:53"));
  flows.finish(Family::ipv4);

  flows.update({"shop", "one"}, nullptr, view());
  flows.begin(Family::ipv4);
  BOOST_TEST(is_stale(flows, "192.0.2.9:53 10.1.0.1:53"));
  BOOST_TEST(!is_stale(flows, "192.0.2.9:53 10.1.0.2:53"));
}

// What changes while the changes before are being dealt with is for the next time.
BOOST_AUTO_TEST_CASE(changes_meanwhile) {
  UdpFlows flows;
  const Snapshot first = snapshot_of(kA);
  flows.update(kName, first.find(kName), view());
  BOOST_TEST(flows.touched(Family::ipv4));
  BOOST_TEST(!flows.touched(Family::ipv6));
  flows.begin(Family::ipv4);
  BOOST_TEST(!flows.touched(Family::ipv4));
  const Snapshot second = snapshot_of("ip=10.96.0.1 udp=53 10.1.0.1:5353");
  flows.update(kName, second.find(kName), view());
  flows.finish(Family::ipv4);
  BOOST_TEST(flows.touched(Family::ipv4));
  flows.begin(Family::ipv4);
  BOOST_TEST(is_stale(flows, "10.96.0.1:53 10.1.0.2:5353"));
}

// Services without UDP, and UDP Services that did not change, put nothing in question: BEYOND-10.
BOOST_AUTO_TEST_CASE(touches_little) {
  UdpFlows flows;
  const Snapshot tcp = snapshot_of("ip=10.96.0.1 tcp=80 10.1.0.1:80");
  flows.update(kName, tcp.find(kName), view());
  BOOST_TEST(!flows.touched(Family::ipv4));
  const Snapshot udp = snapshot_of(kA);
  flows.update({"shop", "udp"}, udp.find(kName), view());
  deal_with(flows);
  flows.update({"shop", "udp"}, udp.find(kName), view());
  flows.update(kName, nullptr, view());
  BOOST_TEST(!flows.touched(Family::ipv4));
}

// Nobody is stale because there are more endpoints; as in a rolling update, where each new one
// comes before an old one goes.
BOOST_AUTO_TEST_CASE(more_endpoints_touch_nothing) {
  struct Case {
    const char* before;
    const char* after;
    bool touched;
  };
  for (const Case& c : {Case{"10.1.0.1:53", "10.1.0.1:53 10.1.0.2:53", false},
                        {"10.1.0.2:53", "10.1.0.1:53 10.1.0.2:53", false},
                        {"10.1.0.1:53 10.1.0.2:53", "10.1.0.2:53", true},
                        {"10.1.0.1:53", "10.1.0.2:53", true},
                        {"10.1.0.1:53", "10.1.0.2:53 10.1.0.3:53", true},
                        {"", "10.1.0.1:53", true},
                        {"10.1.0.1:53", "", true}}) {
    UdpFlows flows;
    const std::string frontend = "ip=10.96.0.1 udp=53 ";
    const Snapshot before = snapshot_of(frontend + c.before),
                   after = snapshot_of(frontend + c.after);
    flows.update(kName, before.find(kName), view());
    deal_with(flows);
    flows.update(kName, after.find(kName), view());
    BOOST_TEST(flows.touched(Family::ipv4) == c.touched, c.before << " -> " << c.after);
  }
}

BOOST_AUTO_TEST_CASE(what_they_have_in_common) {
  struct Case {
    const char* service;
    const char* address;
    int port;
    bool node_ports;
  };
  for (const Case& c : {Case{kA, "10.96.0.1", 53, false},
                        {"ip=10.96.0.1 udp=53 udp=54", "10.96.0.1", 0, false},
                        {"ip=10.96.0.1 vip=198.51.100.1 udp=53", "", 53, false},
                        {"ip=10.96.0.1 vip=198.51.100.1 udp=53 udp=54", "", 0, false},
                        {kNodePort, "", 0, true},
                        {"ip=10.96.0.1 udp=30053/30053", "", 30053, true}}) {
    UdpFlows flows;
    const Snapshot service = snapshot_of(c.service);
    flows.update(kName, service.find(kName), view());
    flows.begin(Family::ipv4);
    const auto address = flows.only_address(Family::ipv4);
    BOOST_TEST((address ? address->to_string() : "") == c.address, c.service);
    BOOST_TEST(flows.only_port(Family::ipv4).value_or(Port{}).value == c.port, c.service);
    BOOST_TEST(flows.node_ports(Family::ipv4) == c.node_ports, c.service);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::service
