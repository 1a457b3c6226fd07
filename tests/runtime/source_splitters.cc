// Bodies cut into events and items, in whatever pieces they arrive.
#include <boost/test/unit_test.hpp>

#include "runtime/source/item_splitter.h"
#include "runtime/source/line_splitter.h"

namespace kproxy::source {
namespace {

// Feeds the text in pieces of that size; lines in brackets, "too long: n" if there were such.
std::string lines(std::string_view text, std::size_t piece, std::size_t longest = 100) {
  std::string said;
  LineSplitter splitter(longest);
  const auto on_line = [&said](std::string_view line) {
    said.append("[").append(line).append("]");
    return line != "stop";
  };
  bool wanted = true;
  for (std::size_t at = 0; wanted && at < text.size(); at += piece)
    wanted = splitter.push(text.substr(at, piece), on_line);
  if (wanted) splitter.finish(on_line);
  if (const std::size_t count = splitter.take_too_long())
    said += " too long: " + std::to_string(count);
  return said;
}

struct Items {
  std::string items;
  std::string rest;
};
Items items(std::string_view text, std::size_t piece, std::size_t largest = 100) {
  Items said;
  ItemSplitter splitter(largest);
  for (std::size_t at = 0; at < text.size(); at += piece)
    if (!splitter.push(text.substr(at, piece), [&said](std::string_view item) {
          said.items.append("<").append(item).append(">");
        }))
      said.items += " refused";
  said.rest = splitter.rest();
  if (const std::size_t count = splitter.take_too_large())
    said.items += " too large: " + std::to_string(count);
  return said;
}

// clang-format off
struct LineCase {
  const char* text;
  const char* lines;
};
constexpr LineCase kLines[] = {
    {"", ""},
    {"\n", ""},
    {"a\nbc\n", "[a][bc]"},
    {"a\n\n\nb\n", "[a][b]"},
    {"a\nlast", "[a][last]"},
    {"a\r\n{\"b\":1} \n", "[a\r][{\"b\":1} ]"},
    {"a\nstop\nb\n", "[a][stop]"},
    {"1234567890\n12345678901\n1\n", "[1234567890][1] too long: 1"},
    {"123456789012345678901234567890\n123456789012345678901234567890\nab\n", "[ab] too long: 2"},
    {"ab\n12345678901", "[ab] too long: 1"},
};

struct ItemCase {
  const char* text;
  const char* items;
  const char* rest;
};
constexpr ItemCase kItems[] = {
    {R"({"kind":"L","items":[{"a":1},{"b":[2,3]}],"x":4})", R"(<{"a":1}><{"b":[2,3]}>)", R"({"kind":"L","items":[],"x":4})"},
    {R"({"items":[]})", "", R"({"items":[]})"},
    {R"({"items":null})", "", R"({"items":null})"},
    {R"({"items":{"a":[1,2]}})", "", R"({"items":{"a":[1,2]}})"},
    {R"({ "items" : [ {"a" : "x y"} , 7 , "s,]" , null ] } )", R"(<{"a":"x y"}><7><"s,]"><null>)", R"({"items":[]})"},
    // strings may look like anything
    {R"({"a":"\"items\":[","items":[{"b":"}],\\\"{["}]})", R"(<{"b":"}],\\\"{["}>)", R"({"a":"\"items\":[","items":[]})"},
    {R"({"x":"items","y":[1,2],"items":[3]})", "<3>", R"({"x":"items","y":[1,2],"items":[]})"},
    // only at the top level
    {R"({"metadata":{"items":[1]},"items":[{"items":[1,2]}]})", R"(<{"items":[1,2]}>)", R"({"metadata":{"items":[1]},"items":[]})"},
    {R"([{"items":[1]}])", "", R"([{"items":[1]}])"},
    {R"({"itemsandmore":[1],"item":[2]})", "", R"({"itemsandmore":[1],"item":[2]})"},
    // more than one list of them, or none at all
    {R"({"items":[1],"items":[2]})", "<1><2>", R"({"items":[],"items":[]})"},
    {"", "", ""},
    {"404 page not found", "", "404pagenotfound"},
    // broken off; too many brackets
    {R"({"items":[{"a":1},{"b")", R"(<{"a":1}>)", R"({"items":[)"},
    {R"(}}]]{"items":[1]})", "<1>", R"(}}]]{"items":[]})"},
    // too large
    {R"({"items":[12345678901,2,"123456789012345678901234567890",3]})", "<2><3> too large: 2", R"({"items":[]})"},
};
// clang-format on

BOOST_AUTO_TEST_SUITE(source_splitters)

BOOST_AUTO_TEST_CASE(lines_in_pieces) {
  for (const LineCase& test : kLines)
    for (std::size_t piece : {1, 2, 3, 7, 1000})
      BOOST_TEST(
          lines(test.text, piece, 10) == test.lines,
          test.text << " in pieces of " << piece << " gives " << lines(test.text, piece, 10));
}

BOOST_AUTO_TEST_CASE(items_in_pieces) {
  for (const ItemCase& test : kItems)
    for (std::size_t piece : {1, 2, 3, 7, 1000}) {
      const bool bounded = std::string_view(test.items).find("too large") != std::string_view::npos;
      const Items said = items(test.text, piece, bounded ? 10 : 100);
      BOOST_TEST(said.items == test.items, test.text << " gives " << said.items);
      BOOST_TEST(said.rest == test.rest);
    }
}

BOOST_AUTO_TEST_CASE(what_is_around_the_items_is_bounded) {
  ItemSplitter splitter;
  const auto on_item = [](std::string_view) {};
  const std::string much(ItemSplitter::kLargestRest / 2, 'x');
  BOOST_TEST(splitter.push("{\"a\":\"" + much, on_item));
  BOOST_TEST(!splitter.push(much, on_item));
  for (int i = 0; i < 10; ++i) splitter.push(much, on_item);
  BOOST_TEST(splitter.rest().size() <= ItemSplitter::kLargestRest + 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::source
