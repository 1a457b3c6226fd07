#include "compiler/types/json_text.h"

#include <algorithm>

#include "compiler/types/utf8.h"

namespace kproxy {

std::string json_text(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string json = "\"";
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    const auto c = static_cast<unsigned char>(text.front());
    if (size == 0) {
      json += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      (json += '\\') += text.front();
    } else if (c == '\n') {
      json += "\\n";
    } else if (c == '\t') {
      json += "\\t";
    } else if (c < 0x20 || c == 0x7f) {
      (json += "\\u00").append({kHex[c >> 4], kHex[c & 15]});
    } else {
      json += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return json + '"';
}

}  // namespace kproxy
