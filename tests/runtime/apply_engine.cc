// The engine's life: first load, changes, restarts, tampering, refusals.
#include <linux/netfilter/nf_tables.h>

#include <boost/test/unit_test.hpp>
#include <functional>

#include "tests/runtime/apply_fixture.h"
#include "tests/runtime/refusing_transport.h"

namespace kproxy::tests {

using ruleset::Ruleset;
using service::FrontendKind;
using service::ServicePort;

BOOST_AUTO_TEST_SUITE(apply_engine)

BOOST_AUTO_TEST_CASE(changes_leave_what_is_wanted_in_one_transaction_each) {
  struct Case {
    const char* what;
    std::function<Ruleset::ServiceState()> change;
    bool chains_are_new = false;  // they come in a transaction before
  };
  const auto with = [](int endpoints, const std::function<void(ServicePort&)>& edit = nullptr) {
    return [=] {
      ServicePort port = service_port(Family::ipv4, 7, endpoints);
      if (edit) edit(port);
      return service_state("changing", {port});
    };
  };
  const auto affinity = [](std::uint32_t seconds) {
    return [=](ServicePort& port) { port.affinity_seconds = seconds; };
  };
  const Case cases[] = {
      {"appears", with(2)},
      {"gains endpoints", with(7), true},
      {"an endpoint moves",
       with(7,
            [](ServicePort& port) { port.endpoints.cluster[3].address = address("10.244.9.9"); })},
      {"loses all endpoints", with(0)},
      {"gets affinity", with(3, affinity(60)), true},
      {"another timeout", with(3, affinity(90))},
      {"affinity of both policies",
       with(3,
            [&](ServicePort& port) {
              port.affinity_seconds = 90;
              port.external_local = true;
              port.frontends.push_back({FrontendKind::node_port, Address(), Port{30999}});
            }),
       true},
      {"loses affinity", with(3)},
      {"source ranges", with(3,
                             [](ServicePort& port) {
                               port.frontends.push_back({FrontendKind::load_balancer,
                                                         address("198.51.100.7"), Port{80}});
                               port.source_ranges = {cidr("0.0.0.0/1")};
                             })},
      {"is gone", [] { return service_state("changing", {}); }},
  };
  Applying a;
  BOOST_TEST(a.apply().transactions == 1u);
  for (const Case& c : cases) {
    BOOST_TEST_CONTEXT(c.what) {
      a.ruleset.update({c.change()}, no_other);
      const apply::Applied applied = a.apply();
      BOOST_TEST(applied.transactions == (c.chains_are_new ? 2u : 1u));
      BOOST_TEST(applied.troubles.empty());
      BOOST_TEST(applied.rejected.empty());
      a.check_equal();
    }
  }
  BOOST_TEST(a.ruleset.collect());
  BOOST_TEST(a.apply().transactions == 1u);
  a.check_equal();
  BOOST_TEST(a.apply().transactions == 0u);  // nothing to do, nothing sent
}

BOOST_AUTO_TEST_CASE(a_change_of_the_node_replaces_rules_in_place) {
  Applying a;
  a.apply();
  service::NodeView node = node_view();
  node.masquerade_all = true;
  node.families[0].service_cidrs = {cidr("10.96.0.0/12")};
  a.ruleset.set_node(node);
  a.ruleset.update(services(), no_other);
  const apply::Applied applied = a.apply();
  BOOST_TEST(applied.transactions == 1u);
  BOOST_TEST(applied.troubles.empty());
  a.check_equal();
}

BOOST_AUTO_TEST_CASE(a_restart_with_nothing_changed_sends_nothing) {
  Applying a;
  BOOST_TEST(a.reconcile().transactions == 1u);
  apply::Engine restarted(*a.socket, a.ruleset.owners());
  const apply::Applied applied = require(restarted.reconcile(a.wanted()));
  BOOST_TEST(applied.transactions == 0u);
  BOOST_TEST(applied.bytes == 0u);
  BOOST_TEST(applied.differences == 0u);
  // And it knows what prefix sets have: they are written whole.
  service::NodeView node = node_view();
  node.families[0].service_cidrs.push_back(cidr("10.98.0.0/16"));
  a.ruleset.set_node(node);
  a.ruleset.update(services(), no_other);
  BOOST_TEST(require(restarted.apply(a.ruleset.take_change(), a.wanted())).transactions == 1u);
  a.check_equal();
}

BOOST_AUTO_TEST_CASE(a_large_first_load_is_split_and_hooked_last) {
  Applying a;
  std::vector<Ruleset::ServiceState> many;
  for (int i = 0; i < 200; ++i) {
    many.push_back(service_state("many" + std::to_string(i), {service_port(Family::ipv4, 9, 60)}));
    many.back().ports[0].port = many.back().ports[0].frontends[0].port =
        Port{static_cast<std::uint16_t>(1000 + i)};
  }
  a.ruleset.update(many, no_other);
  a.engine->set_split_bytes(64 * 1024);
  BOOST_TEST(a.apply().transactions > 1u);
  a.check_equal();
  // A change of a table that is hooked is one transaction, however large.
  for (auto& state : many) state.ports.clear();
  a.ruleset.update(many, no_other);
  BOOST_TEST(a.apply().transactions == 1u);
  a.check_equal();
}

BOOST_AUTO_TEST_CASE(another_versions_table_is_replaced_in_one_transaction) {
  const char* const others[] = {
      "table inet kproxy {\n set services4 { type ipv4_addr; elements = { 10.0.0.1 }; }\n }",
      "table inet kproxy {\n chain prerouting { type filter hook prerouting priority 0; }\n }",
      "table inet kproxy {\n chain b { drop\n }\n chain a { jump b\n }\n }",
      "table inet kproxy {\n chain services4 { type nat hook output priority 5; }\n }",
  };
  for (const char* other : others) {
    BOOST_TEST_CONTEXT(other) {
      Applying a;
      nft(other);
      const apply::Applied applied = a.reconcile();
      BOOST_TEST(applied.transactions == 1u);
      BOOST_TEST(applied.differences > 0u);
      a.check_equal();
    }
  }
}

BOOST_AUTO_TEST_CASE(another_proxys_tables_go_in_the_same_transaction) {
  Applying a;
  nft("table ip kube-proxy {\n chain services {\n }\n }\n table ip6 kube-proxy {\n }\n");
  const std::vector<apply::TableName> others = {{2, "kube-proxy"}, {10, "kube-proxy"}};
  BOOST_TEST(require(a.engine->reconcile(a.wanted(), others)).transactions == 1u);
  const std::string tables = nft("list tables");
  BOOST_TEST(tables == "table inet kproxy\n");
  a.check_equal();
}

BOOST_AUTO_TEST_CASE(tampering_is_seen_and_repaired) {
  struct Case {
    const char* command;
    std::string line;  // that tells of it
  };
  const Case cases[] = {
      {"delete table inet kproxy", "the table kproxy is not there"},
      {"flush ruleset", "the table kproxy is not there"},
      {"add table inet kproxy { flags dormant; }", "the table kproxy is dormant"},
      {"flush map inet kproxy services4",
       "set services4: lacks 10.96.0.1 . tcp . 80 : goto services4-random-3"},
      {"delete element inet kproxy services4 { 10.96.0.1 . tcp . 80 }",
       "set services4: lacks 10.96.0.1 . tcp . 80 : goto services4-random-3"},
      {"add element inet kproxy services4 { 10.96.0.77 . tcp . 80 : drop }",
       "set services4: has 10.96.0.77 . tcp . 80 : drop"},
      {"add element inet kproxy cluster-ips4 { 10.96.0.99 }", "set cluster-ips4: has 10.96.0.99"},
      {"add element inet kproxy services4 { 10.96.0.77 . icmp . 80 : drop }",
       "set services4: has an element that kproxy does not write (key 0a60004d0100000000500000)"},
      {"add element inet kproxy service-cidrs4 { 172.16.0.0/12 }",
       "set service-cidrs4: has 172.16.0.0/12"},
      {"add element inet kproxy service-cidrs4 { 172.16.0.1-172.16.0.9 }",
       "set service-cidrs4: has 172.16.0.1-172.16.0.9"},
      {"delete element inet kproxy service-cidrs4 { 10.97.0.0/16 }",
       "set service-cidrs4: lacks 10.97.0.0/16"},
      {"add rule inet kproxy services4 counter drop", "chain services4: has other rules"},
      {"insert rule inet kproxy prerouting accept", "chain prerouting: has other rules"},
      {"flush chain inet kproxy services4", "chain services4: has other rules"},
      {"add rule inet kproxy services4 tcp dport { 80, 443 } counter",
       "chain services4: has other rules"},
      {"add rule inet kproxy services4 tcp dport vmap { 80 : drop, 443 : accept }",
       "chain services4: has other rules"},
      {"add rule inet kproxy services4 jump { counter; }", "chain services4: has other rules"},
      {"add chain inet kproxy other { tcp dport { 80, 443 } counter; jump { drop; }; }",
       "chain other should not be there"},
      {"add chain inet kproxy other { type nat hook prerouting priority -110; }",
       "chain other should not be there"},
      {"add set inet kproxy other { type ipv4_addr; }", "set other should not be there"},
      {"add chain inet kproxy prerouting { policy drop; }",
       "chain prerouting is hooked in another way"},
  };
  for (const Case& c : cases) {
    BOOST_TEST_CONTEXT(c.command) {
      Applying a;
      a.apply();
      nft(c.command);
      const apply::Differences differences = a.verify();
      BOOST_TEST((std::find(differences.lines.begin(), differences.lines.end(), c.line) !=
                  differences.lines.end()),
                 (differences.lines.empty() ? "no difference" : differences.lines.front()));
      const apply::Applied applied = a.reconcile();
      BOOST_TEST(applied.transactions == 1u);
      BOOST_TEST(applied.troubles.empty());
      a.check_equal();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_change_that_meets_tampering_ends_in_what_is_wanted) {
  Applying a;
  a.apply();
  nft("delete element inet kproxy services4 { 10.96.0.1 . tcp . 80 }");
  a.ruleset.update({service_state("plain4", {})}, no_other);
  const apply::Applied applied = a.apply();  // erases what is not there
  BOOST_TEST(applied.attempts == 2);
  BOOST_REQUIRE_EQUAL(applied.troubles.size(), 1u);
  BOOST_TEST(applied.troubles[0].message() ==
             "table inet kproxy: the kernel refuses to erase from set services4: 10.96.0.1 . tcp "
             ". 80 : : No such file or directory");
  a.check_equal();
}

// Packets meet such a table: its rules go in the batch that brings all of ours, or not at all.
BOOST_AUTO_TEST_CASE(a_hooked_table_is_not_replaced_in_pieces) {
  Applying a;
  nft("add table inet kproxy; add chain inet kproxy old; "
      "add chain inet kproxy output { type nat hook output priority -100; }; "
      "add rule inet kproxy output jump old");
  RefusingTransport refusing(*a.socket);
  apply::Engine engine(refusing, a.ruleset.owners());
  engine.set_split_bytes(1);
  const auto hooks = [](int, const apply::Received& message) {
    if (message.header.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN)) return false;
    return apply::find(message.payload().subspan(sizeof(nfgenmsg)), NFTA_CHAIN_HOOK).has_value();
  };
  constexpr int kAlways = 1000;
  refusing.arm(hooks, ENOMEM, kAlways);
  BOOST_TEST(!engine.reconcile(a.wanted()).ok());
  BOOST_TEST(refusing.struck());
  BOOST_TEST(nft("list chain inet kproxy output").find("jump old") != std::string::npos);
  refusing.disarm();
  BOOST_TEST(engine.reconcile(a.wanted()).ok());
  a.check_equal();
}

BOOST_AUTO_TEST_CASE(an_element_that_the_kernel_refuses_is_left_out) {
  Applying a;
  apply::Desired desired = a.desired();
  ruleset::Element bad;  // points at a chain that there is not
  bad.set = {.kind = ruleset::SetKind::frontends};
  bad.address = address("10.96.0.66");
  bad.protocol = Protocol::tcp;
  bad.port = Port{66};
  bad.set_verdict(
      {ruleset::Verdict::Code::goto_, {.kind = ruleset::ChainKind::random, .count = 999}});
  desired.elements.push_back(bad);
  const auto wanted = [&] { return desired; };
  const apply::Applied applied = require(a.engine->reconcile(wanted));
  BOOST_REQUIRE_EQUAL(applied.rejected.size(), 1u);
  BOOST_TEST((applied.rejected[0].element == bad));
  BOOST_TEST(applied.rejected[0].error.message() ==
             "table inet kproxy: the kernel refuses to insert into set services4: 10.96.0.66 . tcp "
             ". 66 : goto services4-random-999: No such file or directory");
  BOOST_TEST(require(a.engine->verify(wanted)).none());
  a.check_equal();
  // Its removal is no change for the kernel.
  ruleset::Change change;
  change.erase = {bad};
  BOOST_TEST(require(a.engine->apply(change, a.wanted())).transactions == 0u);
}

BOOST_AUTO_TEST_CASE(clients_of_an_endpoint_that_left_are_forgotten) {
  struct Case {
    Family family;
    std::string entries;  // of two clients, at the first and at the second endpoint
    std::string ports;
    std::string kept_client, kept_endpoint;
  };
  const Case cases[] = {
      {Family::ipv4,
       "203.0.113.1 timeout 1h : 10.244.4.1 . 8080, 203.0.113.2 timeout 1h : 10.244.4.2 . 8080", "",
       "203.0.113.2", "10.244.4.2"},
      {Family::ipv6,
       "2001:db8::a timeout 1h : fd00:10:244:4::1, 2001:db8::b timeout 1h : fd00:10:244:4::2",
       "2001:db8::a timeout 1h : 8080, 2001:db8::b timeout 1h : 8080", "2001:db8::b",
       "fd00:10:244:4::2"},
  };
  for (const Case& c : cases) {
    Applying a;
    a.apply();
    const std::string service = c.family == Family::ipv4 ? "balanced4" : "balanced6";
    const std::string label = service.substr(8) + "-shop/" + service + "/tcp/http";
    nft("add element inet kproxy clients" + label + " { " + c.entries + " }");
    if (!c.ports.empty())
      nft("add element inet kproxy client-ports" + label + " { " + c.ports + " }");

    auto states = services();
    const auto balanced = std::find_if(states.begin(), states.end(), [&](const auto& state) {
      return state.name.name == service;
    });
    auto& port = balanced->ports[0];
    port.endpoints.cluster.erase(port.endpoints.cluster.begin());
    port.endpoints.local.erase(port.endpoints.local.begin());
    a.ruleset.update({*balanced}, no_other);
    const apply::Applied applied = a.apply();
    BOOST_TEST(applied.forgotten == (c.ports.empty() ? 1u : 2u));
    a.check_equal();

    const auto read = [&](const std::string& map) {
      const auto set = ruleset::parse_set_name(map + label, a.ruleset.owners()).value();
      return require(apply::read_clients(a.engine->conversation(), set, a.ruleset.owners()));
    };
    const auto clients = read("clients");
    BOOST_REQUIRE_EQUAL(clients.size(), 1u);
    BOOST_TEST(clients[0].element.address.to_string() == c.kept_client);
    BOOST_TEST(clients[0].element.other.to_string() == c.kept_endpoint);
    BOOST_TEST(clients[0].remaining_ms > 3000000u);
    if (!c.ports.empty()) BOOST_TEST(read("client-ports").size() == 1u);
    // A restart leaves the entry alone.
    BOOST_TEST(a.reconcile().transactions == 0u);
    BOOST_TEST(read("clients").size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(removal_leaves_nothing_and_may_be_repeated) {
  Applying a;
  a.apply();
  nft("add table inet other");
  BOOST_TEST(a.engine->remove_table().ok());
  BOOST_TEST(nft("list tables") == "table inet other\n");
  BOOST_TEST(a.engine->remove_table().ok());
  BOOST_TEST(a.reconcile().transactions == 1u);
  a.check_equal();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
