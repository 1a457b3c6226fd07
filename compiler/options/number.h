// Numbers and booleans as configurations and flags write them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace kproxy::options {

// Nothing where the text is no number, or does not fit.
std::optional<std::int64_t> parse_integer(std::string_view text);
std::optional<double> parse_number(std::string_view text);

// As Go's flags have it: 1, t, T, TRUE, true, True, and their opposites.
std::optional<bool> parse_boolean(std::string_view text);

}  // namespace kproxy::options
