// What a Snapshot holds and reports as changed.
#include "compiler/snapshot/snapshot.h"

#include <boost/test/unit_test.hpp>
#include <map>
#include <set>

#include "compiler/snapshot/collector.h"
#include "tests/compiler/print_objects.h"

namespace kproxy::snapshot {
namespace {

Service service(const std::string& name, const std::string& address = "10.96.0.1") {
  Service service;
  service.name = {"shop", name};
  service.cluster_ips[0] = Address::parse(address);
  return service;
}

EndpointSlice slice(const std::string& name, const std::string& of,
                    const std::string& address = "10.0.0.1") {
  EndpointSlice slice;
  slice.name = {"shop", name};
  slice.service = of;
  slice.family = Family::ipv4;
  Endpoint endpoint;
  endpoint.address = *Address::parse(address);
  slice.endpoints.push_back(endpoint);
  return slice;
}

Node node(const std::string& name, const std::string& zone = "") {
  Node node;
  node.name = {"", name};
  node.zone = zone;
  return node;
}

ServiceCidr service_cidr(const std::string& name, const std::string& cidr) {
  ServiceCidr object;
  object.name = {"", name};
  object.cidrs.push_back(*Cidr::parse(cidr));
  return object;
}

// "shop/a shop/b/slices nodes cidrs": what changed since it was last asked.
std::string changes(Snapshot& snapshot) {
  const Changes changes = snapshot.take_changes();
  std::string text;
  const auto add = [&text](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
  std::set<ObjectName> services;
  changes.each_service([&](const ObjectName& name, const Snapshot::Entry* entry) {
    BOOST_TEST(services.insert(name).second);
    BOOST_TEST(entry == snapshot.find(name));
  });
  std::set<ObjectName> of_slices;
  for (const auto& [service, extent] : changes.services)
    if (extent == Snapshot::Extent::slices) of_slices.insert(service->first);
  for (const ObjectName& name : services)
    add(name.to_string() + (of_slices.contains(name) ? "/slices" : ""));
  if (changes.nodes) add("nodes");
  if (changes.service_cidrs) add("cidrs");
  BOOST_TEST(changes.empty() == text.empty());
  return text;
}

// "a(a-1 a-2) b?(b-1)": Services with their slices; '?' where the Service itself is unknown.
std::string contents(const Snapshot& snapshot) {
  std::string text;
  std::map<ObjectName, const Snapshot::Entry*> services;
  for (const auto& [name, entry] : snapshot.services()) services[name] = &entry;
  for (const auto& [name, entry] : services) {
    text += (text.empty() ? "" : " ") + name.name + (entry->service ? "(" : "?(");
    std::string slices;
    for (const EndpointSlice* slice : entry->slices) {
      BOOST_TEST(slice->service == name.name);
      slices += (slices.empty() ? "" : " ") + slice->name.name;
    }
    text += slices + ")";
  }
  return text;
}

BOOST_AUTO_TEST_SUITE(snapshots)

BOOST_AUTO_TEST_CASE(services_and_slices) {
  struct Step {
    const char* what;
    std::function<void(Snapshot&)> act;
    const char* contents;
    const char* changes;
  };
  const Step kSteps[] = {
      {"EP-14: a slice before its Service", [](auto& s) { s.put(slice("a-1", "a")); }, "a?(a-1)",
       "shop/a"},
      {"then the Service", [](auto& s) { s.put(service("a")); }, "a(a-1)", "shop/a"},
      {"SVC-19: the same again",
       [](auto& s) {
         s.put(service("a"));
         s.put(slice("a-1", "a"));
       },
       "a(a-1)", ""},
      {"the Service changes", [](auto& s) { s.put(service("a", "10.96.0.2")); }, "a(a-1)",
       "shop/a"},
      {"an endpoint changes", [](auto& s) { s.put(slice("a-1", "a", "10.0.0.2")); }, "a(a-1)",
       "shop/a/slices"},
      {"EP-04: another slice", [](auto& s) { s.put(slice("a-2", "a")); }, "a(a-1 a-2)",
       "shop/a/slices"},
      {"a slice of no Service", [](auto& s) { s.put(slice("x", "")); }, "a(a-1 a-2)", ""},
      {"another Service", [](auto& s) { s.put(service("b")); }, "a(a-1 a-2) b()", "shop/b"},
      {"a slice moves", [](auto& s) { s.put(slice("a-1", "b")); }, "a(a-2) b(a-1)",
       "shop/a/slices shop/b/slices"},
      {"and moves on to one that is unknown", [](auto& s) { s.put(slice("a-1", "c")); },
       "a(a-2) b() c?(a-1)", "shop/b/slices shop/c"},
      {"and loses its label", [](auto& s) { s.put(slice("a-1", "")); }, "a(a-2) b()", "shop/c"},
      {"and again", [](auto& s) { s.put(slice("a-1", "")); }, "a(a-2) b()", ""},
      {"EP-15, SVC-21: a Service goes, its slice stays",
       [](auto& s) {
         s.erase("Service", {"shop", "a"});
       },
       "a?(a-2) b()", "shop/a"},
      {"and again",
       [](auto& s) {
         s.erase("Service", {"shop", "a"});
       },
       "a?(a-2) b()", ""},
      {"and comes back", [](auto& s) { s.put(service("a")); }, "a(a-2) b()", "shop/a"},
      {"a slice goes",
       [](auto& s) {
         s.erase("EndpointSlice", {"shop", "a-2"});
       },
       "a() b()", "shop/a/slices"},
      {"what is not there goes",
       [](auto& s) {
         s.erase("EndpointSlice", {"shop", "a-2"});
         s.erase("Service", {"other", "a"});
         s.erase("Pod", {"shop", "a"});
       },
       "a() b()", ""},
      {"two changes are one",
       [](auto& s) {
         s.put(service("a", "10.96.0.3"));
         s.put(slice("a-3", "a"));
       },
       "a(a-3) b()", "shop/a"},
      {"in either order",
       [](auto& s) {
         s.put(slice("a-3", "a", "10.0.0.3"));
         s.put(service("a", "10.96.0.4"));
       },
       "a(a-3) b()", "shop/a"},
      {"a Service goes, and only its slice comes back",
       [](auto& s) {
         s.erase("EndpointSlice", {"shop", "a-3"});
         s.erase("Service", {"shop", "a"});
         s.put(slice("a-3", "a", "10.0.0.3"));
       },
       "a?(a-3) b()", "shop/a"},
      {"the Service comes back", [](auto& s) { s.put(service("a", "10.96.0.4")); }, "a(a-3) b()",
       "shop/a"},
      {"a Service goes and comes back the same",
       [](auto& s) {
         s.erase("Service", {"shop", "a"});
         s.put(service("a", "10.96.0.4"));
         s.put(slice("a-3", "a", "10.0.0.4"));
       },
       "a(a-3) b()", "shop/a"},
      {"all go",
       [](auto& s) {
         s.erase("Service", {"shop", "a"});
         s.erase("EndpointSlice", {"shop", "a-3"});
         s.erase("Service", {"shop", "b"});
       },
       "", "shop/a shop/b"},
  };
  Snapshot snapshot;
  for (const Step& step : kSteps) {
    BOOST_TEST_CONTEXT(step.what) {
      step.act(snapshot);
      BOOST_TEST(contents(snapshot) == step.contents);
      BOOST_TEST(changes(snapshot) == step.changes);
    }
  }
}

BOOST_AUTO_TEST_CASE(nodes_and_service_cidrs) {
  Snapshot snapshot;
  snapshot.put(node("n"));
  BOOST_TEST(changes(snapshot) == "nodes");
  snapshot.put(node("n"));
  BOOST_TEST(changes(snapshot) == "");
  snapshot.put(node("n", "zone"));
  BOOST_TEST(changes(snapshot) == "nodes");
  BOOST_TEST(snapshot.nodes().at("n").zone == "zone");
  snapshot.put(service_cidr("k", "10.96.0.0/16"));
  BOOST_TEST(changes(snapshot) == "cidrs");
  snapshot.put(service_cidr("k", "10.96.0.0/16"));
  BOOST_TEST(changes(snapshot) == "");
  snapshot.erase("ServiceCIDR", {"", "k"});
  snapshot.erase("Node", {"", "n"});
  BOOST_TEST(changes(snapshot) == "nodes cidrs");
  BOOST_TEST(snapshot.nodes().empty());
  BOOST_TEST(snapshot.service_cidrs().empty());
  snapshot.erase("Node", {"", "n"});
  BOOST_TEST(changes(snapshot) == "");
}

BOOST_AUTO_TEST_CASE(replacing_reports_the_difference) {
  Snapshot snapshot;
  const std::vector<Object> all{service("a"),
                                slice("a-1", "a"),
                                service("b"),
                                slice("b-1", "b"),
                                slice("c-1", "c"),
                                node("n"),
                                service_cidr("k", "10.96.0.0/16")};
  snapshot.replace(all);
  BOOST_TEST(changes(snapshot) == "shop/a shop/b shop/c nodes cidrs");
  snapshot.replace(all);
  BOOST_TEST(changes(snapshot) == "");
  BOOST_TEST(contents(snapshot) == "a(a-1) b(b-1) c?(c-1)");
  // Only b's slice differs; what is not taken yet stays reported.
  snapshot.replace({service("a"), slice("a-1", "a"), service("b"), slice("b-1", "b", "10.0.0.9"),
                    slice("c-1", "c"), node("n"), service_cidr("k", "10.96.0.0/16")});
  snapshot.replace({service("a"), slice("a-1", "a"), service("b"), slice("b-1", "b", "10.0.0.9"),
                    node("n"), service_cidr("k", "10.97.0.0/16")});
  BOOST_TEST(changes(snapshot) == "shop/b/slices shop/c cidrs");
  // An object given twice: the last counts. On its way there it touched Services.
  snapshot.replace({service("a", "10.96.0.9"), service("a"), slice("a-1", "b"), slice("a-1", "a"),
                    service("b"), slice("b-1", "b", "10.0.0.9"), node("n"),
                    service_cidr("k", "10.97.0.0/16")});
  BOOST_TEST(changes(snapshot) == "shop/a shop/b/slices");
  BOOST_TEST(contents(snapshot) == "a(a-1) b(b-1)");
  BOOST_TEST((snapshot.find({"shop", "a"})->service == service("a")));
  snapshot.replace({});
  BOOST_TEST(changes(snapshot) == "shop/a shop/b nodes cidrs");
  BOOST_TEST(contents(snapshot) == "");
  // Nothing of the old remains to be taken for known.
  snapshot.put(slice("a-1", "b"));
  BOOST_TEST(changes(snapshot) == "shop/b");
}

BOOST_AUTO_TEST_CASE(an_input_that_gives_an_object_twice) {
  struct Case {
    std::vector<Object> objects;
    std::string told;
  };
  const std::string kDiffers = " is given more than once, and differs; the last one counts\n";
  // clang-format off
  const Case kCases[] = {
      {{service("a"), service("b"), slice("a-1", "a"), slice("b-1", "b"), node("n"), node("m")}, ""},
      {{service("a"), service("a"), slice("a-1", "a"), slice("a-1", "a"), node("n"), node("n")}, ""},
      {{service("a"), service("b"), service("a", "10.96.0.9")}, "in: Service shop/a:" + kDiffers},
      {{slice("a-1", "a"), slice("a-1", "a", "10.0.0.9")}, "in: EndpointSlice shop/a-1:" + kDiffers},
      {{slice("a-1", "a"), slice("a-1", "b")}, "in: EndpointSlice shop/a-1:" + kDiffers},
      {{slice("a-1", "a"), slice("a-1", "")}, "in: EndpointSlice shop/a-1:" + kDiffers},
      {{node("n"), node("n", "zone")}, "in: Node n:" + kDiffers},
      {{service_cidr("k", "10.96.0.0/16"), service_cidr("k", "10.97.0.0/16")}, "in: ServiceCIDR k:" + kDiffers},
  };
  // clang-format on
  const auto told = [](const std::vector<Object>& objects, Snapshot& snapshot) {
    Diagnostics diagnostics;
    Collector collector("in", snapshot, diagnostics);
    for (const Object& object : objects) collector.put(object);
    collector.finish();
    std::string text;
    for (const Error& error : diagnostics.errors) text += error.message() + "\n";
    return text;
  };
  Snapshot again;  // holds what the input before said
  for (const Case& one : kCases) {
    Snapshot fresh;
    BOOST_TEST(told(one.objects, fresh) == one.told);
    again.begin_lists();
    BOOST_TEST(told(one.objects, again) == one.told);
    again.end_lists();
    BOOST_TEST(contents(again) == contents(fresh));
  }
}

// OPS-13: nothing is missing while a list comes in; what it did not name goes at its end.
BOOST_AUTO_TEST_CASE(lists_of_one_kind) {
  Snapshot snapshot;
  snapshot.replace({service("a"), slice("a-1", "a"), service("b"), slice("b-1", "b"), node("n"),
                    service_cidr("k", "10.96.0.0/16")});
  changes(snapshot);
  snapshot.begin_list("Service");
  snapshot.begin_list("EndpointSlice");
  snapshot.put(service("b"));
  snapshot.put(slice("b-1", "b"));
  BOOST_TEST(contents(snapshot) == "a(a-1) b(b-1)");
  BOOST_TEST(changes(snapshot) == "");
  snapshot.end_list("Service");
  BOOST_TEST(contents(snapshot) == "a?(a-1) b(b-1)");
  BOOST_TEST(changes(snapshot) == "shop/a");
  snapshot.put(slice("c-1", "c"));  // an event on the way
  snapshot.end_list("EndpointSlice");
  BOOST_TEST(contents(snapshot) == "b(b-1) c?(c-1)");
  BOOST_TEST(changes(snapshot) == "shop/a shop/c");
  snapshot.begin_list("Service");
  snapshot.erase("Service", {"shop", "b"});  // gone and back within one list
  snapshot.put(service("b"));
  snapshot.end_list("Service");
  BOOST_TEST(changes(snapshot) == "shop/b");
  snapshot.begin_list("Node");
  snapshot.end_list("Node");
  snapshot.begin_list("ServiceCIDR");
  snapshot.put(service_cidr("k", "10.96.0.0/16"));
  snapshot.end_list("ServiceCIDR");
  BOOST_TEST(changes(snapshot) == "nodes");
  BOOST_TEST(snapshot.service_cidrs().size() == 1);
}

BOOST_AUTO_TEST_CASE(finding) {
  Snapshot snapshot;
  BOOST_TEST(snapshot.find({"shop", "a"}) == nullptr);
  snapshot.put(slice("a-1", "a"));
  BOOST_REQUIRE(snapshot.find({"shop", "a"}) != nullptr);
  BOOST_TEST(!snapshot.find({"shop", "a"})->service);
  snapshot.put(service("a"));
  BOOST_TEST((snapshot.find({"shop", "a"})->service == service("a")));
  BOOST_TEST(snapshot.find({"other", "a"}) == nullptr);
}

BOOST_AUTO_TEST_CASE(hints_are_compared_by_value) {
  const auto hinted = [](std::vector<std::string_view> zones) {
    EndpointSlice object = slice("a-1", "a");
    object.hints = {{std::move(zones), {}}};
    object.endpoints[0].hints = 1;
    return object;
  };
  Snapshot snapshot;
  snapshot.put(hinted({"z"}));
  BOOST_TEST(changes(snapshot) == "shop/a");
  snapshot.put(hinted({"z"}));
  BOOST_TEST(changes(snapshot) == "");
  snapshot.put(hinted({"y"}));
  BOOST_TEST(changes(snapshot) == "shop/a");
  snapshot.put(slice("a-1", "a"));
  BOOST_TEST(changes(snapshot) == "shop/a");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::snapshot
