// How many Service ports of a policy Local have endpoints, but none on this node: MET-11.
#include "runtime/service_facts.h"

#include <boost/test/unit_test.hpp>
#include <sstream>
#include <string>

namespace kproxy {
namespace {

using snapshot::Endpoint;
using snapshot::EndpointSlice;
using snapshot::Service;

// Endpoints, each "here" or "there", then perhaps "-waning" (it serves while it terminates) or
// "-down".
EndpointSlice slice(Family family, const std::string& endpoints) {
  EndpointSlice slice;
  slice.name = {"shop", family == Family::ipv4 ? "web-4" : "web-6"};
  slice.service = "web";
  slice.family = family;
  slice.ports = {{"http", Protocol::tcp, Port{8080}}, {"https", Protocol::tcp, Port{8443}}};
  std::istringstream words(endpoints);
  const std::string prefix = family == Family::ipv4 ? "10.244.0." : "fd00:10:244::";
  for (std::string word; words >> word;) {
    Endpoint endpoint;
    endpoint.address = *Address::parse(prefix + std::to_string(slice.endpoints.size() + 1));
    endpoint.node = word.starts_with("here") ? "node-a" : "node-b";
    endpoint.ready = word.find('-') == std::string::npos;
    endpoint.terminating = word.ends_with("-waning");
    endpoint.serving = endpoint.ready || endpoint.terminating;
    slice.endpoints.push_back(endpoint);
  }
  return slice;
}

// Of policy Local for "internal" traffic, "external" traffic, or both; with "two" ports, or one.
Service service(const std::string& policies) {
  const auto has = [&policies](const char* word) {
    return policies.find(word) != std::string::npos;
  };
  Service service;
  service.name = {"shop", "web"};
  service.type = has("cluster-ip") ? Service::Type::cluster_ip : Service::Type::node_port;
  service.internal_local = has("internal");
  service.external_local = has("external");
  service.cluster_ips = {Address::parse("10.96.0.1"), Address::parse("fd00:10:96::1")};
  service.ports = {{"http", Protocol::tcp, Port{80}, Port{30080}}};
  if (has("two")) service.ports.push_back({"https", Protocol::tcp, Port{443}, Port{30443}});
  return service;
}

struct Fixture {
  snapshot::Snapshot snapshot;
  service::NodeView view;
  ServiceFacts facts;

  Fixture() { view.name = "node-a"; }

  // Internal and external of IPv4, then of IPv6.
  std::string counts() {
    using Policy = ServiceFacts::TrafficPolicy;
    facts.update(snapshot, snapshot.take_changes(), view);
    std::string text;
    for (Family family : kFamilies)
      for (Policy policy : {Policy::internal, Policy::external})
        text += std::to_string(facts.without_local_endpoints(family, policy)) + ' ';
    text.pop_back();
    return text;
  }
};

const struct {
  const char* what;
  const char* policies;
  const char* ipv4;
  const char* ipv6;
  const char* counts;
} kTable[] = {
    {"policy Cluster", "", "there", "there", "0 0 0 0"},
    {"internal", "internal", "there", "there", "1 0 1 0"},
    {"external", "external", "there", "there", "0 1 0 1"},
    {"both", "internal external", "there", "there", "1 1 1 1"},
    {"a policy that does not count", "external cluster-ip", "there", "there", "0 0 0 0"},
    {"one here", "internal external", "there here", "there", "0 0 1 1"},
    {"none of a family", "internal external", "there", "", "1 1 0 0"},
    {"none at all", "internal external", "", "", "0 0 0 0"},
    {"none that serves", "internal external", "there-down", "here-down", "0 0 0 0"},
    {"here, but down", "internal", "there here-down", "there", "1 0 1 0"},
    {"here, and waning", "internal external", "there here-waning", "there", "0 0 1 1"},
    {"there, and waning", "internal external", "there-waning", "", "1 1 0 0"},
    {"two ports", "internal external two", "there", "here", "2 2 0 0"},
};

BOOST_FIXTURE_TEST_SUITE(service_facts, Fixture)

BOOST_AUTO_TEST_CASE(without_local_endpoints) {
  for (const auto& one : kTable) {
    Fixture fixture;
    fixture.snapshot.put(service(one.policies));
    fixture.snapshot.put(slice(Family::ipv4, one.ipv4));
    fixture.snapshot.put(slice(Family::ipv6, one.ipv6));
    BOOST_TEST(fixture.counts() == one.counts, one.what << ": " << fixture.counts());
  }
}

BOOST_AUTO_TEST_CASE(changes) {
  BOOST_TEST(counts() == "0 0 0 0");
  snapshot.put(service("internal external"));
  BOOST_TEST(counts() == "0 0 0 0");
  snapshot.put(slice(Family::ipv4, "there"));
  BOOST_TEST(counts() == "1 1 0 0");
  BOOST_TEST(counts() == "1 1 0 0", "nothing changed");
  snapshot.put(slice(Family::ipv4, "there here"));
  BOOST_TEST(counts() == "0 0 0 0");
  snapshot.put(service("internal"));
  snapshot.put(slice(Family::ipv6, "there"));
  BOOST_TEST(counts() == "0 0 1 0");
  view.name = "node-b";  // this node is another one
  BOOST_TEST(counts() == "0 0 0 0");
  view.name = "node-c";
  BOOST_TEST(counts() == "1 0 1 0");
  Service second = service("external two");
  second.name.name = "mail";
  snapshot.put(second);
  EndpointSlice of_second = slice(Family::ipv4, "there");
  of_second.name.name = "mail-4";
  of_second.service = "mail";
  snapshot.put(of_second);
  BOOST_TEST(counts() == "1 2 1 0", "all Services are counted");
  snapshot.erase("Service", {"shop", "web"});
  BOOST_TEST(counts() == "0 2 0 0");
  snapshot.erase("EndpointSlice", {"shop", "mail-4"});
  BOOST_TEST(counts() == "0 0 0 0");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy
