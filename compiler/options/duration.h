// Durations as Kubernetes writes them: "30s", "1h30m", "1.5h", "-5ms", "0".
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

namespace kproxy::options {

// Nothing where the text is no duration or does not fit.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace kproxy::options
