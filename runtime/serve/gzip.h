// Content-Encoding: gzip.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace kproxy::serve {

// Nothing if there is no memory for it.
std::optional<std::string> gzip(std::string_view data);

}  // namespace kproxy::serve
