#include "compiler/kpcompile/flows.h"

#include "compiler/explain/explain.h"

namespace kproxy::kpcompile {
namespace {

constexpr std::string_view kBlanks = " \t\r";

// Takes the first word, and the blanks around it, off the text.
std::string_view take_word(std::string_view& text) {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  text.remove_prefix(begin == std::string_view::npos ? text.size() : begin);
  const std::string_view word = text.substr(0, text.find_first_of(kBlanks));
  const std::size_t next = text.find_first_not_of(kBlanks, word.size());
  text.remove_prefix(next == std::string_view::npos ? text.size() : next);
  return word;
}

// The words with one blank between them.
std::string collapse(std::string_view text) {
  std::string result;
  for (std::string_view word = take_word(text); !word.empty(); word = take_word(text)) {
    if (!result.empty()) result += ' ';
    result += word;
  }
  return result;
}

}  // namespace

CheckedFlows check_flows(const ruleset::Ruleset& ruleset, std::string_view input,
                         std::string_view table) {
  CheckedFlows result;
  bool holds_flow = false;
  for (std::size_t number = 1; !table.empty(); ++number) {
    const std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(table.size(), line.size() + 1));
    const std::string_view flow = line.substr(0, line.find('#'));
    std::string_view rest = flow;
    const std::string_view from = take_word(rest);
    const std::string_view to = take_word(rest);
    if (from.empty()) {
      result.text.append(line) += '\n';
      continue;
    }
    holds_flow = true;
    const std::string where = std::string(input) + ':' + std::to_string(number);
    const Result<explain::Query> query = explain::parse_query(from, to);
    if (!query) {
      const Error& error = query.error();
      result.differences.push_back(
          {where + (error.where.empty() ? "" : ": " + error.where), error.what, error.hint});
      result.text.append(line) += '\n';
      continue;
    }
    const std::string expected = collapse(rest);
    const std::string actual = explain::summary(explain::explain(ruleset, *query));
    if (expected != collapse(actual))
      result.differences.push_back(
          {where + ": " + std::string(from) + ' ' + std::string(to),
           "expected " + (expected.empty() ? "nothing" : expected) + ", got " + actual,
           {}});
    // All up to the outcome stays as it is, so that columns keep their place.
    const std::string_view kept = flow.substr(0, flow.size() - rest.size());
    result.text.append(kept).append(rest.empty() ? "  " : "").append(actual);
    if (flow.size() != line.size()) result.text.append("  ").append(line.substr(flow.size()));
    result.text += '\n';
  }
  // What was cut short, or was never written, checks nothing.
  if (!holds_flow)
    result.differences.push_back(
        {std::string(input), "holds no flow", "lines FROM TO OUTCOME are expected"});
  return result;
}

}  // namespace kproxy::kpcompile
