// Text of any bytes as JSON.
#include "compiler/types/json_text.h"

#include <boost/test/unit_test.hpp>
#include <utility>

namespace {

using kproxy::json_text;

BOOST_AUTO_TEST_SUITE(json)

BOOST_AUTO_TEST_CASE(text_as_json) {
  // clang-format off
  constexpr std::pair<const char*, const char*> kTexts[] = {
      {"", R"("")"},
      {"a/b", R"("a/b")"},
      {"\"\\\n\t\x01\x1f\x7f", R"("\"\\\n\t\u0001\u001f\u007f")"},
      {"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80", "\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80\""},
      {"\xc3", R"("\ufffd")"},
      {"\x80z", R"("\ufffdz")"},
      {"\xc0\xaf", R"("\ufffd\ufffd")"},             // longer than need be
      {"\xed\xa0\x80", R"("\ufffd\ufffd\ufffd")"},   // half of a pair
      {"\xf4\x90\x80\x80", R"("\ufffd\ufffd\ufffd\ufffd")"},
      {"\xe2\x82", R"("\ufffd\ufffd")"},
  };
  // clang-format on
  for (const auto& [text, json] : kTexts) BOOST_TEST(json_text(text) == json);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
