#include "tests/fuzz/sample.h"

#include <algorithm>

#include "compiler/snapshot/decode.h"
#include "tests/fuzz/input.h"

namespace kproxy::fuzz {
namespace {

constexpr std::string_view kCluster = R"({"kind": "List", "apiVersion": "v1", "items": [
{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "node-a"},
 "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"},
                          {"type": "InternalIP", "address": "2001:db8::1"}]}},
{"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "kubernetes"},
 "spec": {"cidrs": ["10.96.0.0/16", "fd00:10:96::/112"]}},
{"kind": "Service", "apiVersion": "v1", "metadata": {"namespace": "shop", "name": "web"},
 "spec": {"type": "LoadBalancer", "clusterIP": "10.96.0.20", "clusterIPs": ["10.96.0.20", "fd00:10:96::20"],
          "ipFamilies": ["IPv4", "IPv6"], "sessionAffinity": "ClientIP", "externalTrafficPolicy": "Local",
          "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 60}}, "healthCheckNodePort": 30999,
          "loadBalancerSourceRanges": ["203.0.113.0/24", "2001:db8:2::/64"],
          "ports": [{"name": "http", "port": 80, "protocol": "TCP", "nodePort": 30080},
                    {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053}]},
 "status": {"loadBalancer": {"ingress": [{"ip": "198.51.100.20"}, {"ip": "2001:db8:1::20"}]}}},
{"kind": "Service", "apiVersion": "v1", "metadata": {"namespace": "shop", "name": "empty"},
 "spec": {"clusterIP": "10.96.0.50", "clusterIPs": ["10.96.0.50"], "ports": [{"port": 80, "protocol": "SCTP"}]}},
{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv4",
 "metadata": {"namespace": "shop", "name": "web-4", "labels": {"kubernetes.io/service-name": "web"}},
 "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 5353, "protocol": "UDP"}],
 "endpoints": [{"addresses": ["10.244.1.21"], "nodeName": "node-a"}, {"addresses": ["10.244.2.22"], "nodeName": "node-b"}]},
{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "addressType": "IPv6",
 "metadata": {"namespace": "shop", "name": "web-6", "labels": {"kubernetes.io/service-name": "web"}},
 "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}, {"name": "dns", "port": 5353, "protocol": "UDP"}],
 "endpoints": [{"addresses": ["fd00:10:244:1::21"], "nodeName": "node-a"}]}]})";

}  // namespace

ruleset::Tracker sample() {
  snapshot::StringPool pool;
  snapshot::Snapshot cluster;
  snapshot::Diagnostics diagnostics;
  const Status decoded = snapshot::Decoder(pool).decode(
      "sample", in_pieces(kCluster, kCluster.size()),
      [&cluster](snapshot::Object object) { cluster.put(std::move(object)); }, diagnostics);
  expect(decoded.ok() && diagnostics.errors.empty(), "the sample can be read");
  options::Options options;
  options.node = "node-a";
  options.cluster_cidrs = {*Cidr::parse("10.244.0.0/16"), *Cidr::parse("fd00:10:244::/56")};
  ruleset::Tracker tracker(options);
  Errors warnings;
  expect(tracker.update(cluster, warnings).ok(), "the sample compiles");
  return tracker;
}

apply::Desired desired(const ruleset::Ruleset& ruleset) {
  apply::Desired result{ruleset.structure(), ruleset.elements()};
  std::sort(result.elements.begin(), result.elements.end(), ruleset::key_less);
  return result;
}

}  // namespace kproxy::fuzz
