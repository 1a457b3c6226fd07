// Which Services have a health port, and what is counted for it.
#include "compiler/service/health_port.h"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <vector>

#include "tests/compiler/cluster.h"

namespace kproxy::service {
namespace {

using snapshot::EndpointSlice;
using snapshot::Service;

Address address(const char* text) {
  return *Address::parse(text);
}

snapshot::Endpoint endpoint(const char* at, const char* node, bool ready = true,
                            bool terminating = false) {
  snapshot::Endpoint endpoint;
  endpoint.address = address(at);
  endpoint.node = node;
  endpoint.ready = ready;
  endpoint.terminating = terminating;
  return endpoint;
}

EndpointSlice slice(const char* name, Family family, const char* port,
                    std::vector<snapshot::Endpoint> endpoints) {
  EndpointSlice slice;
  slice.name = {"shop", name};
  slice.service = "web";
  slice.family = family;
  slice.ports = {{port, Protocol::tcp, Port{8080}}};
  slice.endpoints = std::move(endpoints);
  return slice;
}

struct Cluster {
  Service service;
  std::vector<EndpointSlice> slices;

  Cluster() {
    service.name = {"shop", "web"};
    service.type = Service::Type::load_balancer;
    service.external_local = true;
    service.cluster_ips = {address("10.96.0.1"), address("fd00:10:96::1")};
    service.health_check_node_port = Port{30000};
    service.ports = {{"http", Protocol::tcp, Port{80}, Port{}},
                     {"https", Protocol::tcp, Port{443}, Port{}}};
    slices = {slice("web-1", Family::ipv4, "http",
                    {endpoint("10.0.0.1", "node-a"), endpoint("10.0.0.2", "node-a"),
                     endpoint("10.0.0.3", "node-b"), endpoint("10.0.0.4", "")}),
              slice("web-2", Family::ipv6, "http", {endpoint("fd00::1", "node-a")})};
  }
};

BOOST_AUTO_TEST_SUITE(health_port)

BOOST_AUTO_TEST_CASE(which_and_how_many) {
  using Count = std::optional<std::size_t>;
  const struct {
    const char* what;
    std::function<void(Cluster&)> change;
    Count ipv4;  // neither: no health port
    Count ipv6;
  } kTable[] = {
      {"as it is", [](Cluster&) {}, 2, 1},
      {"HC-25: one family", [](Cluster& c) { c.service.cluster_ips[1].reset(); }, 2, {}},
      {"SVC-16: type", [](Cluster& c) { c.service.type = Service::Type::node_port; }, {}, {}},
      {"SVC-16: policy", [](Cluster& c) { c.service.external_local = false; }, {}, {}},
      {"SVC-16: port 0", [](Cluster& c) { c.service.health_check_node_port = {}; }, {}, {}},
      {"SVC-02: headless", [](Cluster& c) { c.service.cluster_ips = {}; }, {}, {}},
      {"another proxy's", [](Cluster& c) { c.service.other_proxy = true; }, {}, {}},
      {"HC-22: not ready", [](Cluster& c) { c.slices[0].endpoints[0].ready = false; }, 1, 1},
      {"HC-22, E2E-22: serving while it terminates",
       [](Cluster& c) {
         c.slices[1].endpoints[0].ready = false;
         c.slices[1].endpoints[0].terminating = true;
       },
       2, 0},
      {"EP-09: ready though it terminates",
       [](Cluster& c) { c.slices[1].endpoints[0].terminating = true; }, 2, 1},
      {"HC-22: distinct addresses over all ports",
       [](Cluster& c) {
         c.slices.push_back(
             slice("web-3", Family::ipv4, "https",
                   {endpoint("10.0.0.1", "node-a"), endpoint("10.0.0.9", "node-a")}));
       },
       3, 1},
      {"a port that the Service does not have",
       [](Cluster& c) { c.slices[0].ports[0].name = "metrics"; }, 0, 1},
      {"EP-01: slice of a headless Service", [](Cluster& c) { c.slices[1].headless = true; }, 2, 0},
      {"no slices", [](Cluster& c) { c.slices.clear(); }, 0, 0},
  };
  NodeView node;
  node.name = "node-a";
  for (const auto& one : kTable) {
    Cluster cluster;
    one.change(cluster);
    std::vector<snapshot::Object> objects{cluster.service};
    objects.insert(objects.end(), cluster.slices.begin(), cluster.slices.end());
    const snapshot::Snapshot snapshot = tests::snapshot_of(objects);
    const auto port = service::health_port(*snapshot.find({"shop", "web"}), node);
    BOOST_TEST_CONTEXT(one.what) {
      BOOST_TEST(port.has_value() == (one.ipv4 || one.ipv6));
      if (!port) continue;
      BOOST_TEST(port->service_namespace == "shop");
      BOOST_TEST(port->service_name == "web");
      BOOST_TEST(port->port.value == 30000);
      BOOST_TEST((port->local_endpoints == std::array<Count, 2>{one.ipv4, one.ipv6}));
    }
  }
}

// HC-25
BOOST_AUTO_TEST_CASE(where) {
  NodeView node;
  node.families[0].node_port_addresses = {*Cidr::parse("192.0.2.0/24"),
                                          *Cidr::parse("127.0.0.0/8")};
  node.families[1].node_ports_everywhere = true;
  const std::array<std::vector<Cidr>, 2> own{
      std::vector<Cidr>{*Cidr::parse("192.0.2.7/32"), *Cidr::parse("127.0.0.0/8"),
                        *Cidr::parse("127.0.0.1/32"), *Cidr::parse("198.51.100.1/32"),
                        *Cidr::parse("192.0.2.7/32")},
      std::vector<Cidr>{*Cidr::parse("fd00::1/128")}};
  const NodePortAddresses addresses = node_port_addresses(node, own);
  BOOST_REQUIRE(addresses[0]);
  BOOST_TEST((*addresses[0] == std::vector<Address>{address("127.0.0.1"), address("192.0.2.7")}));
  BOOST_TEST(!addresses[1]);
  node.families[0].node_port_addresses.clear();  // primary, and none is known
  BOOST_TEST(service::node_port_addresses(node, own)[0]->empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::service
