// Reading rulesets as text, and telling how two of them differ.
#include "compiler/ruleset/text_diff.h"

#include <boost/test/unit_test.hpp>

namespace {

using namespace kproxy::ruleset;

const std::string kHead = "# comment\ntable inet kproxy\ndelete table inet kproxy\n";

std::string ruleset(const std::string& body) {
  return kHead + "table inet kproxy {\n" + body + "}\n";
}

std::string map(const std::string& name, const std::string& elements) {
  return "  map " + name + " {\n    type ipv4_addr : verdict\n" +
         (elements.empty() ? "" : "    elements = {\n" + elements + "    }\n") + "  }\n";
}

std::string chain(const std::string& rules) {
  return "  chain c {\n" + rules + "  }\n";
}

std::string message(const kproxy::Result<RulesetText>& read) {
  return read ? "" : read.error().message();
}

std::string difference(const std::string& before, const std::string& after) {
  const auto a = RulesetText::parse("a", ruleset(before));
  const auto b = RulesetText::parse("b", ruleset(after));
  BOOST_REQUIRE(message(a) == "");
  BOOST_REQUIRE(message(b) == "");
  return to_text(diff(*a, *b));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(text_diff)

BOOST_AUTO_TEST_CASE(what_is_read) {
  const auto read = RulesetText::parse("a", ruleset("  map services4-endpoints {\n"
                                                    "    typeof ip daddr : ip daddr . th dport\n"
                                                    "    elements = {\n"
                                                    "      1.2.3.4 . tcp . 0 : 10.0.0.1 . 80, # "
                                                    "shop/web:http\n"
                                                    "      fd00::1 . tcp . 1 : fd00::2 . 80,\n"
                                                    "    }\n"
                                                    "  }\n"
                                                    "  set empty {\n    type ipv4_addr\n  }\n"
                                                    "  chain c {\n"
                                                    "    update @m { ip saddr : ip daddr }\n"
                                                    "  }\n"));
  BOOST_REQUIRE(message(read) == "");
  BOOST_REQUIRE(read->sections().size() == 3u);
  const RulesetText::Section& section = read->sections()[0];
  BOOST_TEST(section.name == "map services4-endpoints");
  BOOST_REQUIRE(section.elements.size() == 2u);
  BOOST_TEST(section.elements[0].key == "1.2.3.4 . tcp . 0");
  BOOST_TEST(section.elements[0].data == "10.0.0.1 . 80");
  BOOST_TEST(section.elements[0].origin == "shop/web:http");
  BOOST_TEST(section.elements[1].key == "fd00::1 . tcp . 1");
  BOOST_TEST(section.elements[1].origin == "");
  BOOST_TEST(read->sections()[1].elements.empty());
  BOOST_TEST(read->sections()[2].lines.size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_is_refused) {
  struct Case {
    std::string text;
    const char* error;  // is in it
  };
  const Case cases[] = {
      {"", "a:1: is a ruleset that ends too early"},
      {"table ip filter {\n}\n", "a:1: line \"table ip filter {\" is not"},
      {kHead, "a:4: is a ruleset that ends too early"},
      {kHead + "table inet kproxy {\n", "a:5: is a ruleset that ends too early"},
      {ruleset("") + "table ip x {\n", "a:6: line \"table ip x {\" follows the table's end"},
      {ruleset("  flowtable f {\n  }\n"), "a:5: line \"flowtable f {\" begins no set"},
      {ruleset("  chain c {\n"), "a:7: is a ruleset that ends too early"},
      {ruleset(chain("") + chain("")), "begins a section again"},
      {ruleset(map("m", "      1.2.3.4,\n")), "is no entry of a map"},
      {ruleset("  set s {\n    elements = {\n      1 : 2,\n    }\n  }\n"), "is no member of a set"},
      {ruleset(map("m", "      1 : a, 2 : b\n")), "is no entry of a map"},
      {ruleset(map("m", "      1 : a,\n      1 : b,\n")), "a:9: line \"1 : b,\" has a key that"},
      {ruleset("  set s {\n    elements = { 1, 2 }\n  }\n"), "does not belong here"},
      {ruleset("  chain c {\n    elements = {\n  }\n"), "does not belong here"},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.text) {
      const auto read = RulesetText::parse("a", each.text);
      BOOST_REQUIRE(!read.ok());
      BOOST_TEST(read.error().message().find(each.error) != std::string::npos,
                 read.error().message());
    }
  }
}

BOOST_AUTO_TEST_CASE(what_differs) {
  struct Case {
    std::string before, after, expected;
  };
  const std::string one = "      1.1.1.1 : goto a, # shop/web:http\n";
  const std::string two = "      2.2.2.2 : goto b, # shop/api\n";
  const Case cases[] = {
      {map("m", one), map("m", one), ""},
      // Order of elements and of sections does not count.
      {map("m", one + two), map("m", two + one), ""},
      {map("m", one) + map("n", two), map("n", two) + map("m", one), ""},
      {map("m", one), map("m", one + two),
       "Service shop/api\n  + map m: 2.2.2.2 : goto b\n1 added, 0 removed, 0 changed; 1 Service\n"},
      {map("m", one + two), map("m", two),
       "Service shop/web\n  - map m: 1.1.1.1 : goto a\n0 added, 1 removed, 0 changed; 1 Service\n"},
      {map("m", one), map("m", "      1.1.1.1 : drop, # shop/web:http\n"),
       "Service shop/web\n  ~ map m: 1.1.1.1: goto a -> drop\n"
       "0 added, 0 removed, 1 changed; 1 Service\n"},
      // Another Service has it now.
      {map("m", one), map("m", "      1.1.1.1 : goto a, # shop/api\n"),
       "Service shop/api\n  ~ map m: 1.1.1.1: goto a (of shop/web:http) -> goto a (of shop/api)\n"
       "0 added, 0 removed, 1 changed; 1 Service\n"},
      {map("m", one), map("m", "      1.1.1.1 : goto a,\n"),
       "Ruleset\n  ~ map m: 1.1.1.1: goto a (of shop/web:http) -> goto a (no Service's)\n"
       "0 added, 0 removed, 1 changed; 0 Services\n"},
      // The ruleset itself first, then by Service, whatever the order of sections.
      {map("m", "") + map("n", ""),
       map("m", one + two) + map("n", "      3.3.3.3 : drop, # shop/api\n") + chain("    drop\n"),
       "Ruleset\n  + chain c\n  + chain c: drop\n"
       "Service shop/api\n  + map m: 2.2.2.2 : goto b\n  + map n: 3.3.3.3 : drop\n"
       "Service shop/web\n  + map m: 1.1.1.1 : goto a\n5 added, 0 removed, 0 changed; 2 "
       "Services\n"},
      {map("m", one), "",
       "Ruleset\n  - map m: type ipv4_addr : verdict\n  - map m\n"
       "Service shop/web\n  - map m: 1.1.1.1 : goto a\n0 added, 3 removed, 0 changed; 1 Service\n"},
      // Order of rules counts; only what moved is told.
      {chain("    a\n    b\n    c\n"), chain("    a\n    x\n    c\n"),
       "Ruleset\n  - chain c: b\n  + chain c: x\n1 added, 1 removed, 0 changed; 0 Services\n"},
      {chain("    a\n    b\n    c\n    d\n"), chain("    b\n    c\n    a\n    d\n"),
       "Ruleset\n  - chain c: a\n  + chain c: a\n1 added, 1 removed, 0 changed; 0 Services\n"},
      {chain("    a\n    a\n"), chain("    a\n"),
       "Ruleset\n  - chain c: a\n0 added, 1 removed, 0 changed; 0 Services\n"},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.before << " -> " << each.after) {
      BOOST_TEST(difference(each.before, each.after) == each.expected);
    }
  }
}

BOOST_AUTO_TEST_CASE(chains_too_long_to_compare_are_replaced) {
  std::string before, after;
  for (int i = 0; i < 2000; ++i) {
    before += "    a" + std::to_string(i) + '\n';
    after += "    b" + std::to_string(i) + '\n';
  }
  const std::string told = difference(chain(before), chain(after));
  BOOST_TEST(told.ends_with("2000 added, 2000 removed, 0 changed; 0 Services\n"));
}

BOOST_AUTO_TEST_SUITE_END()
