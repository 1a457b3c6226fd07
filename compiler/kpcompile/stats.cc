#include <algorithm>
#include <numeric>
#include <string_view>

#include "compiler/kpcompile/counts.h"
#include "compiler/kpcompile/report.h"

namespace kproxy::kpcompile {
namespace {

void line(std::string& text, std::string_view name, std::size_t number, std::size_t width) {
  const std::string digits = std::to_string(number);
  text.append(name).append(width > name.size() ? width - name.size() : 0, ' ');
  text.append(digits.size() < 10 ? 10 - digits.size() : 1, ' ').append(digits) += '\n';
}

}  // namespace

std::string to_stats(const Compilation& compilation) {
  const Counts counts = count(compilation);
  std::size_t width = 16;
  std::size_t elements = 0;
  for (const auto& [set, number] : counts.elements) {
    if (number != 0) width = std::max(width, set.size() + 2);
    elements += number;
  }
  std::string text = "node " + compilation.ruleset.node().name + "\n\n";
  line(text, "Services", counts.services, width);
  line(text, "Service ports", counts.service_ports, width);
  line(text, "endpoints", counts.endpoints, width);
  line(text, "conflicts", counts.conflicts, width);
  text += '\n';
  line(text, "base chains", counts.base_chains, width);
  line(text, "chains", counts.chains, width);
  line(text, "rules", counts.rules, width);
  line(text, "sets", counts.sets, width);
  line(text, "maps", counts.maps, width);
  line(text, "elements", elements, width);
  for (const auto& [set, number] : counts.elements)
    if (number != 0) line(text, "  " + set, number, width);
  return text;
}

}  // namespace kproxy::kpcompile
