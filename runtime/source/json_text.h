// Text as a JSON string, in its quotes.
#pragma once

#include <string>
#include <string_view>

namespace kproxy::source {

// What is no UTF-8 becomes U+FFFD.
std::string json_text(std::string_view text);

}  // namespace kproxy::source
