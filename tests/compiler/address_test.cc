// Addresses as they come from the wire, and prefixes of which none contains another.
#include "compiler/types/address.h"

#include <boost/test/unit_test.hpp>

namespace {

using namespace kproxy;

BOOST_AUTO_TEST_SUITE(address)

BOOST_AUTO_TEST_CASE(from_the_wire) {
  const std::vector<std::uint8_t> four{10, 0, 0, 1},
      mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1};
  std::vector<std::uint8_t> sixteen(16);
  sixteen[0] = 0xfd;
  sixteen[15] = 1;
  struct Case {
    std::vector<std::uint8_t> bytes;
    Family family;
    const char* address;  // null: none
  };
  const Case cases[] = {
      {four, Family::ipv4, "10.0.0.1"},   {sixteen, Family::ipv6, "fd00::1"},
      {mapped, Family::ipv6, "10.0.0.1"}, {four, Family::ipv6, nullptr},
      {sixteen, Family::ipv4, nullptr},   {{10, 0, 0}, Family::ipv4, nullptr},
      {{}, Family::ipv4, nullptr},        {{}, Family::ipv6, nullptr},
  };
  for (const Case& each : cases) {
    const auto address = Address::from_wire(each.bytes, each.family);
    BOOST_TEST((address ? address->to_string() : "none") ==
               (each.address != nullptr ? each.address : "none"));
  }
}

BOOST_AUTO_TEST_CASE(nothing_comes_after_a_text) {
  using namespace std::string_view_literals;
  for (std::string_view text : {"2001:db8::1\0zz"sv, "2001:db8::1\0"sv, "::\0:1"sv, "10.0.0.1\0"sv,
                                "10.0.0.1 "sv, "2001:db8::1 "sv}) {
    const std::string prefix = std::string(text) + "/8";
    BOOST_TEST(!Address::parse(text), text);
    BOOST_TEST(!Cidr::parse(prefix), prefix);
  }
  for (std::string_view text : {"fd00::/8\0"sv, "fd00::/\0008"sv, "10.0.0.0/8\0"sv, "fd00::/8 "sv})
    BOOST_TEST(!Cidr::parse(text), text);
}

BOOST_AUTO_TEST_CASE(outermost_prefixes) {
  const std::pair<std::vector<const char*>, const char*> cases[] = {
      {{}, ""},
      {{"10.1.0.0/16", "10.0.0.0/8", "10.1.0.0/16"}, "10.0.0.0/8 "},
      {{"10.0.0.0/9", "10.128.0.0/9"}, "10.0.0.0/9 10.128.0.0/9 "},
      {{"192.0.2.0/24", "0.0.0.0/0"}, "0.0.0.0/0 "},
      {{"fd00::/8", "fd00:1::/32", "10.0.0.1/32"}, "10.0.0.1/32 fd00::/8 "},
  };
  for (const auto& [given, kept] : cases) {
    std::vector<Cidr> prefixes;
    for (const char* text : given) prefixes.push_back(*Cidr::parse(text));
    std::string said;
    for (const Cidr& prefix : outermost(prefixes)) said += prefix.to_string() + ' ';
    BOOST_TEST(said == kept);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
