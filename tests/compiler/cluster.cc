#include "tests/compiler/cluster.h"

#include <stdexcept>

#include "compiler/ruleset/render.h"

namespace kproxy::tests {
namespace {

using snapshot::Endpoint;
using snapshot::EndpointSlice;
using snapshot::Service;

unsigned draw(std::mt19937& random, unsigned below) {
  return static_cast<unsigned>(random() % below);
}
bool one_in(std::mt19937& random, unsigned n) {
  return draw(random, n) == 0;
}

Address cluster_ip(Family family, unsigned number) {
  if (family == Family::ipv4) return Address::ipv4(0x0a600000u + number);
  return *Address::parse("fd00:10:96::" + std::to_string(number % 9000 + 1));
}
Address pod_ip(Family family, unsigned number) {
  if (family == Family::ipv4) return Address::ipv4(0x0af40000u + number);
  return *Address::parse("fd00:10:244::" + std::to_string(number % 9000 + 1));
}
Address outer_ip(Family family, unsigned number) {
  if (family == Family::ipv4) return Address::ipv4(0xc0000200u + number);
  return *Address::parse("2001:db8::" + std::to_string(number + 1));
}

Endpoint random_endpoint(std::mt19937& random, Family family, std::vector<Endpoint::Hints>& hints) {
  Endpoint endpoint;
  endpoint.address = pod_ip(family, draw(random, 60));
  endpoint.node = one_in(random, 3) ? "node-a" : "node-b";
  endpoint.ready = !one_in(random, 4);
  endpoint.serving = endpoint.ready || one_in(random, 2);
  endpoint.terminating = !endpoint.ready && one_in(random, 2);
  if (one_in(random, 3)) {
    hints.push_back({{one_in(random, 2) ? "zone-a" : "zone-b"}, {}});
    endpoint.hints = static_cast<std::uint32_t>(hints.size());
  }
  return endpoint;
}

}  // namespace

snapshot::Snapshot snapshot_of(const std::vector<snapshot::Object>& objects) {
  snapshot::Snapshot snapshot;
  for (const auto& object : objects) snapshot.put(object);
  return snapshot;
}

options::Options node_a() {
  options::Options options;
  options.node = "node-a";
  options.cluster_cidrs = {*Cidr::parse("10.244.0.0/16"), *Cidr::parse("fd00:10:244::/56")};
  return options;
}

std::vector<snapshot::Object> node_objects() {
  std::vector<snapshot::Object> objects;
  for (const std::string letter : {"a", "b"}) {
    const std::string digit = letter == "a" ? "1" : "2";
    snapshot::Node node;
    node.name.name = "node-" + letter;
    node.zone = "zone-" + letter;
    node.addresses = {*Address::parse("192.168.0." + digit), *Address::parse("fd00:192::" + digit)};
    objects.emplace_back(node);
  }
  snapshot::ServiceCidr cidr;
  cidr.name.name = "kubernetes";
  cidr.cidrs = {*Cidr::parse("10.96.0.0/12"), *Cidr::parse("fd00:10:96::/108")};
  objects.emplace_back(cidr);
  return objects;
}

std::vector<snapshot::Object> random_service(std::mt19937& random, unsigned number) {
  std::vector<snapshot::Object> objects;
  Service service;
  service.name = {"ns" + std::to_string(number % 3), "svc" + std::to_string(number)};
  service.created = 1000 + draw(random, 5);
  service.type = static_cast<Service::Type>(draw(random, 3));
  service.other_proxy = one_in(random, 15);
  service.internal_local = one_in(random, 4);
  service.external_local = one_in(random, 2);
  if (one_in(random, 4)) service.affinity_seconds = 60 * (1 + draw(random, 3));
  for (Family family : kFamilies)
    if (!one_in(random, 3)) service.cluster_ips[index_of(family)] = cluster_ip(family, number);
  for (unsigned i = draw(random, 3); i > 0; --i)
    service.external_ips.push_back(outer_ip(kFamilies[draw(random, 2)], draw(random, 6)));
  for (unsigned i = draw(random, 3); i > 0; --i)
    service.load_balancer_ips.push_back(outer_ip(kFamilies[draw(random, 2)], 8 + draw(random, 6)));
  for (unsigned i = draw(random, 4); i > 0; --i)
    service.source_ranges.push_back(
        Cidr(outer_ip(kFamilies[draw(random, 2)], draw(random, 200)), 20 + draw(random, 12)));
  for (unsigned i = 1 + draw(random, 3); i > 0; --i) {
    Service::PortSpec port;
    port.name = "p" + std::to_string(i);
    port.protocol = i == 3 ? Protocol::sctp : i == 2 ? Protocol::udp : Protocol::tcp;
    port.port = Port{static_cast<std::uint16_t>(80 + draw(random, 2))};
    if (service.type != Service::Type::cluster_ip)
      port.node_port = Port{static_cast<std::uint16_t>(30000 + draw(random, 8))};
    service.ports.push_back(port);
  }
  for (unsigned i = draw(random, 3); i > 0; --i) {
    EndpointSlice slice;
    slice.name = {service.name.ns, service.name.name + "-" + std::to_string(i)};
    slice.service = service.name.name;
    slice.family = kFamilies[draw(random, 2)];
    for (const auto& port : service.ports)
      slice.ports.push_back(
          {port.name, port.protocol, Port{static_cast<std::uint16_t>(8080 + draw(random, 2))}});
    for (unsigned n = draw(random, 7); n > 0; --n)
      slice.endpoints.push_back(random_endpoint(random, *slice.family, slice.hints));
    objects.emplace_back(slice);
  }
  objects.emplace_back(service);
  return objects;
}

std::string text_of(const ruleset::Ruleset& ruleset) {
  std::string text;
  ruleset::render(ruleset, [&](std::string_view piece) { text += piece; });
  return text;
}

std::string text_of(const snapshot::Snapshot& snapshot, const options::Options& options) {
  ruleset::Tracker tracker(options);
  Errors warnings;
  const Status status = tracker.update(snapshot, {}, warnings);
  if (!status) throw std::runtime_error(status.error().message());
  return text_of(tracker.ruleset());
}

}  // namespace kproxy::tests
