#include "runtime/source/trouble_text.h"

#include <algorithm>
#include <string_view>

namespace kproxy::source {
namespace {

struct Measure {
  std::string_view before, after;  // the number
  std::string_view instead;        // of all three
};
constexpr Measure kMeasures[] = {
    {" after ", " milliseconds", ""},
    {" after ", " ms", ""},
    {" with ", " bytes", " with bytes"},
};

void remove(const Measure& measure, std::string& text) {
  for (std::size_t at = 0; (at = text.find(measure.before, at)) != std::string::npos;) {
    const std::size_t number = at + measure.before.size();
    const std::size_t end = text.find_first_not_of("0123456789", number);
    if (end != number && end != std::string::npos &&
        std::string_view(text).substr(end).starts_with(measure.after))
      text.replace(at, end + measure.after.size() - at, measure.instead);
    at = std::min(at + 1, text.size());
  }
}

}  // namespace

std::string without_measures(std::string text) {
  for (const Measure& measure : kMeasures) remove(measure, text);
  return text;
}

}  // namespace kproxy::source
