#include "compiler/ruleset/text_diff.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace kproxy::ruleset {
namespace {

using Element = RulesetText::Element;
using Section = RulesetText::Section;
using Kind = Difference::Kind;

// Chains longer than this after what they share at both ends are told as replaced: the comparison
// below takes the product of both lengths.
constexpr std::size_t kMaxComparison = 1u << 20;

// "shop/web:http" -> "shop/web".
std::string service_of(std::string_view origin) {
  return std::string(origin.substr(0, origin.find(':')));
}

std::string whole(const Element& element) {
  std::string text(element.key);
  if (!element.data.empty()) text.append(" : ").append(element.data);
  return text;
}

class Differ {
 public:
  std::vector<Difference> diff(const RulesetText& before, const RulesetText& after) {
    std::map<std::string_view, const Section*> old_sections;
    for (const Section& section : before.sections()) old_sections[section.name] = &section;
    std::set<std::string_view> kept;
    for (const Section& section : after.sections()) {
      const auto old = old_sections.find(section.name);
      if (old == old_sections.end()) {
        add(Kind::added, section.name, {}, {});
        compare(Section{section.name, {}, {}}, section);
      } else {
        kept.insert(section.name);
        compare(*old->second, section);
      }
    }
    for (const Section& section : before.sections()) {
      if (kept.contains(section.name)) continue;
      compare(section, Section{section.name, {}, {}});
      add(Kind::removed, section.name, {}, {});
    }
    std::stable_sort(
        differences_.begin(), differences_.end(),
        [](const Difference& a, const Difference& b) { return a.service < b.service; });
    return std::move(differences_);
  }

 private:
  void add(Kind kind, std::string_view section, std::string_view origin, std::string line) {
    differences_.push_back(
        {kind, service_of(origin), std::string(section), std::move(line), {}, {}});
  }

  void compare(const Section& before, const Section& after) {
    compare_lines(before, after);
    compare_elements(before, after);
  }

  void compare_elements(const Section& before, const Section& after) {
    std::unordered_map<std::string_view, const Element*> now;  // looked up only
    now.reserve(after.elements.size());
    for (const Element& element : after.elements) now[element.key] = &element;
    std::unordered_map<std::string_view, const Element*> then;
    then.reserve(before.elements.size());
    for (const Element& element : before.elements) {
      then[element.key] = &element;
      if (!now.contains(element.key))
        add(Kind::removed, before.name, element.origin, whole(element));
    }
    for (const Element& element : after.elements) {
      const auto old = then.find(element.key);
      if (old == then.end()) {
        add(Kind::added, after.name, element.origin, whole(element));
      } else if (old->second->data != element.data || old->second->origin != element.origin) {
        change(after.name, *old->second, element);
      }
    }
  }

  void change(std::string_view section, const Element& before, const Element& after) {
    Difference difference{
        Kind::changed,          service_of(after.origin), std::string(section),
        std::string(after.key), std::string(before.data), std::string(after.data)};
    if (before.origin != after.origin) {
      const auto owned = [](std::string& data, std::string_view origin) {
        if (!data.empty()) data += ' ';
        data += origin.empty() ? "(no Service's)" : "(of " + std::string(origin) + ')';
      };
      owned(difference.before, before.origin);
      owned(difference.after, after.origin);
    }
    differences_.push_back(std::move(difference));
  }

  // The longest common subsequence stays; what is around it went and came.
  void compare_lines(const Section& before, const Section& after) {
    std::size_t first = 0;
    while (first < before.lines.size() && first < after.lines.size() &&
           before.lines[first] == after.lines[first])
      ++first;
    std::size_t last = 0;
    while (before.lines.size() > first + last && after.lines.size() > first + last &&
           before.lines[before.lines.size() - 1 - last] ==
               after.lines[after.lines.size() - 1 - last])
      ++last;
    const std::size_t m = before.lines.size() - first - last;
    const std::size_t n = after.lines.size() - first - last;
    const auto old_line = [&before, first](std::size_t i) { return before.lines[first + i]; };
    const auto new_line = [&after, first](std::size_t j) { return after.lines[first + j]; };
    // common[i][j]: how many lines are common to the old ones from i on and the new ones from j on.
    std::vector<std::vector<std::size_t>> common;
    if (m * n <= kMaxComparison) {
      common.assign(m + 1, std::vector<std::size_t>(n + 1, 0));
      for (std::size_t i = m; i-- > 0;)
        for (std::size_t j = n; j-- > 0;)
          common[i][j] = old_line(i) == new_line(j) ? common[i + 1][j + 1] + 1
                                                    : std::max(common[i + 1][j], common[i][j + 1]);
    }
    std::size_t i = 0, j = 0;
    while (i < m || j < n) {
      const bool both = i < m && j < n && !common.empty();
      if (both && old_line(i) == new_line(j)) {
        ++i, ++j;
      } else if (j == n || (i < m && (!both || common[i + 1][j] >= common[i][j + 1]))) {
        add(Kind::removed, before.name, {}, std::string(old_line(i++)));
      } else {
        add(Kind::added, after.name, {}, std::string(new_line(j++)));
      }
    }
  }

  std::vector<Difference> differences_;
};

}  // namespace

std::vector<Difference> diff(const RulesetText& before, const RulesetText& after) {
  return Differ().diff(before, after);
}

std::string to_text(const std::vector<Difference>& differences) {
  std::string text;
  std::array<std::size_t, 3> counts{};
  std::size_t services = 0;
  const Difference* last = nullptr;
  for (const Difference& difference : differences) {
    if (last == nullptr || last->service != difference.service) {
      text += difference.service.empty() ? "Ruleset" : "Service " + difference.service;
      text += '\n';
      services += !difference.service.empty();
    }
    last = &difference;
    ++counts[static_cast<std::size_t>(difference.kind)];
    text += "  ";
    text += "-+~"[static_cast<std::size_t>(difference.kind)];
    text += ' ' + difference.section;
    if (!difference.line.empty()) text += ": " + difference.line;
    if (difference.kind == Kind::changed)
      text += ": " + difference.before + " -> " + difference.after;
    text += '\n';
  }
  if (!differences.empty())
    text += std::to_string(counts[1]) + " added, " + std::to_string(counts[0]) + " removed, " +
            std::to_string(counts[2]) + " changed; " + std::to_string(services) +
            (services == 1 ? " Service\n" : " Services\n");
  return text;
}

}  // namespace kproxy::ruleset
