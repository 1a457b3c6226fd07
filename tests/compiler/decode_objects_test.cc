// What each field of each kind means: contract section 1, one case a line.
#include <boost/test/unit_test.hpp>

#include "compiler/snapshot/decode_object.h"
#include "tests/compiler/print_objects.h"

namespace kproxy::snapshot {
namespace {

struct Case {
  const char* json;      // what the kind's wrapper takes
  const char* expected;  // what print() says of it, without the kind and name all cases have
};

// Decodes wrap(case) for each case and compares, with the prefix before what is expected.
template <std::size_t size, typename Wrap>
void check(const Case (&cases)[size], const std::string& prefix, const Wrap& wrap) {
  for (const Case& one : cases) {
    const std::string expected = one.expected;
    const bool is_message = expected.starts_with("error: ");
    BOOST_TEST_CONTEXT(one.json)
    BOOST_TEST(decode_and_print(wrap(one.json)) == (is_message ? "" : prefix) + expected + "\n");
  }
}

std::string with_spec(const std::string& spec) {
  return R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop"},"spec":{)" +
         spec + "}}";
}

// A Service but for its spec, that has an address.
std::string around_spec(const std::string& rest) {
  return R"({"apiVersion":"v1","kind":"Service","spec":{"clusterIP":"10.96.0.1"},)" + rest + "}";
}

std::string slice(const std::string& fields) {
  return R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"web-1",)"
         R"("namespace":"shop","labels":{"kubernetes.io/service-name":"web"}},)" +
         fields + "}";
}

std::string slice_of_endpoint(const std::string& endpoint) {
  return slice(R"("addressType":"IPv4","endpoints":[{"addresses":["10.0.0.9"]},)" + endpoint + "]");
}

std::string slice_of_port(const std::string& port) {
  return slice(R"("addressType":"IPv6","ports":[{"name":"a","port":1},)" + port + "]");
}

std::string node(const std::string& fields) {
  return R"({"apiVersion":"v1","kind":"Node",)" + fields + "}";
}

// One case a line.
// clang-format off
// SVC-02, SVC-03, SVC-04, SVC-05, SVC-07, SVC-08, SVC-12, SVC-14 to SVC-18
constexpr Case kSpecs[] = {
    // ClusterIPs
    {R"("clusterIP":"10.96.0.1")", " ip=10.96.0.1"},
    {R"("clusterIP":"fd00::1")", " ip=fd00::1"},
    {R"("clusterIP":"None","clusterIPs":["None"],"ipFamilies":["IPv4"])", ""},
    {R"("clusterIP":"","clusterIPs":["10.96.0.1"],"ipFamilies":["IPv4"])", ""},
    {R"("clusterIPs":["10.96.0.1"],"ipFamilies":["IPv4"])", ""},
    {R"("clusterIP":null)", ""},
    {R"("clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1","fd00::1"],"ipFamilies":["IPv4","IPv6"])",
     " ip=10.96.0.1,fd00::1"},
    {R"("clusterIP":"fd00::1","clusterIPs":["fd00::1","10.96.0.1"],"ipFamilies":["IPv6","IPv4"])",
     " ip=10.96.0.1,fd00::1"},
    {R"("clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1","fd00::1"],"ipFamilies":["IPv4"])",
     " ip=10.96.0.1"},
    {R"("clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1","fd00::1"],"ipFamilies":[])",
     " ip=10.96.0.1"},
    {R"("clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1"],"ipFamilies":["IPv4","IPv6"])",
     " ip=10.96.0.1"},
    {R"("clusterIP":"10.96.0.1","ipFamilies":["IPv4"])", ""},
    {R"("clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1"],"ipFamilies":["IPv5"])", ""},
    {R"("clusterIP":"010.096.0.041")", " ip=10.96.0.41"},
    // types and ports
    {R"("type":"ClusterIP")", ""},
    {R"("type":null)", ""},
    {R"("type":"ExternalName","externalName":"example.org")", " ExternalName"},
    {R"("type":"NodePort","ports":[{"port":80,"nodePort":30080}])",
     " NodePort ports=:tcp:80:30080"},
    {R"("type":"LoadBalancer","ports":[{"port":80,"nodePort":0}])", " LoadBalancer ports=:tcp:80"},
    {R"("ports":[{"port":80,"nodePort":30080}])", " ports=:tcp:80:30080"},
    {R"("type":"Mesh")",
     "\nwarning: input: $.spec.type: Service shop/web: is \"Mesh\", served like ClusterIP"},
    {R"("ports":null)", ""},
    {R"("ports":[{"name":"a","port":53,"protocol":"UDP"},{"name":"b","port":53,"protocol":"TCP"}])",
     " ports=a:udp:53,b:tcp:53"},
    {R"("ports":[{"name":"a","port":53,"protocol":"UDP"},{"name":"a","port":53}])",
     " ports=a:udp:53,a:tcp:53"},
    {R"("ports":[{"name":"a","port":38412,"protocol":"SCTP","targetPort":"b","appProtocol":"c"}])",
     " ports=a:sctp:38412"},
    // policies
    {R"("internalTrafficPolicy":"Local")", " internal-local"},
    {R"("internalTrafficPolicy":"Cluster")", ""},
    {R"("internalTrafficPolicy":"local")", ""},
    {R"("internalTrafficPolicy":null)", ""},
    {R"("externalTrafficPolicy":"Local")", " external-local"},
    {R"("externalTrafficPolicy":"Cluster")", ""},
    {R"("healthCheckNodePort":32100)", " health=32100"},
    {R"("healthCheckNodePort":0)", ""},
    {R"("clusterIP":"10.96.0.1","type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":32100)",
     " LoadBalancer external-local ip=10.96.0.1 health=32100"},
    {R"("clusterIP":"10.96.0.1","type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":0)",
     " LoadBalancer external-local ip=10.96.0.1\nwarning: input: $.spec: Service shop/web: has "
     "externalTrafficPolicy Local, but no healthCheckNodePort (load balancers learn by it which nodes "
     "have endpoints)"},
    {R"("clusterIP":"None","type":"LoadBalancer","externalTrafficPolicy":"Local")",
     " LoadBalancer external-local"},
    {R"("clusterIP":"10.96.0.1","type":"LoadBalancer","externalTrafficPolicy":"Cluster")",
     " LoadBalancer ip=10.96.0.1"},
    {R"("clusterIP":"10.96.0.1","type":"NodePort","externalTrafficPolicy":"Local")",
     " NodePort external-local ip=10.96.0.1"},
    // affinity (BEYOND-18)
    {R"("sessionAffinity":"None","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}})", ""},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}})",
     " affinity=60"},
    {R"("sessionAffinity":"ClientIP")", " affinity=10800"},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":null)", " affinity=10800"},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{}})", " affinity=10800"},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":null}})",
     " affinity=10800"},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":86400}})",
     " affinity=86400"},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":86401}})",
     " affinity=86400"},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":9223372036854775807}})",
     " affinity=86400"},
    // external IPs (SVC-09)
    {R"("externalIPs":["192.0.2.1","2001:db8::1"])", " external=192.0.2.1,2001:db8::1"},
    {R"("externalIPs":null)", ""},
    {R"("externalIPs":["1.2.3.004",""," \t"])", " external=1.2.3.4"},
    {R"("externalIPs":["nonsense","192.0.2.1"])",
     " external=192.0.2.1\nwarning: input: $.spec.externalIPs[0]: Service shop/web: is "
     "\"nonsense\", not an IP address; ignored"},
    {R"("externalIPs":["2001:db8::1\u0000zz"])",
     " external-unreadable\nwarning: input: $.spec.externalIPs[0]: Service shop/web: is "
     "\"2001:db8::1\\x00zz\", not an IP address; ignored"},
    {R"("externalIPs":[null,"192.0.2.1"])", " external=192.0.2.1"},
    {R"("externalIPs":[""])", " external-unreadable"},
    {R"("externalIPs":[null])", " external-unreadable"},
    {R"("externalIPs":[])", ""},
    // source ranges (SVC-13, BEYOND-19)
    {R"("loadBalancerSourceRanges":[" 10.0.0.0/8 ","\t2001:db8::/32\n"])",
     " ranges=10.0.0.0/8,2001:db8::/32"},
    {R"("loadBalancerSourceRanges":["10.1.2.3/8","10.0.0.0/008","0.0.0.0/0"])",
     " ranges=10.0.0.0/8,10.0.0.0/8,0.0.0.0/0"},
    {R"("loadBalancerSourceRanges":[])", ""},
    {R"("loadBalancerSourceRanges":null)", ""},
    {R"("loadBalancerSourceRanges":["10.0.0.0/33","10.0.0.0/8"])",
     " ranges=10.0.0.0/8\nwarning: input: $.spec.loadBalancerSourceRanges[0]: Service shop/web: is "
     "\"10.0.0.0/33\", not a prefix; ignored (write it like 10.0.0.0/8 or fd00::/64)"},
    {R"("loadBalancerSourceRanges":[null,"10.0.0.0/8"])",
     " ranges=10.0.0.0/8\nwarning: input: $.spec.loadBalancerSourceRanges[0]: Service shop/web: is "
     "null, not a prefix; ignored (write it like 10.0.0.0/8 or fd00::/64)"},
    {R"("loadBalancerSourceRanges":[null])",
     " ranges-unreadable\nwarning: input: $.spec.loadBalancerSourceRanges[0]: Service shop/web: is "
     "null, not a prefix; ignored (write it like 10.0.0.0/8 or fd00::/64)\nwarning: input: "
     "$.spec.loadBalancerSourceRanges: Service shop/web: has no readable prefix; nobody is let in"},
    {R"("loadBalancerSourceRanges":[""])",
     " ranges-unreadable\nwarning: input: $.spec.loadBalancerSourceRanges[0]: Service shop/web: is "
     "\"\", not a prefix; ignored (write it like 10.0.0.0/8 or fd00::/64)\nwarning: input: "
     "$.spec.loadBalancerSourceRanges: Service shop/web: has no readable prefix; nobody is let in"},
    // not read (SVC-08)
    {R"("publishNotReadyAddresses":7,"trafficDistribution":[],"selector":1,"loadBalancerIP":{},"loadBalancerClass":0,"allocateLoadBalancerNodePorts":"x")",
     ""},
    // malformed
    {R"("clusterIP":5)", "error: input: $.spec.clusterIP: Service shop/web: is 5, not a string"},
    {R"("clusterIP":"10.96.0")",
     "error: input: $.spec.clusterIP: Service shop/web: is \"10.96.0\", not an IP address"},
    {R"("clusterIP":"10.96.0.1","ipFamilies":["IPv4"],"clusterIPs":[null])",
     "error: input: $.spec.clusterIPs[0]: Service shop/web: is null, not a string"},
    {R"("clusterIP":"10.96.0.1","ipFamilies":["IPv6"],"clusterIPs":["10.96.0.1"])",
     "error: input: $.spec.clusterIPs[0]: Service shop/web: is \"10.96.0.1\", not of the family "
     "that ipFamilies says, IPv6"},
    {R"("clusterIP":"10.96.0.1","ipFamilies":"IPv4")",
     "error: input: $.spec.ipFamilies: Service shop/web: is \"IPv4\", not a list"},
    {R"("clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1"],"ipFamilies":[{}])",
     "error: input: $.spec.ipFamilies[0]: Service shop/web: is an object, not a string"},
    {R"("type":[])", "error: input: $.spec.type: Service shop/web: is a list, not a string"},
    {R"("ports":{})", "error: input: $.spec.ports: Service shop/web: is an object, not a list"},
    {R"("ports":[{"port":1},"http"])",
     "error: input: $.spec.ports[1]: Service shop/web: is \"http\", not an object"},
    {R"("ports":[null])",
     "error: input: $.spec.ports[0]: Service shop/web: is null, not an object"},
    {R"("ports":[[[[]]]])",
     "error: input: $.spec.ports[0]: Service shop/web: is a list, not an object"},
    {R"("ports":[{}])", "error: input: $.spec.ports[0].port: Service shop/web: is missing"},
    {R"("ports":[{"port":0}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is 0, not a port number"},
    {R"("ports":[{"port":-1}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is -1, not a port number"},
    {R"("ports":[{"port":65536}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is 65536, not a port number"},
    {R"("ports":[{"port":4295032832}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is 4295032832, not a port number"},
    {R"("ports":[{"port":18446744073709551696}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is 18446744073709551696, not an "
     "integer of 64 bits"},
    {R"("ports":[{"port":80.0}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is 80.0, not an integer of 64 bits"},
    {R"("ports":[{"port":8e1}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is 8e1, not an integer of 64 bits"},
    {R"("ports":[{"port":"80"}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is \"80\", not a number"},
    {R"("ports":[{"port":true}])",
     "error: input: $.spec.ports[0].port: Service shop/web: is true, not a number"},
    {R"("ports":[{"port":80,"nodePort":70000}])",
     "error: input: $.spec.ports[0].nodePort: Service shop/web: is 70000, not a port number"},
    {R"("ports":[{"port":80,"protocol":"ICMP"}])",
     "error: input: $.spec.ports[0].protocol: Service shop/web: is \"ICMP\", not TCP, UDP or SCTP"},
    {R"("ports":[{"port":80,"name":"a b"}])",
     "error: input: $.spec.ports[0].name: Service shop/web: is \"a b\", not a name: letters, "
     "digits, '-', '_' and '.' may be in it"},
    {R"("ports":[{"port":80,"name":"a\"; }\n"}])",
     "error: input: $.spec.ports[0].name: Service shop/web: is \"a\\\"; }\\x0a\", not a name: "
     "letters, digits, '-', '_' and '.' may be in it"},
    {R"("ports":[{"port":80,"name":"a\u0000b"}])",
     "error: input: $.spec.ports[0].name: Service shop/web: is \"a\\x00b\", not a name: letters, "
     "digits, '-', '_' and '.' may be in it"},
    {R"("ports":[{"port":80,"name":"1234567890123456789012345678901234567890123456789012345678901234"}])",
     "error: input: $.spec.ports[0].name: Service shop/web: is "
     "\"1234567890123456789012345678901234567890123456789012345678901234\", longer than 63 "
     "characters"},
    {R"("ports":[{"port":80,"name":"a"},{"port":81,"name":"a"}])",
     "error: input: $.spec.ports[1].name: Service shop/web: is \"a\", like another port's"},
    {R"("ports":[{"port":80},{"port":81}])",
     "error: input: $.spec.ports[1].name: Service shop/web: is \"\", like another port's"},
    {R"("externalIPs":[7])",
     "error: input: $.spec.externalIPs[0]: Service shop/web: is 7, not a string"},
    {R"("loadBalancerSourceRanges":[{}])",
     "error: input: $.spec.loadBalancerSourceRanges[0]: Service shop/web: is an object, not a "
     "string"},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":0}})",
     "error: input: $.spec.sessionAffinityConfig.clientIP.timeoutSeconds: Service shop/web: is 0, "
     "not a timeout: 1 to 86400 seconds"},
    {R"("sessionAffinity":"ClientIP","sessionAffinityConfig":[])",
     "error: input: $.spec.sessionAffinityConfig: Service shop/web: is a list, not an object"},
    {R"("healthCheckNodePort":-3)",
     "error: input: $.spec.healthCheckNodePort: Service shop/web: is -3, not a port number"},
};

// SVC-01, SVC-11, and names, which later stand in the ruleset.
constexpr Case kAroundSpecs[] = {
    {R"("metadata":{"name":"web","namespace":"shop"})", "Service shop/web ip=10.96.0.1"},
    {R"("metadata":{"name":"web","namespace":"shop","labels":{"service.kubernetes.io/service-proxy-name":""}})",
     "Service shop/web other-proxy ip=10.96.0.1"},
    {R"("metadata":{"name":"web","namespace":"shop","labels":{"service.kubernetes.io/headless":"","a":"b"}})",
     "Service shop/web ip=10.96.0.1"},
    {R"("metadata":{"name":"web","namespace":"shop","labels":null})",
     "Service shop/web ip=10.96.0.1"},
    {R"("metadata":{"name":"web","namespace":"shop","annotations":[1],"managedFields":"x","creationTimestamp":"2026-11-21T00:41:28Z"})",
     "Service shop/web created=1795221688 ip=10.96.0.1"},
    {R"("metadata":{"name":"web","namespace":"shop","creationTimestamp":null})",
     "Service shop/web ip=10.96.0.1"},
    {R"("metadata":{"name":"web","namespace":"shop","creationTimestamp":"yesterday"})",
     "Service shop/web ip=10.96.0.1\nwarning: input: $.metadata.creationTimestamp: Service "
     "shop/web: is \"yesterday\", not an RFC 3339 time; taken as the newest"},
    {R"("metadata":{"name":"a-b_c.D9","namespace":"shop"})", "Service shop/a-b_c.D9 ip=10.96.0.1"},
    {R"("status":null,"metadata":{"name":"web","namespace":"shop"})",
     "Service shop/web ip=10.96.0.1"},
    {R"("status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"},{"ip":"192.0.2.2","ipMode":"VIP"},{"ip":"192.0.2.3","ipMode":"Proxy"},{"ip":"192.0.2.4","ipMode":""},{"hostname":"a.example"},{"ip":"","ipMode":null},{"ip":"2001:DB8::01","ipMode":null,"ports":[{"port":1}]}]}},"metadata":{"name":"web","namespace":"shop"})",
     "Service shop/web ip=10.96.0.1 vip=192.0.2.1,192.0.2.2,2001:db8::1"},
    {R"("status":{"loadBalancer":{"ingress":[{"ip":"x"},{"ip":"192.0.2.1"}]}},"metadata":{"name":"web","namespace":"shop"})",
     "Service shop/web ip=10.96.0.1 vip=192.0.2.1\nwarning: input: "
     "$.status.loadBalancer.ingress[0].ip: Service shop/web: is \"x\", not an IP address; ignored"},
    {R"("status":{"loadBalancer":{"ingress":[null,{"ip":"192.0.2.1"}]}},"metadata":{"name":"web","namespace":"shop"})",
     "Service shop/web ip=10.96.0.1 vip=192.0.2.1"},
    {R"("status":{"loadBalancer":{"ingress":["192.0.2.1"]}},"metadata":{"name":"web","namespace":"shop"})",
     "error: input: $.status.loadBalancer.ingress[0]: Service shop/web: is \"192.0.2.1\", not an "
     "object"},
    {R"("status":[],"metadata":{"name":"web","namespace":"shop"})",
     "error: input: $.status: Service shop/web: is a list, not an object"},
    {R"("a":1)", "error: input: $.metadata: Service: is missing"},
    {R"("metadata":7)", "error: input: $.metadata: Service: is 7, not an object"},
    {R"("metadata":{"name":"web"})", "error: input: $.metadata.namespace: Service: is missing"},
    {R"("metadata":{"namespace":"shop"})", "error: input: $.metadata.name: Service: is missing"},
    {R"("metadata":{"namespace":"shop","name":null})",
     "error: input: $.metadata.name: Service: is missing"},
    {R"("metadata":{"namespace":"shop","name":""})",
     "error: input: $.metadata.name: Service: is empty"},
    {R"("metadata":{"namespace":"shop","name":7})",
     "error: input: $.metadata.name: Service: is 7, not a string"},
    {R"("metadata":{"namespace":"shop","name":"a/b"})",
     "error: input: $.metadata.name: Service: is \"a/b\", not a name: letters, digits, '-', '_' "
     "and '.' may be in it"},
    {R"("metadata":{"namespace":"\u001b[31m","name":"web"})",
     "error: input: $.metadata.namespace: Service: is \"\\x1b[31m\", not a name: letters, digits, "
     "'-', '_' and '.' may be in it"},
    {R"("metadata":{"namespace":"shop","name":"1234567890123456789012345678901234567890123456789012345678901234"})",
     "error: input: $.metadata.name: Service: is "
     "\"1234567890123456789012345678901234567890123456789012345678901234\", longer than 63 "
     "characters"},
    {R"("metadata":{"name":"web","namespace":"shop","labels":[]})",
     "error: input: $.metadata.labels: Service shop/web: is a list, not an object"},
};

// EP-03
constexpr Case kSlices[] = {
    {R"("addressType":"IPv4")", " IPv4"},
    {R"("addressType":"IPv4","endpoints":null,"ports":null)", " IPv4"},
    {R"("addressType":"FQDN","endpoints":[{"addresses":["a.example"]}],"ports":[{"name":"a","port":1}])",
     " unserved ports=a:tcp:1\nwarning: input: $.addressType: EndpointSlice shop/web-1: is \"FQDN\", "
     "neither IPv4 nor IPv6; ignored"},
    {R"("addressType":"IPv6","endpoints":[{"addresses":["fd00::1"]}],"ports":[{"name":"","port":1}])",
     " IPv6 ports=:tcp:1 endpoints=fd00::1"},
    {R"("endpoints":[])", "error: input: $.addressType: EndpointSlice shop/web-1: is missing"},
    {R"("addressType":4)",
     "error: input: $.addressType: EndpointSlice shop/web-1: is 4, not a string"},
    {R"("addressType":"IPv4","endpoints":{})",
     "error: input: $.endpoints: EndpointSlice shop/web-1: is an object, not a list"},
    {R"("addressType":"IPv4","ports":"")",
     "error: input: $.ports: EndpointSlice shop/web-1: is \"\", not a list"},
};

// EP-06, EP-08, EP-09 to EP-13, EP-16: the entry alone is lost
constexpr Case kEndpoints[] = {
    {R"({"addresses":["10.0.0.1"]})", ",10.0.0.1"},
    {R"({"addresses":["10.0.0.1","10.0.0.2",7]})", ",10.0.0.1"},
    {R"({"addresses":["010.0.0.001"],"nodeName":"n-1"})", ",10.0.0.1@n-1"},
    {R"({"addresses":["10.0.0.1"],"nodeName":null,"conditions":null,"hints":null})", ",10.0.0.1"},
    {R"({"addresses":["10.0.0.1"],"conditions":{}})", ",10.0.0.1"},
    {R"({"addresses":["10.0.0.1"],"conditions":{"ready":null,"serving":null,"terminating":null}})",
     ",10.0.0.1"},
    {R"({"addresses":["10.0.0.1"],"conditions":{"ready":true,"terminating":true}})",
     ",10.0.0.1!terminating"},
    {R"({"addresses":["10.0.0.1"],"conditions":{"ready":false,"serving":true,"terminating":true}})",
     ",10.0.0.1!ready!terminating"},
    {R"({"addresses":["10.0.0.1"],"conditions":{"ready":false,"serving":false}})",
     ",10.0.0.1!ready!serving"},
    {R"({"addresses":["10.0.0.1"],"hints":{}})", ",10.0.0.1"},
    {R"({"addresses":["10.0.0.1"],"hints":{"forZones":[],"forNodes":null}})", ",10.0.0.1"},
    {R"({"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":"a"},{"name":"b"}],"forNodes":[{"name":"n"}]}})",
     ",10.0.0.1+zone:a+zone:b+node:n"},
    {R"({"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":""}],"forNodes":[{"name":""},{"name":"n"}]}})",
     ",10.0.0.1+zone:+node:+node:n"},
    {R"({"addresses":["10.0.0.1"],"zone":7,"hostname":7,"targetRef":7,"deprecatedTopology":7})",
     ",10.0.0.1"},
    {R"({"addresses":["10.0.0.1"],"nodeName":"a"},{"addresses":["10.0.0.1"],"nodeName":"a"})",
     ",10.0.0.1@a,10.0.0.1@a"},
    {R"({"addresses":[]},{"addresses":["10.0.0.1"]})",
     ",10.0.0.1\nwarning: input: $.endpoints[1]: EndpointSlice shop/web-1: has no address; "
     "ignored"},
    {R"({})",
     "\nwarning: input: $.endpoints[1]: EndpointSlice shop/web-1: has no address; ignored"},
    {R"(5,{"addresses":["10.0.0.1"]})",
     ",10.0.0.1\nerror: input: $.endpoints[1]: EndpointSlice shop/web-1: is 5, not an object"},
    {R"({"addresses":"10.0.0.1"})",
     "\nerror: input: $.endpoints[1].addresses: EndpointSlice shop/web-1: is \"10.0.0.1\", not a "
     "list"},
    {R"({"addresses":[null]})",
     "\nerror: input: $.endpoints[1].addresses[0]: EndpointSlice shop/web-1: is null, not a "
     "string"},
    {R"({"addresses":["fd00::1"]})",
     "\nerror: input: $.endpoints[1].addresses[0]: EndpointSlice shop/web-1: is \"fd00::1\", not "
     "an IPv4 address"},
    {R"({"addresses":["10.0.0.1.1"]})",
     "\nerror: input: $.endpoints[1].addresses[0]: EndpointSlice shop/web-1: is \"10.0.0.1.1\", "
     "not an IPv4 address"},
    {R"({"addresses":["10.0.0.1"],"conditions":{"ready":"yes"}})",
     "\nerror: input: $.endpoints[1].conditions.ready: EndpointSlice shop/web-1: is \"yes\", not "
     "true or false"},
    {R"({"addresses":["10.0.0.1"],"conditions":[]})",
     "\nerror: input: $.endpoints[1].conditions: EndpointSlice shop/web-1: is a list, not an "
     "object"},
    {R"({"addresses":["10.0.0.1"],"nodeName":"a b"})",
     "\nerror: input: $.endpoints[1].nodeName: EndpointSlice shop/web-1: is \"a b\", not a name: "
     "letters, digits, '-', '_' and '.' may be in it"},
    {R"({"addresses":["10.0.0.1"],"hints":{"forZones":["a"]}})",
     "\nerror: input: $.endpoints[1].hints.forZones[0]: EndpointSlice shop/web-1: is \"a\", not an "
     "object"},
    {R"({"addresses":["10.0.0.1"],"hints":{"forNodes":[{"name":"n"},{}]}})",
     "\nerror: input: $.endpoints[1].hints.forNodes[1].name: EndpointSlice shop/web-1: is missing"},
};

// EP-05, EP-16, BEYOND-18
constexpr Case kSlicePorts[] = {
    {R"({"name":"b","port":2})", ",b:tcp:2"},
    {R"({"name":"","port":2,"protocol":"UDP"})", ",:udp:2"},
    {R"({"name":"b","port":2,"protocol":null,"appProtocol":7})", ",b:tcp:2"},
    {R"({"name":"a","port":2},{"name":"a","port":3})", ",a:tcp:2,a:tcp:3"},
    {R"({"port":2},{"name":"c","port":3})",
     ",c:tcp:3\nwarning: input: $.ports[1]: EndpointSlice shop/web-1: has no name; ignored (the "
     "name of an unnamed port is \"\")"},
    {R"({"name":null,"port":2})",
     "\nwarning: input: $.ports[1]: EndpointSlice shop/web-1: has no name; ignored (the name of an "
     "unnamed port is \"\")"},
    {R"({"name":"b"})",
     "\nwarning: input: $.ports[1]: EndpointSlice shop/web-1: has no port number; ignored"},
    {R"({"name":"b","port":0})",
     "\nwarning: input: $.ports[1]: EndpointSlice shop/web-1: has no port number; ignored"},
    {R"({"name":"b","port":65536},{"name":"c","port":65535})",
     ",c:tcp:65535\nerror: input: $.ports[1].port: EndpointSlice shop/web-1: is 65536, not a port "
     "number"},
    {R"({"name":"b","port":2,"protocol":"DCCP"})",
     "\nerror: input: $.ports[1].protocol: EndpointSlice shop/web-1: is \"DCCP\", not TCP, UDP or "
     "SCTP"},
    {R"({"name":"b;","port":2})",
     "\nerror: input: $.ports[1].name: EndpointSlice shop/web-1: is \"b;\", not a name: letters, "
     "digits, '-', '_' and '.' may be in it"},
    {R"([])", "\nerror: input: $.ports[1]: EndpointSlice shop/web-1: is a list, not an object"},
};

// NODE-01, NODE-02
constexpr Case kNodes[] = {
    {R"("metadata":{"name":"n"})", "Node n"},
    {R"("metadata":{"name":"n","namespace":"ignored","labels":{"topology.kubernetes.io/zone":"z","topology.kubernetes.io/region":"r"}})",
     "Node n zone=z"},
    {R"("metadata":{"name":"n","deletionTimestamp":"2026-01-01T00:00:00Z"})",
     "Node n being-deleted"},
    {R"("metadata":{"name":"n","deletionTimestamp":null})", "Node n"},
    {R"("metadata":{"name":"n"},"spec":{"podCIDR":"10.0.0.0/24","podCIDRs":["10.0.0.0/24","fd00::/064"]})",
     "Node n pods=10.0.0.0/24,fd00::/64"},
    {R"("metadata":{"name":"n"},"spec":{"taints":[{"key":"a"},{"key":"ToBeDeletedByClusterAutoscaler","effect":"NoSchedule"}]})",
     "Node n to-be-deleted"},
    {R"("metadata":{"name":"n"},"spec":{"taints":null})", "Node n"},
    {R"("metadata":{"name":"n"},"status":{"addresses":[{"type":"Hostname","address":"n"},{"type":"ExternalIP","address":"192.0.2.1"},{"type":"InternalIP","address":"fd00::1"},{"type":"InternalIP","address":"10.0.0.1"}],"conditions":7,"images":7})",
     "Node n addresses=fd00::1,10.0.0.1,192.0.2.1"},
    {R"("metadata":{"name":"n"},"status":{"addresses":[{"type":"InternalIP","address":"x"},{"type":"InternalIP","address":"10.0.0.1"}]})",
     "Node n addresses=10.0.0.1\nwarning: input: $.status.addresses[0]: Node n: has the address "
     "\"x\", not an IP address; ignored"},
    {R"("metadata":{"name":"n"},"spec":{"podCIDRs":["x"]})",
     "Node n\nwarning: input: $.spec.podCIDRs[0]: Node n: is \"x\", not a prefix; ignored (write "
     "it like 10.0.0.0/8 or fd00::/64)"},
    {R"("metadata":{"name":"n"},"status":{"addresses":[7]})",
     "error: input: $.status.addresses[0]: Node n: is 7, not an object"},
    {R"("metadata":{"name":"n"},"spec":{"taints":[7]})",
     "error: input: $.spec.taints[0]: Node n: is 7, not an object"},
    {R"("metadata":{"name":"n","labels":{"topology.kubernetes.io/zone":7}})",
     "error: input: $.metadata.labels[\"topology.kubernetes.io/zone\"]: Node n: is 7, not a "
     "string"},
    {R"("metadata":{})", "error: input: $.metadata.name: Node: is missing"},
};

// clang-format on
BOOST_AUTO_TEST_SUITE(decode_objects)

BOOST_AUTO_TEST_CASE(service_specs) {
  check(kSpecs, "Service shop/web", with_spec);
}
BOOST_AUTO_TEST_CASE(service_metadata_and_status) {
  check(kAroundSpecs, "", around_spec);
}
BOOST_AUTO_TEST_CASE(slices) {
  check(kSlices, "EndpointSlice shop/web-1 service=web", slice);
}
BOOST_AUTO_TEST_CASE(slice_endpoints) {
  check(kEndpoints, "EndpointSlice shop/web-1 service=web IPv4 endpoints=10.0.0.9",
        slice_of_endpoint);
}
BOOST_AUTO_TEST_CASE(slice_ports) {
  check(kSlicePorts, "EndpointSlice shop/web-1 service=web IPv6 ports=a:tcp:1", slice_of_port);
}
BOOST_AUTO_TEST_CASE(nodes) {
  check(kNodes, "", node);
}

BOOST_AUTO_TEST_CASE(slice_labels) {  // EP-01, EP-02
  const auto with_labels = [](const std::string& labels) {
    return R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4",)"
           R"("metadata":{"name":"web-1","namespace":"shop")" +
           labels + "}}";
  };
  // clang-format off
  constexpr Case kCases[] = {
      {R"(,"labels":{"kubernetes.io/service-name":"web"})", "EndpointSlice shop/web-1 service=web IPv4"},
      {R"(,"labels":{"kubernetes.io/service-name":"web","service.kubernetes.io/headless":"","service.kubernetes.io/service-proxy-name":"a"})", "EndpointSlice shop/web-1 service=web headless IPv4"},
      {"", "EndpointSlice shop/web-1 service= IPv4\nwarning: input: $: EndpointSlice shop/web-1: bears no label kubernetes.io/service-name; ignored"},
      {R"(,"labels":{"kubernetes.io/service-name":""})", "EndpointSlice shop/web-1 service= IPv4\nwarning: input: $: EndpointSlice shop/web-1: bears no label kubernetes.io/service-name; ignored"},
      {R"(,"labels":{"kubernetes.io/service-name":"a b"})", "error: input: $.metadata.labels[\"kubernetes.io/service-name\"]: EndpointSlice shop/web-1: is \"a b\", not a name: letters, digits, '-', '_' and '.' may be in it"},
      {R"(,"labels":{"kubernetes.io/service-name":7})", "error: input: $.metadata.labels[\"kubernetes.io/service-name\"]: EndpointSlice shop/web-1: is 7, not a string"},
  };
  // clang-format on
  check(kCases, "", with_labels);
}

BOOST_AUTO_TEST_CASE(service_cidrs) {  // NODE-03
  const auto with_cidrs = [](const std::string& cidrs) {
    return R"({"apiVersion":"networking.k8s.io/v1","kind":"ServiceCIDR","metadata":{"name":"k"},"spec":{"cidrs":)" +
           cidrs + R"(},"status":{"conditions":[{"type":"Ready","status":"False"}]}})";
  };
  // clang-format off
  constexpr Case kCases[] = {
      {R"(["10.96.0.0/16","fd00:10:96::/108"])", "ServiceCIDR k cidrs=10.96.0.0/16,fd00:10:96::/108"},
      {"null", "ServiceCIDR k"},
      {R"(["10.96.0.0","10.96.0.0/025"])", "ServiceCIDR k cidrs=10.96.0.0/25\nwarning: input: $.spec.cidrs[0]: ServiceCIDR k: is \"10.96.0.0\", not a prefix; ignored (write it like 10.0.0.0/8 or fd00::/64)"},
      {"{}", "error: input: $.spec.cidrs: ServiceCIDR k: is an object, not a list"},
  };
  // clang-format on
  check(kCases, "", with_cidrs);
}

BOOST_AUTO_TEST_CASE(equal_hints_of_a_slice_are_held_once) {
  StringPool pool;
  const auto decoded =
      decode_text(slice(R"("addressType":"IPv4","endpoints":[)"
                        R"({"addresses":["10.0.0.1"],"hints":{"forZones":[{"name":"a"}]}},)"
                        R"({"addresses":["10.0.0.2"],"hints":{"forNodes":[{"name":"a"}]}},)"
                        R"({"addresses":["10.0.0.3"],"hints":{"forZones":[{"name":"a"}]}}])"),
                  pool);
  BOOST_REQUIRE_EQUAL(decoded.objects.size(), 1);
  const auto& slice = std::get<EndpointSlice>(decoded.objects[0]);
  const auto& endpoints = slice.endpoints;
  BOOST_REQUIRE_EQUAL(endpoints.size(), 3);
  BOOST_TEST(slice.hints.size() == 2);
  BOOST_TEST(endpoints[0].hints == endpoints[2].hints);
  BOOST_TEST(endpoints[0].hints != endpoints[1].hints);
}

BOOST_AUTO_TEST_CASE(times) {
  const std::pair<const char*, std::optional<std::int64_t>> kTimes[] = {
      {"1970-01-01T00:00:00Z", 0},
      {"1969-12-31T23:59:59Z", -1},
      {"2000-02-29T12:34:56Z", 951827696},
      {"2000-03-01T00:00:00Z", 951868800},
      {"2026-11-21T00:41:28Z", 1795221688},
      {"2026-11-21t00:41:28.123456789z", 1795221688},
      {"2026-11-21T01:41:28+01:00", 1795221688},
      {"2026-11-20T19:11:28-05:30", 1795221688},
      {"2100-03-01T00:00:00Z", 4107542400},
      {"0000-01-01T00:00:00Z", -62167219200},
      {"9999-12-31T23:59:59Z", 253402300799},
      {"2026-11-21 00:41:28Z", std::nullopt},
      {"2026-11-21T00:41:28", std::nullopt},
      {"2026-11-21T00:41Z", std::nullopt},
      {"2026-13-21T00:41:28Z", std::nullopt},
      {"2026-00-21T00:41:28Z", std::nullopt},
      {"2026-11-32T00:41:28Z", std::nullopt},
      {"2026-11-21T24:41:28Z", std::nullopt},
      {"2026-11-21T00:41:28.Z", std::nullopt},
      {"2026-11-21T00:41:28Zulu", std::nullopt},
      {"2026-11-21T00:41:28+1", std::nullopt},
      {"-026-11-21T00:41:28Z", std::nullopt},
      {"", std::nullopt},
  };
  for (const auto& [text, expected] : kTimes) {
    BOOST_TEST_CONTEXT(text)
    BOOST_TEST((parse_time(text) == expected), parse_time(text).value_or(-7777));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::snapshot
