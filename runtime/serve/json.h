// Strings for JSON.
#pragma once

#include <string>
#include <string_view>

namespace kproxy::serve {

// With quotes; bytes above 0x7f as they are.
std::string json_quoted(std::string_view text);

}  // namespace kproxy::serve
