// Text as a JSON string, in its quotes; YAML takes it as well.
#pragma once

#include <string>
#include <string_view>

namespace kproxy {

// Whatever the bytes: a byte that is no UTF-8 becomes U+FFFD.
std::string json_text(std::string_view text);

}  // namespace kproxy
