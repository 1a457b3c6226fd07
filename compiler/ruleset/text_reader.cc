// The reading half of text_diff.h.
#include <unordered_set>
#include <utility>

#include "compiler/ruleset/names.h"
#include "compiler/ruleset/text_diff.h"

namespace kproxy::ruleset {
namespace {

std::string_view trim(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') + 1 - begin);
}

}  // namespace

class TextReader {
 public:
  TextReader(std::string_view input, RulesetText& result)
      : input_(input), rest_(*result.text_), sections_(result.sections_) {}

  Status read() {
    const std::string table = "table inet " + std::string(kTable);
    for (const std::string& wanted : {table, "delete " + table, table + " {"}) {
      if (!next() || line_ != wanted) return refuse("is not \"" + wanted + '"');
    }
    std::unordered_set<std::string_view> names;
    while (next()) {
      if (line_ == "}") return next() ? refuse("follows the table's end") : ok_status();
      if (Status begun = begin_section(); !begun) return begun;
      if (!names.insert(sections_.back().name).second) return refuse("begins a section again");
      if (Status body = read_section(); !body) return body;
    }
    return refuse({});
  }

 private:
  // Moves on to the next line that is neither blank nor a comment.
  bool next() {
    do {
      if (rest_.empty()) {
        line_ = {};
        ++number_;
        return false;
      }
      const std::size_t end = rest_.find('\n');
      line_ = trim(rest_.substr(0, end));
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
      ++number_;
    } while (line_.empty() || line_.front() == '#');
    return true;
  }

  // The line is not what it should be; no line: the text ends too early.
  Status refuse(std::string what) const {
    return Error{std::string(input_) + ':' + std::to_string(number_),
                 line_.empty() ? "is a ruleset that ends too early"
                               : "line \"" + std::string(line_) + "\" " + std::move(what),
                 "only rulesets that kpcompile wrote can be read"};
  }

  Status begin_section() {
    const bool known =
        line_.starts_with("set ") || line_.starts_with("map ") || line_.starts_with("chain ");
    if (!known || !line_.ends_with(" {")) return refuse("begins no set, map or chain");
    sections_.push_back({trim(line_.substr(0, line_.size() - 1)), {}, {}});
    return ok_status();
  }

  Status read_section() {
    RulesetText::Section& section = sections_.back();
    const bool chain = section.name.starts_with("chain ");
    bool had_elements = false;
    while (next()) {
      if (line_ == "}") return ok_status();
      if (line_ == "elements = {" && !chain && !had_elements) {
        had_elements = true;
        if (Status elements = read_elements(section); !elements) return elements;
      } else if (line_.find_first_of("{}#") != std::string_view::npos && !is_rule(chain)) {
        return refuse("does not belong here");
      } else {
        section.lines.push_back(line_);
      }
    }
    return refuse({});
  }

  // Rules may hold braces that end on the same line: update @clients { ... }.
  bool is_rule(bool chain) const {
    return chain && line_.find('#') == std::string_view::npos && !line_.ends_with('{') &&
           line_.find('{') < line_.find('}');
  }

  Status read_elements(RulesetText::Section& section) {
    const bool map = section.name.starts_with("map ");
    std::unordered_set<std::string_view> keys;
    while (next()) {
      if (line_ == "}") return ok_status();
      RulesetText::Element element;
      std::string_view text = line_;
      if (const std::size_t comment = text.find('#'); comment != std::string_view::npos) {
        element.origin = trim(text.substr(comment + 1));
        text = trim(text.substr(0, comment));
      }
      if (text.ends_with(',')) text = trim(text.substr(0, text.size() - 1));
      const std::size_t colon = text.find(" : ");
      element.key = text.substr(0, colon);
      if (colon != std::string_view::npos) element.data = text.substr(colon + 3);
      const bool sound = !element.key.empty() && element.data.empty() != map &&
                         text.find_first_of("{},") == std::string_view::npos;
      if (!sound) return refuse(map ? "is no entry of a map" : "is no member of a set");
      if (!keys.insert(element.key).second) return refuse("has a key that was there before");
      section.elements.push_back(element);
    }
    return refuse({});
  }

  std::string_view input_;
  std::string_view rest_;
  std::vector<RulesetText::Section>& sections_;
  std::string_view line_;
  std::size_t number_ = 0;
};

Result<RulesetText> RulesetText::parse(std::string_view input, std::string text) {
  RulesetText result;
  result.text_ = std::make_unique<const std::string>(std::move(text));
  if (const Status read = TextReader(input, result).read(); !read) return read.error();
  return result;
}

}  // namespace kproxy::ruleset
