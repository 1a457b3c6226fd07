// Listing and watching over a connection, into a snapshot. The rules of the conversation are tested
// in source_reflector.cc; TLS and a real server's ways in tests/apiserver.
#include <poll.h>

#include <boost/test/unit_test.hpp>
#include <functional>
#include <set>

#include "runtime/source/api_server.h"
#include "tests/runtime/http_peer.h"

namespace kproxy::source {
namespace {

using namespace std::chrono_literals;

constexpr const char* kServices = "/services?";
constexpr const char* kSlices = "/endpointslices?";
constexpr const char* kNodes = "/nodes?";
constexpr const char* kCidrs = "/servicecidrs?";

std::string event(const std::string& type, const std::string& object) {
  return R"({"type":")" + type + R"(","object":)" + object + "}\n";
}
std::string list_end(int version) {
  return event("BOOKMARK", R"({"metadata":{"resourceVersion":")" + std::to_string(version) +
                               R"(","annotations":{"k8s.io/initial-events-end":"true"}}})");
}
std::string service(const std::string& name, int version, int port = 80) {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"shop","resourceVersion":")" +
         std::to_string(version) + R"("},"spec":{"clusterIP":"10.96.0.1","ports":[{"port":)" +
         std::to_string(port) + "}]}}";
}
std::string slice(const std::string& service, int version, const std::string& address,
                  const std::string& trigger) {
  return R"({"addressType":"IPv4","metadata":{"name":")" + service +
         R"(-1","namespace":"shop","resourceVersion":")" + std::to_string(version) +
         R"(","labels":{"kubernetes.io/service-name":")" + service + R"("},"annotations":)" +
         R"({"endpoints.kubernetes.io/last-change-trigger-time":")" + trigger +
         R"("}},"endpoints":[{"addresses":[")" + address + R"("]}]})";
}
std::string node(const std::string& zone) {
  return R"({"metadata":{"name":"n1","labels":{"topology.kubernetes.io/zone":")" + zone + R"("}}})";
}

// A source and its server, driven together.
class Pair {
 public:
  explicit Pair(const std::string& token = "t") {
    config::ApiAccess access;
    access.server = peer.url();
    access.token = token;
    auto opened = ApiServer::open(access, "n1", pool);
    BOOST_REQUIRE(opened.ok());
    source = std::move(*opened);
  }

  void until(const char* what, const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (!condition()) {
      BOOST_REQUIRE_MESSAGE(std::chrono::steady_clock::now() < end, "never: " << what);
      peer.pump();
      pollfd ready{source ? source->fd() : -1, POLLIN, 0};
      if (poll(&ready, 1, 1) > 0) source->work(snapshot, diagnostics);
      if (!source) continue;
      Observations more = source->take_observations();
      seen.service_events += more.service_events;
      seen.slice_events += more.slice_events;
      for (std::size_t i = 0; i < 2; ++i) {
        seen.service_changes[i] += more.service_changes[i];
        seen.slice_changes[i] += more.slice_changes[i];
      }
      seen.watch_restarts += more.watch_restarts;
      seen.triggers.insert(seen.triggers.end(), more.triggers.begin(), more.triggers.end());
      seen.requests.insert(seen.requests.end(), more.requests.begin(), more.requests.end());
      seen.troubles.insert(seen.troubles.end(), more.troubles.begin(), more.troubles.end());
    }
  }
  // The next request of that kind.
  HttpPeer::Request request(const std::string& part) {
    until(part.c_str(), [&] { return peer.waiting(part) != nullptr; });
    return *peer.waiting(part);
  }
  // Begins to answer it.
  int stream(const std::string& part, const std::string& text) {
    const int connection = peer.begin(request(part));
    peer.send(connection, text);
    return connection;
  }
  // All four resources, with one object each except for ServiceCIDRs.
  void begin() {
    services = stream(kServices, event("ADDED", service("web", 3)) + list_end(5));
    slices = stream(kSlices, event("ADDED", slice("web", 4, "10.0.0.1", "")) + list_end(5));
    nodes = stream(kNodes, event("ADDED", node("a")) + list_end(5));
    cidrs = stream(kCidrs, list_end(5));
    until("complete", [&] {
      return source->complete() && source->service_cidrs_listed() && source->node_listed();
    });
  }
  std::string names() const {
    std::string text;
    std::set<std::string> sorted;
    for (const auto& [name, entry] : snapshot.services())
      sorted.insert(name.to_string() + (entry.service ? "" : "?") +
                    (entry.slices.empty() ? "" : "+" + std::to_string(entry.slices.size())));
    for (const std::string& name : sorted) text += (text.empty() ? "" : " ") + name;
    return text;
  }

  HttpPeer peer;
  snapshot::StringPool pool;
  snapshot::Snapshot snapshot;
  snapshot::Diagnostics diagnostics;
  std::unique_ptr<ApiServer> source;
  Observations seen;
  int services = -1, slices = -1, nodes = -1, cidrs = -1;
};

BOOST_AUTO_TEST_SUITE(source_api_server)

BOOST_AUTO_TEST_CASE(lists_and_watches) {
  Pair pair("secret");
  const HttpPeer::Request first = pair.request(kServices);
  BOOST_TEST(first.has("Authorization: Bearer secret"));
  BOOST_TEST(first.has("Accept: application/json"));
  BOOST_TEST(first.header.find("User-Agent: kproxy/") != std::string::npos);
  BOOST_TEST(pair.request(kNodes).line.find("fieldSelector=metadata.name%3Dn1&") !=
             std::string::npos);
  BOOST_TEST(pair.request(kSlices).line.find(
                 "labelSelector=%21service.kubernetes.io%2Fheadless&") != std::string::npos);
  pair.begin();
  BOOST_TEST(pair.names() == "shop/web+1");
  BOOST_TEST(pair.snapshot.nodes().at("n1").zone == "a");

  pair.snapshot.take_changes();
  pair.peer.send(pair.services, event("ADDED", service("cart", 6)));
  pair.until("cart", [&] { return pair.names() == "shop/cart shop/web+1"; });
  pair.peer.send(pair.services, event("MODIFIED", service("cart", 7, 81)));
  pair.until("port", [&] {
    return pair.snapshot.find({"shop", "cart"})->service->ports.at(0).port.value == 81;
  });
  pair.peer.send(pair.services, event("DELETED", service("cart", 8)));
  pair.until("deleted", [&] { return pair.names() == "shop/web+1"; });
  BOOST_TEST(pair.seen.service_events == 4u);
  BOOST_TEST(pair.seen.slice_events == 1u);
  BOOST_TEST(pair.seen.troubles.size() == 0u);
  BOOST_TEST(pair.diagnostics.errors.size() == 0u);
  BOOST_TEST(pair.seen.requests.size() == 4u);  // MET-20
  BOOST_TEST(pair.seen.requests.at(0).method == "GET");
  BOOST_TEST(pair.seen.requests.at(0).code == "200");
  BOOST_TEST(pair.seen.requests.at(0).host == "127.0.0.1:" + std::to_string(pair.peer.port()));
}

BOOST_AUTO_TEST_CASE(nothing_is_complete_before_all_lists_are) {  // OPS-05
  Pair pair;
  pair.stream(kServices, event("ADDED", service("web", 3)) + list_end(5));
  pair.stream(kSlices, event("ADDED", slice("web", 4, "10.0.0.1", "")));
  pair.peer.answer(pair.request(kCidrs), 404, "404 page not found\n");  // NODE-03
  pair.until("objects", [&] { return pair.names() == "shop/web+1"; });
  BOOST_TEST(!pair.source->complete());
  BOOST_TEST(!pair.source->node_listed());
  pair.stream(kNodes, list_end(5));  // there is no such Node
  pair.until("node", [&] { return pair.source->node_listed(); });
  BOOST_TEST(!pair.source->complete());
  pair.until("no CIDRs", [&] { return pair.source->service_cidrs_listed(); });
  BOOST_TEST(pair.snapshot.nodes().empty());
  BOOST_TEST(pair.seen.troubles.size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_torn_watch_is_resumed) {  // OPS-13
  Pair pair;
  pair.begin();
  // In the middle of an event.
  pair.peer.send(pair.services, event("ADDED", service("cart", 6)) + R"({"type":"DELE)");
  pair.until("cart", [&] { return pair.names() == "shop/cart shop/web+1"; });
  pair.peer.cut(pair.services);
  const auto again = pair.request(kServices);
  BOOST_TEST(again.line.find("&resourceVersion=6&") != std::string::npos);
  BOOST_TEST(pair.names() == "shop/cart shop/web+1");
  pair.peer.send(pair.peer.begin(again), event("DELETED", service("web", 7)));
  pair.until("deleted", [&] { return pair.names() == "shop/cart shop/web?+1"; });
  BOOST_TEST(pair.seen.watch_restarts == 1u);
}

BOOST_AUTO_TEST_CASE(a_list_in_place_of_what_is_known) {  // OPS-13
  Pair pair;
  pair.begin();
  pair.peer.send(pair.services, event("ADDED", service("cart", 6)));
  pair.until("cart", [&] { return pair.names() == "shop/cart shop/web+1"; });
  pair.peer.send(
      pair.services,
      event("ERROR", R"({"kind":"Status","code":410,"reason":"Expired","message":"too old"})"));
  const int stream = pair.stream(kServices, event("ADDED", service("new", 9)));
  pair.until("new", [&] { return pair.names() == "shop/cart shop/new shop/web+1"; });
  pair.peer.cut(stream);  // one that is broken off removes nothing
  const auto again = pair.request(kServices);
  BOOST_TEST(again.line.find("sendInitialEvents=true") != std::string::npos);
  BOOST_TEST(pair.names() == "shop/cart shop/new shop/web+1");
  pair.snapshot.take_changes();
  const int complete = pair.peer.begin(again);
  pair.peer.send(complete, event("ADDED", service("web", 3)));
  pair.peer.send(complete, list_end(12));
  pair.until("end of list", [&] { return pair.names() == "shop/web+1"; });
  std::set<std::string> changed;
  pair.snapshot.take_changes().each_service(
      [&](const auto& name, const auto*) { changed.insert(name.name); });
  BOOST_TEST((changed == std::set<std::string>{"cart", "new"}));
}

BOOST_AUTO_TEST_CASE(lists_in_pages) {
  Pair pair;
  pair.peer.answer(pair.request(kServices), 422, R"({"kind":"Status","code":422})");
  const auto first = pair.request("limit=500");
  BOOST_TEST(first.header.find("Accept-Encoding: gzip") != std::string::npos);
  pair.peer.answer(first, 200,
                   R"({"kind":"ServiceList","metadata":{"resourceVersion":"5","continue":"a=b"},)"
                   R"("items":[)" +
                       service("web", 3) + "," + service("cart", 4) + "]}");
  pair.peer.answer(pair.request("continue=a%3Db"), 200,
                   R"({"kind":"ServiceList","metadata":{"resourceVersion":"5"},"items":[)" +
                       service("last", 1) + "]}");
  pair.until("watch", [&] {
    const auto* watch = pair.peer.waiting(kServices);
    return watch != nullptr && watch->line.find("&resourceVersion=5&") != std::string::npos;
  });
  BOOST_TEST(pair.names() == "shop/cart shop/last shop/web");
  BOOST_TEST(pair.seen.troubles.size() == 0u);
}

BOOST_AUTO_TEST_CASE(objects_that_cannot_be_read_cost_themselves) {
  Pair pair;
  pair.begin();
  pair.peer.send(pair.services, "garbage\n" + event("ADDED", service("cart", 6)) +
                                    event("MODIFIED", R"({"metadata":{"name":"web",)"
                                                      R"("namespace":"shop"},"spec":7})"));
  pair.until("cart", [&] { return pair.names() == "shop/cart shop/web?+1"; });
  BOOST_TEST(pair.diagnostics.errors.size() == 2u);
  BOOST_TEST(pair.diagnostics.errors.at(0).where.starts_with("API server: /api/v1/services"));
}

BOOST_AUTO_TEST_CASE(triggers_of_changed_slices) {  // MET-06
  Pair pair;
  pair.begin();
  const std::string time = "2026-11-21T00:48:19.5Z";
  pair.peer.send(pair.slices, event("MODIFIED", slice("web", 6, "10.0.0.1", time)));  // no change
  pair.peer.send(pair.slices, event("MODIFIED", slice("web", 7, "10.0.0.2", time)));
  pair.peer.send(pair.slices, event("DELETED", slice("web", 8, "10.0.0.2", time)));
  pair.until("deleted", [&] { return pair.names() == "shop/web"; });
  BOOST_TEST(pair.seen.slice_events == 4u);  // MET-08
  BOOST_REQUIRE(pair.seen.triggers.size() == 1u);
  BOOST_TEST((pair.seen.triggers[0].family == Family::ipv4));
  BOOST_TEST((pair.seen.triggers[0].time.time_since_epoch() == 1795222099s + 500ms));
}

// Each row comes after the one before; what it changes is counted in the families that the object
// has or had: BEYOND-26.
BOOST_AUTO_TEST_CASE(changes_by_family) {
  // Of IPv4, of IPv6, of both, or of none.
  struct Ips {
    const char *first, *all, *families;
  };
  constexpr Ips kFour{"10.96.0.2", R"("10.96.0.2")", R"("IPv4")"},
      kSix{"fd00::2", R"("fd00::2")", R"("IPv6")"},
      kBoth{"10.96.0.2", R"("10.96.0.2","fd00::2")", R"("IPv4","IPv6")"}, kNone{"None", "", ""};
  const auto with_ips = [](const std::string& name, const Ips& ips, int port) {
    return R"({"metadata":{"name":")" + name + R"(","namespace":"shop"},"spec":{"clusterIP":")" +
           ips.first + R"(","clusterIPs":[)" + ips.all + R"(],"ipFamilies":[)" + ips.families +
           R"(],"ports":[{"port":)" + std::to_string(port) + "}]}}";
  };
  const auto with_address = [](const std::string& name, const std::string& service,
                               const char* type, const char* address) {
    return R"({"addressType":")" + std::string(type) + R"(","metadata":{"name":")" + name +
           R"(","namespace":"shop","labels":{"kubernetes.io/service-name":")" + service +
           R"("}},"endpoints":[{"addresses":[")" + address + R"("]}]})";
  };
  const struct {
    const char* what;
    bool slice;
    const char* type;
    std::string object;
    FamilyCounts services, slices;  // more than before
  } kTable[] = {
      {"of both", false, "ADDED", with_ips("a", kBoth, 80), {1, 1}, {}},
      {"said again", false, "MODIFIED", with_ips("a", kBoth, 80), {}, {}},
      {"another port", false, "MODIFIED", with_ips("a", kBoth, 81), {1, 1}, {}},
      {"no more of IPv6", false, "MODIFIED", with_ips("a", kFour, 81), {1, 1}, {}},
      {"of IPv4 alone", false, "MODIFIED", with_ips("a", kFour, 82), {1, 0}, {}},
      {"IPv6 again", false, "MODIFIED", with_ips("a", kBoth, 82), {1, 1}, {}},
      {"goes", false, "DELETED", with_ips("a", kBoth, 82), {1, 1}, {}},
      {"went already", false, "DELETED", with_ips("a", kBoth, 82), {}, {}},
      {"of IPv6 alone", false, "ADDED", with_ips("b", kSix, 80), {0, 1}, {}},
      {"without ClusterIPs", false, "ADDED", with_ips("c", kNone, 80), {}, {}},
      {"unreadable now",
       false,
       "MODIFIED",
       R"({"metadata":{"name":"b","namespace":"shop"},"spec":7})",
       {0, 1},
       {}},
      {"slice of IPv6", true, "ADDED", with_address("a-6", "a", "IPv6", "fd01::1"), {}, {0, 1}},
      {"said again", true, "MODIFIED", with_address("a-6", "a", "IPv6", "fd01::1"), {}, {}},
      {"moved", true, "MODIFIED", with_address("a-6", "a", "IPv6", "fd01::2"), {}, {0, 1}},
      {"to another Service",
       true,
       "MODIFIED",
       with_address("a-6", "b", "IPv6", "fd01::2"),
       {},
       {0, 1}},
      {"slice of IPv4", true, "ADDED", with_address("a-4", "a", "IPv4", "10.0.0.2"), {}, {1, 0}},
      {"not served", true, "ADDED", with_address("a-n", "a", "FQDN", "x.example"), {}, {}},
      {"goes", true, "DELETED", with_address("a-4", "a", "IPv4", "10.0.0.2"), {}, {1, 0}},
      {"went already", true, "DELETED", with_address("a-4", "a", "IPv4", "10.0.0.2"), {}, {}},
      {"of no Service now",
       true,
       "MODIFIED",
       with_address("a-6", "", "IPv6", "fd01::2"),
       {},
       {0, 1}},
  };
  Pair pair;
  pair.begin();
  auto services = pair.seen.service_changes, slices = pair.seen.slice_changes;
  int marks = 0;
  BOOST_TEST(services == (FamilyCounts{1, 0}), boost::test_tools::per_element());
  BOOST_TEST(slices == (FamilyCounts{1, 0}), boost::test_tools::per_element());
  for (const auto& one : kTable) {
    // What comes behind it can be waited for, and changes nothing.
    const int stream = one.slice ? pair.slices : pair.services;
    const std::string mark = "mark-" + std::to_string(marks++);
    pair.peer.send(stream, event(one.type, one.object));
    pair.peer.send(stream, event("ADDED", one.slice ? with_address(mark, mark, "FQDN", "x.example")
                                                    : with_ips(mark, kNone, 80)));
    pair.until(one.what, [&] { return pair.snapshot.find({"shop", mark}) != nullptr; });
    for (std::size_t i = 0; i < 2; ++i) {
      services[i] += one.services[i];
      slices[i] += one.slices[i];
    }
    BOOST_TEST_CONTEXT(one.what) {
      BOOST_TEST(pair.seen.service_changes == services, boost::test_tools::per_element());
      BOOST_TEST(pair.seen.slice_changes == slices, boost::test_tools::per_element());
    }
  }
}

// What vanished unseen has changed too, once a new list does not name it: BEYOND-26.
BOOST_AUTO_TEST_CASE(changes_by_family_in_a_new_list) {
  Pair pair;
  pair.begin();
  pair.peer.send(pair.services, event("ADDED", service("cart", 6)));
  pair.until("cart", [&] { return pair.names() == "shop/cart shop/web+1"; });
  const std::string expired = event("ERROR", R"({"kind":"Status","code":410,"reason":"Expired"})");
  for (const int stream : {pair.services, pair.slices}) pair.peer.send(stream, expired);
  pair.stream(kServices, event("ADDED", service("web", 3)) + list_end(12));
  pair.stream(kSlices, list_end(12));
  pair.until("end of lists", [&] { return pair.names() == "shop/web"; });
  const FamilyCounts services{3, 0}, slices{2, 0};
  BOOST_TEST(pair.seen.service_changes == services, boost::test_tools::per_element());
  BOOST_TEST(pair.seen.slice_changes == slices, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(refusals_are_told) {
  Pair pair;
  pair.peer.answer(pair.request(kServices), 401, R"({"kind":"Status","message":"Unauthorized"})");
  pair.peer.answer(pair.request(kSlices), 403, R"({"kind":"Status","message":"not you"})");
  pair.peer.answer(pair.request(kNodes), 429, "Too many requests\n", "Retry-After: 1\r\n");
  pair.peer.cut(pair.request(kCidrs).connection);
  pair.until("troubles", [&] { return pair.seen.troubles.size() == 4; });
  std::string all;
  for (const Error& trouble : pair.seen.troubles) all += trouble.message() + "\n";
  for (const char* part :
       {"API server: /api/v1/services: refuses with 401: Unauthorized (",
        "API server: /apis/discovery.k8s.io/v1/endpointslices: refuses with 403: not you (",
        "API server: /api/v1/nodes: refuses with 429: Too many requests (asked again in 1.",
        "API server: /apis/networking.k8s.io/v1/servicecidrs: Empty reply from server ("})
    BOOST_TEST(all.find(part) != std::string::npos, all);
  std::multiset<std::string> codes;
  for (const RequestSeen& request : pair.seen.requests) codes.insert(request.code);
  BOOST_TEST((codes == std::multiset<std::string>{"401", "403", "429", "<error>"}));
  pair.request(kServices);  // and it is asked again
}

BOOST_AUTO_TEST_CASE(posts_events) {  // OPS-07
  Pair pair;
  pair.begin();
  ClusterEvent event;
  event.regarding.kind = "Node";
  event.regarding.name = "n1";
  event.reason = "Starting";
  pair.source->post_event(event);
  const auto post = pair.request("POST /apis/events.k8s.io/v1/namespaces/default/events ");
  BOOST_TEST(post.has("Content-Type: application/json"));
  BOOST_TEST(post.body.find(R"("reportingInstance":"kube-proxy-n1")") != std::string::npos);
  pair.peer.answer(post, 201, "{}");
  pair.source->post_event(event);
  pair.peer.answer(pair.request("POST "), 409, "{}");
  pair.until("refused", [&] { return pair.seen.troubles.size() == 1; });
  BOOST_TEST(pair.seen.troubles[0].message() ==
             "API server: event about n1: Starting: refuses with 409 (it is not posted again)");
  BOOST_TEST(pair.seen.requests.back().method == "POST");
}

BOOST_AUTO_TEST_CASE(many_events_do_not_pile_up) {
  Pair pair;
  ClusterEvent event;
  event.regarding.name = "n1";
  for (int i = 0; i < 1000; ++i) pair.source->post_event(event);
  pair.until("posts", [&] { return pair.peer.connections() >= 36; });
  BOOST_TEST(pair.peer.connections() == 36u);  // and the four resources
}

BOOST_AUTO_TEST_CASE(ends_at_once) {
  Pair pair;
  pair.begin();
  BOOST_TEST(pair.peer.connections() == 4u);
  pair.source.reset();
  pair.until("closed", [&] { return pair.peer.connections() == 0; });
}

BOOST_AUTO_TEST_CASE(servers_that_cannot_be) {
  snapshot::StringPool pool;
  config::ApiAccess access;
  for (const char* server : {"https://", "https://a:b:c", "https://[::1"}) {
    access.server = server;
    BOOST_TEST(!ApiServer::open(access, "n1", pool).ok(), server);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::source
