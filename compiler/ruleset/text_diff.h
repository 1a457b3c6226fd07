// Differences between two rulesets as canonical text, told by Service.
//
// RulesetText reads what render() writes and nothing else: it is for comparing a ruleset with a
// reviewed file, not for reading other people's tables. Its parts are views into the text, which it
// owns, so it costs the text and some 48 bytes an element. diff() is linear in the elements. Order
// of sections and of elements does not count, order of rules in a chain does. Plain values; any
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/types/error.h"

namespace kproxy::ruleset {

class RulesetText {
 public:
  struct Element {
    std::string_view key;
    std::string_view data;    // of maps
    std::string_view origin;  // the Service port, "shop/web:http"; empty: the node's own
  };
  struct Section {
    std::string_view name;                // "map services4-endpoints", "chain prerouting"
    std::vector<std::string_view> lines;  // declarations and rules, in order
    std::vector<Element> elements;        // of sets and maps, in order; no key twice
  };

  // `input` names the text in errors.
  static Result<RulesetText> parse(std::string_view input, std::string text);

  const std::vector<Section>& sections() const { return sections_; }

 private:
  friend class TextReader;
  std::unique_ptr<const std::string> text_;
  std::vector<Section> sections_;
};

struct Difference {
  enum class Kind : std::uint8_t { removed, added, changed };
  Kind kind = Kind::changed;
  std::string service;  // "shop/web"; empty: of the ruleset itself
  std::string section;  // "map services4-endpoints", "chain prerouting"
  std::string line;     // the element (of one that changed: its key) or rule; empty: the section
  std::string before;   // what an element's data was and is, if it changed
  std::string after;
};

// In order of Service (the ruleset itself first), of section, and of line.
std::vector<Difference> diff(const RulesetText& before, const RulesetText& after);

// For people: a heading for each Service, a line for each difference beginning with +, - or ~, and
// a last line that counts them. Empty if there are none.
std::string to_text(const std::vector<Difference>& differences);

}  // namespace kproxy::ruleset
