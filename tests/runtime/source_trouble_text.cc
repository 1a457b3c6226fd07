// The same trouble has the same text, however long it took.
#include <boost/test/unit_test.hpp>
#include <utility>

#include "runtime/source/trouble_text.h"

namespace kproxy::source {
namespace {

BOOST_AUTO_TEST_SUITE(source_trouble_text)

BOOST_AUTO_TEST_CASE(measures_are_left_out) {
  // clang-format off
  constexpr std::pair<const char*, const char*> kTexts[] = {
      {"", ""},
      {"Failed to connect to 10.0.0.1 port 6443 after 3071 ms: Couldn't connect to server",
       "Failed to connect to 10.0.0.1 port 6443: Couldn't connect to server"},
      {"Connection timed out after 10001 milliseconds", "Connection timed out"},
      {"transfer closed with 123 bytes remaining to read", "transfer closed with bytes remaining to read"},
      {"Operation timed out after 5000 milliseconds with 17 bytes received", "Operation timed out with bytes received"},
      // No measures.
      {"SSL certificate problem: unable to get local issuer certificate", "SSL certificate problem: unable to get local issuer certificate"},
      {"ended after 3", "ended after 3"},
      {"ended after ms", "ended after ms"},
      {"begun after 3 tries", "begun after 3 tries"},
  };
  // clang-format on
  for (const auto& [text, expected] : kTexts) BOOST_TEST(without_measures(text) == expected);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::source
