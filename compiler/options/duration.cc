#include "compiler/options/duration.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <utility>

namespace kproxy::options {
namespace {

// Longer names first where one begins with another.
constexpr std::array<std::pair<std::string_view, double>, 8> kUnits{{
    {"ns", 1.0},
    {"us", 1e3},
    {"\xc2\xb5s", 1e3},  // micro sign
    {"\xce\xbcs", 1e3},  // Greek mu
    {"ms", 1e6},
    {"s", 1e9},
    {"m", 60e9},
    {"h", 3600e9},
}};

}  // namespace

std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return std::chrono::nanoseconds(0);
  if (text.empty()) return std::nullopt;
  double total = 0;
  while (!text.empty()) {
    const std::size_t digits = text.find_first_not_of("0123456789.");
    if (digits == 0 || digits == std::string_view::npos) return std::nullopt;
    double number = 0;
    const auto [end, failure] =
        std::from_chars(text.data(), text.data() + digits, number, std::chars_format::fixed);
    if (failure != std::errc() || end != text.data() + digits) return std::nullopt;
    text.remove_prefix(digits);
    bool known = false;
    for (const auto& [unit, nanoseconds] : kUnits) {
      if (!text.starts_with(unit)) continue;
      total += number * nanoseconds;
      text.remove_prefix(unit.size());
      known = true;
      break;
    }
    if (!known) return std::nullopt;
  }
  if (total >= 9.2e18) return std::nullopt;
  const auto count = static_cast<std::int64_t>(std::llround(total));
  return std::chrono::nanoseconds(negative ? -count : count);
}

}  // namespace kproxy::options
