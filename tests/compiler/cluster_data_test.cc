// The recorded cluster in tests/data: every kind of object as an API server prints it, and a stream
// of changes that must lead from its beginning to its end.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <sstream>

#include "compiler/snapshot/snapshot.h"
#include "tests/compiler/print_objects.h"

namespace kproxy::snapshot {
namespace {

std::string read(const std::string& name) {
  std::ifstream file(SOURCE_DIR "/tests/data/" + name, std::ios::binary);
  BOOST_REQUIRE_MESSAGE(file, "tests/data/" << name);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// All objects, a line each.
std::string print(const Snapshot& snapshot) {
  std::string text;
  std::map<ObjectName, const Snapshot::Entry*> services;
  for (const auto& [name, entry] : snapshot.services()) services[name] = &entry;
  for (const auto& [name, entry] : services) {
    if (entry->service) text += print(Object(*entry->service)) + "\n";
    for (const EndpointSlice* slice : entry->slices) text += print(Object(*slice)) + "\n";
  }
  for (const auto& [name, node] : snapshot.nodes()) text += print(Object(node)) + "\n";
  for (const auto& [name, cidr] : snapshot.service_cidrs()) text += print(Object(cidr)) + "\n";
  return text;
}

BOOST_AUTO_TEST_SUITE(cluster_data)

BOOST_AUTO_TEST_CASE(all_objects_are_decoded) {
  StringPool pool;
  const Decoded decoded = decode_text(read("realistic-cluster.json"), pool);
  BOOST_TEST(decoded.fatal == "");
  BOOST_TEST(decoded.errors.empty());
  BOOST_REQUIRE_EQUAL(decoded.warnings.size(), 2);
  BOOST_TEST(decoded.warnings[0].what == "bears no label kubernetes.io/service-name; ignored");
  BOOST_TEST(decoded.warnings[1].what == "is \"FQDN\", neither IPv4 nor IPv6; ignored");
  std::map<std::string, std::size_t> counts;
  std::map<std::string, std::string> printed;
  for (const Object& object : decoded.objects) {
    ++counts[std::string(kind_of(object))];
    const std::string line = print(object);
    printed[line.substr(0, line.find(' ', line.find(' ') + 1))] = line;
  }
  BOOST_TEST(counts["Service"] == 35);
  BOOST_TEST(counts["EndpointSlice"] == 46);
  BOOST_TEST(counts["Node"] == 4);
  BOOST_TEST(counts["ServiceCIDR"] == 1);

  // One of each sort, in full.
  const std::pair<const char*, const char*> kSamples[] = {
      {"Service ingress-nginx/ingress-nginx-controller",
       " created=1795221688 LoadBalancer external-local ip=10.96.3.172,fd00:10:96::5:9572 "
       "vip=192.0.2.10,2001:db8::10 health=32100 ports=http:tcp:80:31080,https:tcp:443:31443"},
      {"Node cp-1",
       " zone=zone-a addresses=10.0.0.10,fd00:10::10 pods=10.244.0.0/24,fd00:10:244::/64"},
      {"ServiceCIDR kubernetes", " cidrs=10.96.0.0/16,fd00:10:96::/108"},
  };
  for (const auto& [name, fields] : kSamples)
    BOOST_TEST(printed[name] == std::string(name) + fields);

  std::size_t external_name = 0, other_proxy = 0, headless = 0, affinity = 0, unserved = 0;
  std::size_t endpoints = 0, hinted = 0;
  for (const Object& object : decoded.objects) {
    if (const auto* service = std::get_if<Service>(&object)) {
      external_name += service->type == Service::Type::external_name;
      other_proxy += service->other_proxy;
      headless += !service->cluster_ips[0] && !service->cluster_ips[1];
      affinity += service->affinity_seconds.has_value();
    } else if (const auto* slice = std::get_if<EndpointSlice>(&object)) {
      unserved += !slice->family;
      if (slice->name.ns == "batch") endpoints += slice->endpoints.size();
      for (const Endpoint& endpoint : slice->endpoints) hinted += endpoint.hints != 0;
    }
  }
  BOOST_TEST(external_name == 1);
  BOOST_TEST(other_proxy == 1);
  BOOST_TEST(headless == 3);  // prometheus-operated, postgres-headless, and the ExternalName
  BOOST_TEST(affinity == 3);
  BOOST_TEST(unserved == 1);
  BOOST_TEST(endpoints == 250);
  BOOST_TEST(hinted > 0);
}

BOOST_AUTO_TEST_CASE(managed_fields_make_no_difference) {
  StringPool pool;
  const Decoded plain = decode_text(read("realistic-cluster.json"), pool);
  const Decoded managed = decode_text(read("realistic-cluster-managedfields.json"), pool);
  BOOST_TEST(managed.fatal == "");
  BOOST_TEST((plain.objects == managed.objects));
}

BOOST_AUTO_TEST_CASE(the_stream_of_changes_leads_to_the_end) {
  StringPool pool;
  Snapshot snapshot, end;
  snapshot.replace(decode_text(read("churn-begin.json"), pool).objects);
  end.replace(decode_text(read("churn-end.json"), pool).objects);
  BOOST_TEST(print(snapshot) != print(end));

  std::istringstream events(read("churn.jsonl"));
  std::size_t count = 0, without_effect = 0;
  for (std::string line; std::getline(events, line); ++count) {
    snapshot.take_changes();
    // {"type":"ADDED","object":{...}}
    const std::size_t object_at = line.find("\"object\":") + 9;
    const Decoded decoded =
        decode_text(std::string_view(line).substr(object_at, line.size() - object_at - 1), pool);
    BOOST_REQUIRE_EQUAL(decoded.fatal, "");
    BOOST_REQUIRE_EQUAL(decoded.objects.size(), 1);
    const Object& object = decoded.objects[0];
    if (line.starts_with(R"({"type":"DELETED")")) {
      snapshot.erase(kind_of(object), name_of(object));
      BOOST_TEST(!snapshot.take_changes().empty());
    } else {
      snapshot.put(object);
      without_effect += snapshot.take_changes().empty();
    }
  }
  BOOST_TEST(count == 285);
  BOOST_TEST(without_effect > 0);  // SVC-08, SVC-19
  BOOST_TEST(print(snapshot) == print(end));

  // A list of the end finds nothing to do.
  snapshot.take_changes();
  snapshot.replace(decode_text(read("churn-end.json"), pool).objects);
  BOOST_TEST(snapshot.take_changes().empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::snapshot
