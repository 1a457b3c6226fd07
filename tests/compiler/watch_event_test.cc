// What the API server sends piece by piece: events of a watch, items of a list, lists without their
// items, refusals; and what is no such thing. What the fields of objects mean is in
// decode_objects_test.cc.
#include "compiler/snapshot/watch_event.h"

#include <boost/test/unit_test.hpp>

#include "tests/compiler/print_objects.h"

namespace kproxy::snapshot {
namespace {

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string print(const Diagnostics& diagnostics) {
  std::string text;
  for (const Error& error : diagnostics.errors) text += "\nerror: " + error.message();
  for (const Error& warning : diagnostics.warnings) text += "\nwarning: " + warning.message();
  return text;
}

std::string print(const WatchEvent& event) {
  constexpr const char* kTypes[] = {"unreadable", "added",    "modified",
                                    "deleted",    "bookmark", "error"};
  std::string text = kTypes[static_cast<int>(event.type)];
  if (!event.version.empty()) text += " @" + event.version;
  if (event.end_of_list) text += " end";
  if (!event.name.name.empty()) text += " " + event.name.to_string();
  if (event.object) text += " [" + print(*event.object) + "]";
  if (event.trigger) text += " at " + std::to_string(event.trigger->time_since_epoch().count());
  if (event.type != WatchEvent::Type::error) return text;
  const ServerStatus& status = event.status;
  text += " " + std::to_string(status.code) + " " + status.reason + " (" + status.message + ")";
  if (status.retry_after) text += " after " + std::to_string(status.retry_after->count());
  if (status.version_too_large) text += " too large";
  return text;
}

std::string event(std::string_view kind, std::string_view text) {
  StringPool pool;
  Diagnostics diagnostics;
  EventDecoder decoder("in", kind, pool);
  const WatchEvent event = decoder.event(text, diagnostics);
  return print(event) + print(diagnostics);
}

// One case a line.
// clang-format off
struct Case {
  const char* kind;
  const char* json;
  const char* expected;
};

constexpr Case kEvents[] = {
    // as the server writes them
    {"Node", R"({"type":"ADDED","object":{"kind":"Node","apiVersion":"v1","metadata":{"name":"n","resourceVersion":"7"}}})",
     "added @7 n [Node n]"},
    {"Node", R"({"type":"MODIFIED","object":{"kind":"Node","apiVersion":"v1","metadata":{"name":"n","resourceVersion":"8"}}})",
     "modified @8 n [Node n]"},
    {"Node", R"({"type":"DELETED","object":{"kind":"Node","apiVersion":"v1","metadata":{"name":"n","resourceVersion":"9"}}})",
     "deleted @9 n"},
    {"Service", R"({"type":"DELETED","object":{"kind":"Service","apiVersion":"v1","metadata":{"name":"w","namespace":"s","resourceVersion":"9"},"spec":{"ports":7}}})",
     "deleted @9 s/w"},
    {"Service", R"({"type":"BOOKMARK","object":{"kind":"Service","apiVersion":"v1","metadata":{"resourceVersion":"528"},"spec":{},"status":{"loadBalancer":{}}}})",
     "bookmark @528"},
    {"Service", R"({"type":"BOOKMARK","object":{"kind":"Service","apiVersion":"v1","metadata":{"resourceVersion":"566","annotations":{"k8s.io/initial-events-end":"true"}},"spec":{}}})",
     "bookmark @566 end"},
    {"EndpointSlice", R"({"type":"BOOKMARK","object":{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"false"}},"addressType":"","endpoints":null}})",
     "bookmark @5"},
    {"Service", R"~({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 10 (677)","reason":"Expired","code":410}})~",
     "error 410 Expired (too old resource version: 10 (677))"},
    {"ServiceCIDR", R"({"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"Timeout: Too large resource version: 1572, current: 575","reason":"Timeout","details":{"causes":[{"reason":"ResourceVersionTooLarge","message":"Too large resource version"}],"retryAfterSeconds":1},"code":504}})",
     "error 504 Timeout (Timeout: Too large resource version: 1572, current: 575) after 1 too large"},
    // any order, and what is not known
    {"Node", R"( {"object":{"metadata":{"resourceVersion":"7","name":"n"},"apiVersion":"v1","kind":"Node"},"extra":[{}],"type":"ADDED"} )",
     "added @7 n [Node n]"},
    {"Node", R"({"type":"ADDED","object":{"metadata":{"name":"n"}}})", "added n [Node n]"},
    // when a slice's change began (MET-06)
    {"EndpointSlice", R"({"type":"ADDED","object":{"addressType":"IPv4","metadata":{"name":"a","namespace":"b","labels":{"kubernetes.io/service-name":"c"},"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"2026-11-21T00:48:19.25Z"}}}})",
     "added b/a [EndpointSlice b/a service=c IPv4] at 1795222099250000000"},
    {"EndpointSlice", R"({"type":"ADDED","object":{"addressType":"IPv4","metadata":{"name":"a","namespace":"b","labels":{"kubernetes.io/service-name":"c"},"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"9999-11-21T00:48:19Z"}}}})",
     "added b/a [EndpointSlice b/a service=c IPv4]"},
    {"EndpointSlice", R"({"type":"ADDED","object":{"addressType":"IPv4","metadata":{"name":"a","namespace":"b","labels":{"kubernetes.io/service-name":"c"},"annotations":{"endpoints.kubernetes.io/last-change-trigger-time":"soon"}}}})",
     "added b/a [EndpointSlice b/a service=c IPv4]"},
    // objects that cannot be read are left out, by name if that could be read
    {"Service", R"({"type":"MODIFIED","object":{"metadata":{"name":"w","namespace":"s","resourceVersion":"8"},"spec":{"ports":7}}})",
     "modified @8 s/w\nerror: in: $.object.spec.ports: Service s/w: is 7, not a list"},
    {"Service", R"({"type":"MODIFIED","object":{"metadata":{"namespace":"s","resourceVersion":"8"}}})",
     "modified @8\nerror: in: $.object.metadata.name: Service: is missing"},
    {"Service", R"({"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"w","namespace":"s","resourceVersion":"8"}}})",
     "added @8\nerror: in: $.object.kind: is \"Pod\", not a Service as was asked for"},
    {"Service", R"({"type":"ADDED","object":{"kind":"Service","apiVersion":"serving.knative.dev/v1","metadata":{"name":"w","namespace":"s"}}})",
     "added\nerror: in: $.object.kind: is \"Service\", not a Service as was asked for"},
    {"Service", R"({"type":"ADDED","object":{"kind":"Table","apiVersion":"meta.k8s.io/v1","rows":[{}]}})",
     "added\nerror: in: $.object.kind: is \"Table\", not a Service as was asked for"},
    {"Node", R"({"type":"ADDED","object":{"metadata":{"name":"n","resourceVersion":7}}})", "added n [Node n]"},
    {"Node", R"({"type":"ADDED","object":{"metadata":{"name":"n\u0000"}}})",
     "added\nerror: in: $.object.metadata.name: Node: is \"n\\x00\", not a name: letters, digits, '-', '_' and '.' may be in it"},
    // what is no event
    {"Node", R"({"type":"RENAMED","object":{"metadata":{"name":"n"}}})", "unreadable\nerror: in: $.type: is \"RENAMED\", no type of event"},
    {"Node", R"({"type":7,"object":{}})", "unreadable\nerror: in: $.type: is 7, no type of event"},
    {"Node", R"({"object":{}})", "unreadable\nerror: in: $.type: is missing, no type of event"},
    {"Node", R"({"type":"ADDED"})", "unreadable\nerror: in: $.object: is missing, not an object"},
    {"Node", R"({"type":"ADDED","object":null})", "unreadable\nerror: in: $.object: is null, not an object"},
    {"Node", R"({"type":"ERROR","object":[]})", "unreadable\nerror: in: $.object: is a list, not an object"},
    {"Node", R"({"type":"ADDED","object":{"metadata":{"name":"n)",
     "unreadable\nerror: in: line 1, column 48: is not JSON: Missing a closing quotation mark in string. (the text ends here; was it written to its end?)"},
    {"Node", R"([])", "unreadable\nerror: in: line 1, column 1: is no Kubernetes object: no JSON object begins here"},
    {"Node", "\xff\xfe", "unreadable\nerror: in: line 1, column 1: is not JSON: Invalid value."},
    {"Node", " ", "unreadable\nerror: in: is empty"},
    // an error that says little is one of the server's
    {"Node", R"({"type":"ERROR","object":{}})", "error 500  ()"},
    {"Node", R"({"type":"ERROR","object":{"code":"410","reason":7,"message":null,"details":7}})", "error 500  ()"},
    {"Node", R"({"type":"ERROR","object":{"code":-1,"details":{"retryAfterSeconds":-1,"causes":[7,null]}}})", "error 500  ()"},
};
// clang-format on

BOOST_AUTO_TEST_SUITE(watch_events)

BOOST_AUTO_TEST_CASE(events) {
  for (const Case& test : kEvents)
    BOOST_TEST(event(test.kind, test.json) == test.expected,
               test.json << "\n gives " << event(test.kind, test.json));
}

BOOST_AUTO_TEST_CASE(hostile_texts_cost_themselves) {
  for (const char* open : {"[", "{\"a\":", "{\"metadata\":"}) {
    const std::string deep = R"({"type":"ADDED","object":{"metadata":)" + repeat(open, 1'000'000);
    BOOST_TEST(event("Node", deep).starts_with("unreadable\nerror: in: line 1"));
  }
  const std::string nested = R"({"type":"ADDED","object":{"metadata":{"name":"n"},"x":)" +
                             repeat("[", 300'000) + repeat("]", 300'000) + "}}";
  BOOST_TEST(event("Node", nested) == "added n [Node n]");
}

BOOST_AUTO_TEST_CASE(items_have_no_kind_of_their_own) {
  StringPool pool;
  Diagnostics diagnostics;
  EventDecoder decoder("in", "Node", pool);
  BOOST_TEST(print(decoder.item(R"({"metadata":{"name":"n","resourceVersion":"3"}})",
                                diagnostics)) == "added n [Node n]");
  BOOST_TEST(print(decoder.item(R"({"kind":"Node","metadata":{"name":"m"}})", diagnostics)) ==
             "added m [Node m]");
  BOOST_TEST(print(diagnostics) == "");
  BOOST_TEST(print(decoder.item("7", diagnostics)) == "added");
  BOOST_TEST(print(decoder.item(R"({"kind":"Pod"})", diagnostics)) == "added");
  BOOST_TEST(diagnostics.errors.size() == 2u);
}

BOOST_AUTO_TEST_CASE(lists_without_their_items) {
  StringPool pool;
  EventDecoder decoder("in", "Node", pool);
  const auto head = [&decoder](std::string_view text) {
    const auto head = decoder.list(text);
    return head ? head->version + "/" + head->continues : head.error().message();
  };
  BOOST_TEST(
      head(
          R"({"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"5"},"items":[]})") ==
      "5/");
  BOOST_TEST(
      head(
          R"({"items":[],"metadata":{"continue":"a=b","resourceVersion":"5"},"kind":"NodeList"})") ==
      "5/a=b");
  BOOST_TEST(head(R"({"kind":"NodeList"})") == "/");
  BOOST_TEST(head(R"({"kind":"Status"})") ==
             "in: $.kind: is \"Status\", not a NodeList (is this an API server?)");
  BOOST_TEST(head("") == "in: is empty");
  BOOST_TEST(head("<html>").starts_with("in: line 1, column 1: is not JSON"));
}

BOOST_AUTO_TEST_CASE(statuses_of_refusals) {
  const auto status = decode_status(
      R"({"kind":"Status","status":"Failure","message":"no","reason":"Forbidden","details":{"retryAfterSeconds":3},"code":403})");
  BOOST_REQUIRE(status.has_value());
  BOOST_TEST(status->code == 403);
  BOOST_TEST(status->message == "no");
  BOOST_TEST(status->retry_after->count() == 3);
  BOOST_TEST(!decode_status("404 page not found").has_value());
  BOOST_TEST(!decode_status("").has_value());
  BOOST_TEST(!decode_status(R"({"kind":"Node"})").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::snapshot
