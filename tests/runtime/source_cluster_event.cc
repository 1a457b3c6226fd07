// Events as they are posted (OPS-07, HC-27).
#include <boost/test/unit_test.hpp>

#include "runtime/source/cluster_event.h"

namespace kproxy::source {
namespace {

using Clock = std::chrono::system_clock;

// 2026-11-21T00:48:19.049939 and 123 ns
const Clock::time_point kNow{std::chrono::nanoseconds(1795222099049939123)};

BOOST_AUTO_TEST_SUITE(source_cluster_event)

BOOST_AUTO_TEST_CASE(about_the_node) {
  ClusterEvent event;
  event.regarding.kind = "Node";
  event.regarding.name = "worker-1";
  event.reason = "Starting";
  event.action = "StartKubeProxy";
  BOOST_TEST(event_path(event) == "/apis/events.k8s.io/v1/namespaces/default/events");
  BOOST_TEST(event_body(event, "worker-1", kNow) ==
             R"({"kind":"Event","apiVersion":"events.k8s.io/v1",)"
             R"("metadata":{"name":"worker-1.18e9e8fcd2cd80b3","namespace":"default"},)"
             R"("eventTime":"2026-11-21T00:48:19.049939Z","reportingController":"kube-proxy",)"
             R"("reportingInstance":"kube-proxy-worker-1","action":"StartKubeProxy",)"
             R"("reason":"Starting",)"
             R"("regarding":{"kind":"Node","apiVersion":"v1","name":"worker-1"},)"
             R"("type":"Normal"})");
}

BOOST_AUTO_TEST_CASE(about_a_service) {
  ClusterEvent event;
  event.regarding = {"v1", "Service", "shop", "web", "1-2-3"};
  event.type = "Warning";
  event.reason = "FailedToStartServiceHealthcheck";
  event.action = "Listen";
  event.note = "node \"worker-1\": port 30000 is taken";
  BOOST_TEST(event_path(event) == "/apis/events.k8s.io/v1/namespaces/shop/events");
  const std::string body = event_body(event, "worker-1", Clock::time_point{});
  BOOST_TEST(body.find(R"("metadata":{"name":"web.0","namespace":"shop"})") != std::string::npos);
  BOOST_TEST(body.find(R"("eventTime":"1970-01-01T00:00:00.000000Z")") != std::string::npos);
  BOOST_TEST(body.find(R"("regarding":{"kind":"Service","apiVersion":"v1","namespace":"shop",)"
                       R"("name":"web","uid":"1-2-3"},)"
                       R"("note":"node \"worker-1\": port 30000 is taken","type":"Warning"})") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_note_is_cut_between_characters) {
  ClusterEvent event;
  event.note = std::string(1023, 'x') + "\xc3\xbc";
  BOOST_TEST(event_body(event, "n", kNow).find("x\",\"type\"") != std::string::npos);
  event.note = std::string(1022, 'x') + "\xc3\xbcy";
  BOOST_TEST(event_body(event, "n", kNow).find("x\xc3\xbc\",\"type\"") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::source
