// The two writers of a ruleset, text and netlink, leave the same table in the kernel.
#include <boost/test/unit_test.hpp>

#include "tests/runtime/apply_fixture.h"

namespace kproxy::tests {
namespace {

// The expressions that the kernel lists, as libnftnl prints them: without handles of rules, and
// without elements, which are listed in the order of their hash.
std::string expressions(const std::string& listing) {
  std::string result;
  std::size_t begin = 0;
  while (begin < listing.size()) {
    const std::size_t end = std::min(listing.find('\n', begin), listing.size());
    std::string line = listing.substr(begin, end - begin);
    if (line.starts_with("inet kproxy "))
      while (!line.empty() && (std::isdigit(line.back()) || line.back() == ' ')) line.pop_back();
    if (!line.starts_with("\telement")) result += line + '\n';
    begin = end + 1;
  }
  return result;
}

void check_same(const apply::KernelState& a, const apply::KernelState& b,
                const ruleset::OwnerNames& owners) {
  BOOST_TEST(a.present);
  BOOST_TEST(a.flags == b.flags);
  BOOST_REQUIRE_EQUAL(a.sets.size(), b.sets.size());
  for (std::size_t i = 0; i < a.sets.size(); ++i) {
    BOOST_TEST(a.sets[i].name == b.sets[i].name);
    BOOST_TEST(a.sets[i].ref.has_value());
    BOOST_TEST((a.sets[i].attributes == b.sets[i].attributes), a.sets[i].name);
    BOOST_TEST(a.sets[i].attributes.user_data == b.sets[i].attributes.user_data,
               a.sets[i].name << boost::test_tools::per_element());
  }
  BOOST_REQUIRE_EQUAL(a.chains.size(), b.chains.size());
  for (std::size_t i = 0; i < a.chains.size(); ++i) {
    BOOST_TEST(a.chains[i].name == b.chains[i].name);
    BOOST_TEST(a.chains[i].ref.has_value());
    BOOST_TEST((a.chains[i].hook == b.chains[i].hook), a.chains[i].name);
    BOOST_TEST(a.chains[i].rules == b.chains[i].rules,
               a.chains[i].name << boost::test_tools::per_element());
  }
  BOOST_TEST(a.foreign.empty());
  BOOST_TEST(b.foreign.empty());
  BOOST_REQUIRE_EQUAL(a.elements.size(), b.elements.size());
  for (std::size_t i = 0; i < a.elements.size(); ++i)
    BOOST_TEST((a.elements[i] == b.elements[i]),
               to_text(a.elements[i], owners) << " against " << to_text(b.elements[i], owners));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(apply_equality)

BOOST_AUTO_TEST_CASE(text_and_engine_leave_the_same_table) {
  std::string listed_by_text, expressions_by_text;
  apply::KernelState by_text;
  {
    Applying text;
    nft(text.text());
    by_text = text.kernel();
    text.check_equal();
    listed_by_text = nft("list ruleset");
    expressions_by_text = expressions(nft("list ruleset", NFT_DEBUG_NETLINK));
  }
  Applying engine;
  const apply::Applied applied = engine.apply();
  BOOST_TEST(applied.transactions == 1u);
  engine.check_equal();
  check_same(by_text, engine.kernel(), engine.ruleset.owners());
  BOOST_TEST(listed_by_text == nft("list ruleset"));
  BOOST_TEST(expressions_by_text == expressions(nft("list ruleset", NFT_DEBUG_NETLINK)));
  BOOST_TEST(expressions_by_text.size() > 10000u);
}

// What was written is what is read, in every kind of set.
BOOST_AUTO_TEST_CASE(every_kind_of_element_makes_the_round_trip) {
  Applying engine;
  engine.apply();
  const std::vector<ruleset::Element> wanted = engine.desired().elements;
  const std::vector<ruleset::Element> read = engine.kernel().elements;
  BOOST_REQUIRE_EQUAL(wanted.size(), read.size());
  std::set<ruleset::SetKind> kinds;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    kinds.insert(wanted[i].set.kind);
    BOOST_TEST((wanted[i] == read[i]), to_text(wanted[i], engine.ruleset.owners()));
  }
  for (int i = 0; i <= static_cast<int>(ruleset::SetKind::rememberable); ++i) {
    const auto kind = static_cast<ruleset::SetKind>(i);
    BOOST_TEST(kinds.contains(kind) != ruleset::is_written_by_kernel(kind), "kind " << i);
  }
}

BOOST_AUTO_TEST_CASE(prefixes_at_the_edges) {
  struct Case {
    const char* what;
    Family family;
    std::vector<std::string> prefixes;
  };
  const Case cases[] = {
      {"none", Family::ipv4, {}},
      {"everything", Family::ipv4, {"0.0.0.0/0"}},
      {"adjacent", Family::ipv4, {"10.0.0.0/25", "10.0.0.128/25", "10.0.2.0/24"}},
      {"from the lowest address", Family::ipv4, {"0.0.0.0/8", "1.0.0.0/8", "192.0.2.1/32"}},
      {"to the highest address", Family::ipv4, {"10.0.0.0/8", "240.0.0.0/4"}},
      {"two halves", Family::ipv4, {"0.0.0.0/1", "128.0.0.0/1"}},
      {"highest addresses", Family::ipv4, {"255.255.255.254/32", "255.255.255.255/32"}},
      {"everything", Family::ipv6, {"::/0"}},
      {"first and last", Family::ipv6, {"::1/128", "fd00::/8", "ffff::/16"}},
  };
  const std::vector<ruleset::Ruleset::ServiceState> no_services;
  for (const Case& c : cases) {
    service::NodeView node = node_view();
    node.families[index_of(c.family)].service_cidrs.clear();
    for (const std::string& prefix : c.prefixes)
      node.families[index_of(c.family)].service_cidrs.push_back(cidr(prefix));
    BOOST_TEST_CONTEXT(c.what) {
      std::string by_text;
      {
        Applying text(no_services);
        text.ruleset.set_node(node);
        nft(text.text());
        by_text = nft("list table inet kproxy");
        text.check_equal();
      }
      Applying engine(no_services);
      engine.apply();
      engine.ruleset.set_node(node);
      engine.apply();
      engine.check_equal();
      BOOST_TEST(by_text == nft("list table inet kproxy"));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
