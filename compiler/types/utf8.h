// Which bytes are text.
#pragma once

#include <cstddef>
#include <string_view>

namespace kproxy {

// How many bytes the character has that the text begins with, in UTF-8: 1 to 4; 0 where the bytes
// are none. The text is not empty.
std::size_t utf8_size(std::string_view text);

}  // namespace kproxy
