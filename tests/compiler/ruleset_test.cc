// Properties of the whole compiler: constant structure, determinism, incremental equals full,
// ownership of frontends, names.
#include "compiler/ruleset/ruleset.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <sstream>

#include "compiler/ruleset/render.h"
#include "tests/compiler/cluster.h"

namespace kproxy::ruleset {
namespace {

using tests::node_a;
using tests::node_objects;
using tests::snapshot_of;
using tests::text_of;

std::vector<snapshot::Object> plain_service(unsigned number, unsigned endpoints) {
  snapshot::Service service;
  service.name = {"default", "svc" + std::to_string(number)};
  service.cluster_ips[0] = Address::ipv4(0x0a600000u + number);
  service.ports = {{"http", Protocol::tcp, Port{80}, Port{0}}};
  snapshot::EndpointSlice slice;
  slice.name = {"default", "svc" + std::to_string(number) + "-x"};
  slice.service = service.name.name;
  slice.family = Family::ipv4;
  slice.ports = {{"http", Protocol::tcp, Port{8080}}};
  for (unsigned i = 0; i < endpoints; ++i) {
    snapshot::Endpoint endpoint;
    endpoint.address = Address::ipv4(0x0a000000u + number * endpoints + i);
    slice.endpoints.push_back(endpoint);
  }
  return {service, slice};
}

struct Counts {
  std::size_t base_chains = 0, chains = 0, rules = 0, sets = 0, elements = 0;
};

Counts counts_with(unsigned services) {
  std::vector<snapshot::Object> objects = node_objects();
  for (unsigned i = 0; i < services; ++i)
    for (auto& object : plain_service(i, 5)) objects.push_back(std::move(object));
  Tracker tracker(node_a());
  snapshot::Snapshot snapshot = snapshot_of(objects);
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  const Structure structure = tracker.ruleset().structure();
  Counts counts;
  counts.sets = structure.sets.size();
  counts.chains = structure.chains.size();
  for (const Chain& chain : structure.chains) {
    counts.base_chains += chain.hook.has_value();
    counts.rules += chain.rules.size();
  }
  counts.elements = tracker.ruleset().elements().size();
  return counts;
}

// Changes one endpoint of a slice, or how many there are.
void alter(snapshot::EndpointSlice& slice, std::mt19937& random) {
  auto& endpoints = slice.endpoints;
  if (endpoints.empty()) return;
  auto& endpoint = endpoints[random() % endpoints.size()];
  auto bytes = endpoint.address.bytes();
  switch (random() % 6) {
    case 0:
      bytes.back() = static_cast<std::uint8_t>(random() % 60);
      endpoint.address = Address(bytes);
      break;
    case 1:
      endpoint.ready = !endpoint.ready;
      break;
    case 2:
      endpoint.node = endpoint.node == "node-a" ? "node-b" : "node-a";
      break;
    case 3:
      endpoints.pop_back();
      break;
    case 4:
      endpoints.push_back(endpoint);
      endpoints.back().address =
          *Address::parse(slice.family == Family::ipv4 ? "10.244.9.9" : "fd00:10:244::9:9");
      break;
    case 5:
      slice.ports.front().port.value ^= 1;
      break;
  }
}

// The change, applied to a set of elements as the kernel would: what goes must be there, what comes
// must not.
void apply_to_kernel(const Change& change, std::map<Element, int>& kernel) {
  for (const Element& element : change.erase) BOOST_REQUIRE(kernel.erase(element) == 1);
  for (const Element& element : change.insert) BOOST_REQUIRE(kernel.emplace(element, 0).second);
}

// Service svc7 with so many endpoints, all in one slice, to be altered.
std::pair<snapshot::Service, snapshot::EndpointSlice> service_and_slice(unsigned endpoints) {
  const auto objects = plain_service(7, endpoints);
  return {std::get<snapshot::Service>(objects[0]), std::get<snapshot::EndpointSlice>(objects[1])};
}

snapshot::Snapshot snapshot_with(const snapshot::Service& service,
                                 const snapshot::EndpointSlice& slice) {
  snapshot::Snapshot snapshot = snapshot_of(node_objects());
  snapshot.put(service);
  snapshot.put(slice);
  return snapshot;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(whole_ruleset)

// Base chains are all of type nat (the only type there is here) and neither they nor anything else
// of the structure grows with the cluster.
BOOST_AUTO_TEST_CASE(structure_does_not_grow) {
  const Counts few = counts_with(10), many = counts_with(30000);
  BOOST_TEST(few.base_chains == 6u);
  BOOST_TEST(many.base_chains == few.base_chains);
  BOOST_TEST(many.chains == few.chains);
  BOOST_TEST(many.rules == few.rules);
  BOOST_TEST(many.sets == few.sets);
  BOOST_TEST(many.elements > 2000 * few.elements);
  BOOST_TEST_MESSAGE("structure at 10 and at 30,000 Services: "
                     << many.base_chains << " base chains, " << many.chains << " chains, "
                     << many.rules << " rules, " << many.sets << " sets and maps; elements "
                     << few.elements << " and " << many.elements);
}

// Where packets meet the table, and what never happens to them there: of the filter hooks, none is
// ours, and nobody else's rules are skipped. NFT-02, NFT-03; NFT-05, NFT-08: nat chains see only
// what begins a connection; NFT-07, NP-11.
BOOST_AUTO_TEST_CASE(hooks) {
  Tracker tracker(node_a());
  snapshot::Snapshot snapshot = snapshot_of(plain_service(1, 2));
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  std::multiset<std::string> hooked;
  std::istringstream lines(text_of(tracker.ruleset()));
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" hook ") != line.npos)
      hooked.insert(line.substr(line.find("type")));
    else
      BOOST_TEST(line.find("accept") == line.npos, line);
  }
  const std::multiset<std::string> expected{
      "type nat hook prerouting priority -100; policy accept;",
      "type nat hook output priority -100; policy accept;",
      "type nat hook prerouting priority -90; policy accept;",
      "type nat hook output priority -90; policy accept;",
      "type nat hook input priority 100; policy accept;",
      "type nat hook postrouting priority 100; policy accept;"};
  BOOST_TEST(hooked == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(order_of_input_does_not_matter) {
  std::mt19937 random(7);
  for (unsigned round = 0; round < 20; ++round) {
    std::vector<snapshot::Object> objects = node_objects();
    for (unsigned i = 0; i < 12; ++i)
      for (auto& object : tests::random_service(random, i)) objects.push_back(std::move(object));
    const std::string text = text_of(snapshot_of(objects), node_a());
    BOOST_TEST(text_of(snapshot_of(objects), node_a()) == text);
    for (unsigned shuffle = 0; shuffle < 5; ++shuffle) {
      std::shuffle(objects.begin(), objects.end(), random);
      BOOST_TEST(text_of(snapshot_of(objects), node_a()) == text);
    }
  }
}

// Whatever the way, a ruleset that followed changes equals one compiled from where they led, and
// the changes it reported lead from the one state to the other.
BOOST_AUTO_TEST_CASE(incremental_equals_full) {
  for (unsigned seed = 0; seed < 30; ++seed) {
    std::mt19937 random(seed);
    Tracker tracker(node_a());
    snapshot::Snapshot snapshot = snapshot_of(node_objects());
    std::map<Element, int> kernel;
    std::map<snapshot::ObjectName, std::vector<snapshot::ObjectName>> slices;
    for (unsigned step = 0; step < 60; ++step) {
      for (unsigned n = static_cast<unsigned>(random() % 4); n > 0; --n) {
        const auto known = std::find_if(slices.begin(), slices.end(), [&](const auto& of_service) {
          return !of_service.second.empty() && random() % 4 == 0;
        });
        if (known == slices.end()) continue;
        snapshot::EndpointSlice slice = *snapshot.find_slice(known->second.front());
        alter(slice, random);
        snapshot.put(slice);
      }
      for (unsigned n = static_cast<unsigned>(random() % 4); n > 0; --n) {
        const auto objects = tests::random_service(random, static_cast<unsigned>(random() % 10));
        const snapshot::ObjectName name = snapshot::name_of(objects.back());
        for (const auto& slice : slices[name]) snapshot.erase("EndpointSlice", slice);
        slices[name].clear();
        if (random() % 4 == 0) {
          snapshot.erase("Service", name);
          continue;
        }
        for (const auto& object : objects) {
          if (std::holds_alternative<snapshot::EndpointSlice>(object))
            slices[name].push_back(snapshot::name_of(object));
          snapshot.put(object);
        }
      }
      if (random() % 10 == 0) {
        auto node = std::get<snapshot::Node>(node_objects()[0]);
        node.zone = random() % 2 == 0 ? "zone-a" : "zone-b";
        snapshot.put(node);
      }
      Errors warnings;
      BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
      apply_to_kernel(tracker.ruleset().take_change(), kernel);
      tracker.ruleset().collect();
      apply_to_kernel(tracker.ruleset().take_change(), kernel);
      BOOST_REQUIRE_EQUAL(text_of(tracker.ruleset()), text_of(snapshot, node_a()));
      std::vector<Element> elements = tracker.ruleset().elements();
      BOOST_REQUIRE_EQUAL(elements.size(), kernel.size());
      for (const Element& element : elements) BOOST_REQUIRE(kernel.count(element) == 1);
    }
  }
}

// SVC-19, SVC-08: an update that changes nothing we read changes nothing at all.
BOOST_AUTO_TEST_CASE(no_change_is_no_change) {
  std::mt19937 random(3);
  std::vector<snapshot::Object> objects = node_objects();
  for (unsigned i = 0; i < 10; ++i)
    for (auto& object : tests::random_service(random, i)) objects.push_back(std::move(object));
  snapshot::Snapshot snapshot = snapshot_of(objects);
  Tracker tracker(node_a());
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  BOOST_TEST(!tracker.ruleset().take_change().empty());
  for (const auto& object : objects) snapshot.put(object);
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  BOOST_TEST(tracker.ruleset().take_change().empty());
}

// A change of one endpoint is that endpoint's elements and no more, at any size of the cluster:
// BEYOND-11.
BOOST_AUTO_TEST_CASE(change_is_as_small_as_its_cause) {
  std::vector<snapshot::Object> objects = node_objects();
  for (unsigned i = 0; i < 1000; ++i)
    for (auto& object : plain_service(i, 5)) objects.push_back(std::move(object));
  snapshot::Snapshot snapshot = snapshot_of(objects);
  Tracker tracker(node_a());
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  tracker.ruleset().take_change();

  auto slice = std::get<snapshot::EndpointSlice>(plain_service(77, 5)[1]);
  slice.endpoints[4].address = Address::ipv4(0x0a0f0000u);
  snapshot.put(slice);
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  Change change = tracker.ruleset().take_change();
  BOOST_TEST(change.erase.size() == 1u);
  BOOST_TEST(change.insert.size() == 1u);

  slice.endpoints.pop_back();  // 5 to 4: its slot, the verdict, and a chain for 4
  snapshot.put(slice);
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  change = tracker.ruleset().take_change();
  BOOST_TEST(change.erase.size() == 2u);
  BOOST_TEST(change.insert.size() == 1u);
  BOOST_TEST(change.add_chains.size() == 1u);
}

// What a change of slices costs: endpoints that come and go without consequence are patched, and
// nothing is compiled. At the end of each row the ruleset is what a full compile gives.
BOOST_AUTO_TEST_CASE(endpoints_alone) {
  struct Case {
    const char* what;
    std::function<void(snapshot::Service&, snapshot::EndpointSlice&)> before, change;
    bool patched;
    std::size_t erased;  // and inserted
  };
  using Slice = snapshot::EndpointSlice;
  using Service = snapshot::Service;
  const auto none = [](Service&, Slice&) {};
  const auto here = [](Service&, Slice& slice) { slice.endpoints[1].node = "node-a"; };
  const auto replace = [](std::size_t i) {
    return [i](Service&, Slice& slice) {
      auto bytes = slice.endpoints[i].address.bytes();
      bytes[13] = 9;
      slice.endpoints[i].address = Address(bytes);
    };
  };
  const auto many = [](Service&, Slice& slice) {
    while (slice.endpoints.size() <= kMaxEndpoints) {
      slice.endpoints.push_back(slice.endpoints.back());
      const auto number = static_cast<std::uint32_t>(slice.endpoints.size());
      slice.endpoints.back().address = Address::ipv4(0x0a080000u + number);
    }
  };
  const Case kCases[] = {
      {"nothing", none, none, true, 0},
      {"another address", none, replace(4), true, 1},
      {"two other addresses", none,
       [&](auto& service, auto& slice) { replace(3)(service, slice), replace(4)(service, slice); },
       true, 2},
      {"another port: all of them", none,
       [](auto&, auto& slice) { slice.ports[0].port = Port{9090}; }, true, 5},
      {"two frontends",
       [](auto& service, auto&) { service.external_ips = {*Address::parse("192.0.2.1")}; },
       replace(4), true, 2},
      {"another order", none,
       [](auto&, auto& slice) { std::swap(slice.endpoints[0], slice.endpoints[4]); }, true, 0},
      {"another address, in another order", none,
       [&](auto& service, auto& slice) {
         std::swap(slice.endpoints[0], slice.endpoints[4]);
         replace(0)(service, slice);
       },
       true, 1},
      {"another one beside this node's", here, replace(4), true, 1},
      {"another order, with this node's", here,
       [](auto&, auto& slice) { std::swap(slice.endpoints[0], slice.endpoints[1]); }, true, 0},
      {"this node's own", here, replace(1), false, 0},
      {"one comes to this node", none, here, false, 0},
      {"one more", none,
       [](auto&, auto& slice) {
         slice.endpoints.push_back(slice.endpoints.back());
         slice.endpoints.back().address = *Address::parse("10.9.9.9");
       },
       false, 0},
      {"one that is not ready", none, [](auto&, auto& slice) { slice.endpoints[2].ready = false; },
       false, 0},
      {"this node's own, which was leaving, goes",
       [](auto&, auto& slice) {
         auto& leaving = slice.endpoints[4];
         leaving.ready = false;
         leaving.terminating = true;
         leaving.node = "node-a";
       },
       [](auto&, auto& slice) { slice.endpoints.pop_back(); }, false, 0},
      {"session affinity", [](auto& service, auto&) { service.affinity_seconds = 60; }, replace(4),
       false, 0},
      {"the last one that there is room for", many, replace(kMaxEndpoints - 1), true, 1},
      {"one that there is no room for", many, replace(kMaxEndpoints), true, 0},
  };
  for (const Case& c : kCases) {
    BOOST_TEST_CONTEXT(c.what) {
      auto [service, slice] = service_and_slice(5);
      c.before(service, slice);
      snapshot::Snapshot snapshot = snapshot_with(service, slice);
      Tracker tracker(node_a());
      Errors warnings;
      BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
      tracker.ruleset().take_change();

      c.change(service, slice);
      snapshot.put(slice);
      const auto* entry = snapshot.find(service.name);
      Ruleset& ruleset = tracker.ruleset();
      BOOST_TEST(ruleset.update_endpoints(service.name, *entry) == c.patched);
      const Change change = ruleset.take_change();
      BOOST_TEST(change.erase.size() == c.erased);
      BOOST_TEST(change.insert.size() == c.erased);
      BOOST_TEST((change.add_chains.empty() && change.remove_chains.empty()));
      BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
      ruleset.take_change();
      ruleset.collect();
      BOOST_TEST((text_of(ruleset) == text_of(snapshot, node_a())));
    }
  }
}

// SEL-11: endpoints that nobody is led to are told of, under each policy in use.
BOOST_AUTO_TEST_CASE(endpoints_that_are_left_out) {
  struct Case {
    unsigned endpoints;
    bool here;  // all of them are on this node
    bool internal_local;
    bool external_ip;
    std::string warnings;
  };
  const auto left_out = [](const std::string& policy) {
    return "Service port default/svc7/tcp/http: has 32770 IPv4 endpoints under traffic policy " +
           policy + "; 2 are left out (32768 at most are served)\n";
  };
  const Case kCases[] = {
      {kMaxEndpoints, true, true, true, ""},
      {kMaxEndpoints + 2, false, false, false, left_out("Cluster")},
      {kMaxEndpoints + 2, false, true, false, ""},
      {kMaxEndpoints + 2, false, true, true, left_out("Cluster")},
      {kMaxEndpoints + 2, true, true, true, left_out("Cluster") + left_out("Local")},
  };
  for (const Case& c : kCases) {
    auto [service, slice] = service_and_slice(c.endpoints);
    service.internal_local = c.internal_local;
    if (c.external_ip) service.external_ips = {*Address::parse("192.0.2.1")};
    if (c.here)
      for (snapshot::Endpoint& endpoint : slice.endpoints) endpoint.node = "node-a";
    snapshot::Snapshot snapshot = snapshot_with(service, slice);
    Tracker tracker(node_a());
    Errors warnings;
    BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
    std::string said;
    for (const Error& warning : warnings) said += warning.message() + '\n';
    BOOST_TEST(said == c.warnings);
  }
}

// Canonical order: as the structure has the sets, and by key within each.
BOOST_AUTO_TEST_CASE(elements_are_in_order) {
  std::mt19937 random(11);
  snapshot::Snapshot snapshot = snapshot_of(node_objects());
  for (unsigned i = 0; i < 40; ++i)
    for (auto& object : tests::random_service(random, i)) snapshot.put(std::move(object));
  Tracker tracker(node_a());
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  const std::vector<SetRef> sets = tracker.ruleset().structure().sets;
  const auto place = [&](const SetRef& set) {
    return std::find(sets.begin(), sets.end(), set) - sets.begin();
  };
  const std::vector<Element> elements = tracker.ruleset().elements();
  BOOST_REQUIRE(elements.size() > 300u);
  for (std::size_t i = 1; i < elements.size(); ++i) {
    const Element &a = elements[i - 1], &b = elements[i];
    BOOST_TEST((a.set == b.set ? key_less(a, b) : place(a.set) < place(b.set)));
  }
  const auto listing = tracker.ruleset().listing();
  BOOST_REQUIRE(listing.size() == elements.size());
  for (std::size_t i = 0; i < elements.size(); ++i) BOOST_TEST((listing[i].element == elements[i]));
}

// A Service at an address of its own and, with others, at 192.0.2.1.
std::vector<snapshot::Object> contender(const std::string& name, std::int64_t created,
                                        unsigned number) {
  auto objects = plain_service(number, 1);
  auto service = std::get<snapshot::Service>(objects[0]);
  service.name.name = name;
  service.created = created;
  service.external_ips = {*Address::parse("192.0.2.1")};
  auto slice = std::get<snapshot::EndpointSlice>(objects[1]);
  slice.service = name;
  return {service, slice};
}

// Who has 192.0.2.1.
std::string owner(const Tracker& tracker) {
  for (const auto& listed : tracker.ruleset().listing())
    if (listed.element.set.kind == SetKind::frontends &&
        listed.element.address == *Address::parse("192.0.2.1"))
      return listed.service->name;
  return "nobody";
}

// BEYOND-14: the older Service has a contested frontend; when it goes, the next one takes over.
BOOST_AUTO_TEST_CASE(older_service_wins) {
  snapshot::Snapshot snapshot = snapshot_of(node_objects());
  Tracker tracker(node_a());
  Errors warnings;
  const auto put = [&](const std::vector<snapshot::Object>& objects) {
    for (const auto& object : objects) snapshot.put(object);
    BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  };
  put(contender("young", 300, 1));
  BOOST_TEST(owner(tracker) == "young");
  BOOST_TEST(tracker.ruleset().conflicts().empty());
  put(contender("old", 100, 2));
  BOOST_TEST(owner(tracker) == "old");
  put(contender("undated", 0, 3));
  put(contender("also-old", 100, 4));
  BOOST_TEST(owner(tracker) == "also-old");
  BOOST_TEST(tracker.ruleset().conflicts().size() == 1u);
  for (const char* heir : {"also-old", "old", "young", "undated"}) {
    BOOST_TEST(owner(tracker) == heir);
    snapshot.erase("Service", {"default", heir});
    BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  }
  BOOST_TEST(owner(tracker) == "nobody");
}

// All at once, in a cluster that is compiled in pieces: the node is another one than before, the
// owner lets go of the frontend, and the heir is deleted.
BOOST_AUTO_TEST_CASE(an_heir_that_is_gone) {
  snapshot::Snapshot snapshot = snapshot_of(node_objects());
  for (unsigned i = 100; i < 1100; ++i)
    for (auto& object : plain_service(i, 1)) snapshot.put(std::move(object));
  for (const auto& object : contender("owner", 100, 1)) snapshot.put(object);
  for (const auto& object : contender("heir", 300, 2)) snapshot.put(object);
  Tracker tracker(node_a());
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  BOOST_TEST(owner(tracker) == "owner");

  auto letting_go = std::get<snapshot::Service>(contender("owner", 100, 1)[0]);
  letting_go.external_ips.clear();
  snapshot.put(letting_go);
  snapshot.erase("Service", {"default", "heir"});
  auto node = snapshot.nodes().at(node_a().node);
  node.zone = "another";
  snapshot.put(node);
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  BOOST_TEST(owner(tracker) == "nobody");
  BOOST_TEST(tracker.ruleset().conflicts().empty());

  for (const auto& object : contender("newcomer", 300, 3)) snapshot.put(object);
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  BOOST_TEST(owner(tracker) == "newcomer");
  BOOST_TEST(tracker.ruleset().conflicts().empty());
}

// The only Node was compiled for without being named; then there is another one, too.
BOOST_AUTO_TEST_CASE(the_node_stays_the_same) {
  snapshot::Snapshot snapshot;
  snapshot::Node node;
  node.name.name = "first";
  snapshot.put(node);
  Tracker tracker(options::Options{});
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  node.name.name = "another";
  snapshot.put(node);
  for (auto& object : plain_service(1, 1)) snapshot.put(std::move(object));
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  BOOST_TEST(tracker.ruleset().node().name == "first");
  BOOST_TEST(tracker.ruleset().service_count() == 1u);
}

// Every name leads back to what bears it, and no two bear the same.
BOOST_AUTO_TEST_CASE(names_are_unique_and_readable_back) {
  std::mt19937 random(11);
  std::vector<snapshot::Object> objects = node_objects();
  for (unsigned i = 0; i < 40; ++i)
    for (auto& object : tests::random_service(random, i)) objects.push_back(std::move(object));
  snapshot::Snapshot snapshot = snapshot_of(objects);
  Tracker tracker(node_a());
  Errors warnings;
  BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
  Ruleset& ruleset = tracker.ruleset();
  const Structure structure = ruleset.structure();
  std::set<std::string> sets, chains;
  for (const SetRef& set : structure.sets) {
    const std::string text = name(set, ruleset.owners());
    BOOST_TEST(sets.insert(text).second, text);
    const auto back = parse_set_name(text, ruleset.owners());
    BOOST_TEST((back && *back == set), text);
  }
  for (const Chain& chain : structure.chains) {
    const std::string text = name(chain.ref, ruleset.owners());
    BOOST_TEST(chains.insert(text).second, text);
    const auto back = parse_chain_name(text, ruleset.owners());
    BOOST_TEST((back && *back == chain.ref), text);
  }
  for (const char* foreign :
       {"", "services", "services5", "services4-random-0", "services4-random-x",
        "services4-random-03", "services4-foo", "clients4-", "clients4", "x"}) {
    BOOST_TEST(!parse_chain_name(foreign, ruleset.owners()), foreign);
    BOOST_TEST(!parse_set_name(foreign, ruleset.owners()), foreign);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::ruleset
