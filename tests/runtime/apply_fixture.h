// A ruleset with every kind of object in it, small enough to look at.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "compiler/ruleset/render.h"
#include "compiler/ruleset/ruleset.h"
#include "runtime/apply/engine.h"
#include "tests/runtime/network_namespace.h"
#include "tests/runtime/nft.h"

namespace kproxy::tests {

inline Address address(const std::string& text) {
  return Address::parse(text).value();
}
inline Cidr cidr(const std::string& text) {
  return Cidr::parse(text).value();
}

inline service::NodeView node_view() {
  service::NodeView node;
  node.name = "node-a";
  using Kind = service::LocalDetector::Kind;
  node.families[0] = {.primary = address("192.0.2.1"),
                      .addresses = {address("192.0.2.1")},
                      .detector = {Kind::cidr, {cidr("10.244.0.0/16")}, ""},
                      .node_ports_everywhere = false,
                      .node_port_addresses = {cidr("192.0.2.1/32")},
                      .service_cidrs = {cidr("10.96.0.0/16"), cidr("10.97.0.0/16")}};
  node.families[1] = {.primary = address("2001:db8::1"),
                      .addresses = {address("2001:db8::1")},
                      .detector = {Kind::interface_prefix, {}, "cali"},
                      .node_ports_everywhere = true,
                      .node_port_addresses = {},
                      .service_cidrs = {cidr("fd00:10:96::/112")}};
  return node;
}

// A Service port with that many endpoints, the odd ones of which are on this node.
inline service::ServicePort service_port(Family family, int number, int endpoints) {
  const bool ipv4 = family == Family::ipv4;
  const std::string n = std::to_string(number);
  service::ServicePort port;
  port.port_name = "http";
  port.port = Port{80};
  port.family = family;
  port.frontends = {{service::FrontendKind::cluster_ip,
                     address(ipv4 ? "10.96.0." + n : "fd00:10:96::" + n), Port{80}}};
  for (int i = 1; i <= endpoints; ++i) {
    const std::string host = std::to_string(i);
    const service::Endpoint endpoint{
        address(ipv4 ? "10.244." + n + "." + host : "fd00:10:244:" + n + "::" + host), Port{8080},
        i % 2 == 1};
    port.endpoints.cluster.push_back(endpoint);
    if (endpoint.local) port.endpoints.local.push_back(endpoint);
  }
  return port;
}

inline ruleset::Ruleset::ServiceState service_state(const std::string& name,
                                                    std::vector<service::ServicePort> ports) {
  return {.name = {"shop", name}, .created = 1, .ports = std::move(ports)};
}

// Every kind of set has elements, but for those the kernel writes.
inline std::vector<ruleset::Ruleset::ServiceState> services() {
  using service::FrontendKind;
  std::vector<ruleset::Ruleset::ServiceState> states;
  for (Family family : kFamilies) {
    const bool ipv4 = family == Family::ipv4;
    const std::string suffix = ipv4 ? "4" : "6";
    states.push_back(service_state("plain" + suffix, {service_port(family, 1, 3)}));
    states.push_back(service_state("empty" + suffix, {service_port(family, 2, 0)}));

    service::ServicePort node_port = service_port(family, 3, 2);
    node_port.protocol = Protocol::udp;
    node_port.frontends.push_back(
        {FrontendKind::node_port, Address(), Port{static_cast<std::uint16_t>(30080)}});
    states.push_back(service_state("node-port" + suffix, {node_port}));

    service::ServicePort balanced = service_port(family, 4, 5);
    balanced.external_local = true;
    balanced.affinity_seconds = 10800;
    balanced.frontends.push_back(
        {FrontendKind::load_balancer, address(ipv4 ? "198.51.100.4" : "2001:db8:1::4"), Port{80}});
    balanced.frontends.push_back({FrontendKind::node_port, Address(), Port{30081}});
    if (ipv4)
      balanced.source_ranges = {cidr("203.0.113.0/24"), cidr("192.0.2.1/32")};
    else
      balanced.source_ranges = {cidr("2001:db8:2::/64"), cidr("8000::/1")};
    states.push_back(service_state("balanced" + suffix, {balanced}));

    service::ServicePort sctp = service_port(family, 5, 1);
    sctp.protocol = Protocol::sctp;
    sctp.internal_local = true;
    states.push_back(service_state("local" + suffix, {sctp}));
  }
  return states;
}

inline ruleset::Ruleset::ServiceState no_other(const snapshot::ObjectName& name) {
  return {.name = name, .created = 0, .ports = {}};
}

// The value; fails the test with the error if there is none.
template <typename T>
T require(Result<T> result) {
  const std::string error = result.ok() ? "" : result.error().message();
  BOOST_REQUIRE_MESSAGE(result.ok(), error);
  return std::move(*result);
}

// A ruleset, the engine, and a network namespace for both.
struct Applying {
  Applying() : Applying(services()) {}
  explicit Applying(std::vector<ruleset::Ruleset::ServiceState> states) : ruleset(node_view()) {
    ruleset.update(std::move(states), no_other);
    socket = require(apply::NetlinkSocket::open());
    engine = std::make_unique<apply::Engine>(*socket, ruleset.owners());
  }

  apply::Desired desired() const {
    apply::Desired result{ruleset.structure(), ruleset.elements()};
    std::sort(result.elements.begin(), result.elements.end(), ruleset::key_less);
    return result;
  }
  apply::Engine::Wanted wanted() const {
    return [this] { return desired(); };
  }

  apply::Applied apply() { return require(engine->apply(ruleset.take_change(), wanted())); }
  apply::Applied reconcile() {
    ruleset.take_change();  // is in what is wanted
    return require(engine->reconcile(wanted()));
  }
  apply::Differences verify() { return require(engine->verify(wanted())); }
  void check_equal() {
    const apply::Differences differences = verify();
    for (const std::string& line : differences.lines) BOOST_ERROR(line);
    BOOST_TEST(differences.count == 0u);
  }
  apply::KernelState kernel() {
    return require(apply::read_table(engine->conversation(), ruleset.owners()));
  }
  std::string text() const {
    std::string text;
    render(ruleset, [&](std::string_view piece) { text += piece; });
    return text;
  }

  NetworkNamespace name_space;
  ruleset::Ruleset ruleset;
  std::unique_ptr<apply::NetlinkSocket> socket;
  std::unique_ptr<apply::Engine> engine;
};

}  // namespace kproxy::tests
