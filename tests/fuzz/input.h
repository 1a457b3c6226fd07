// What the fuzzers have in common: their one function, and how they say that something is wrong.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "compiler/snapshot/decode.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace kproxy::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// Ends the program, which counts as found, if what must always hold does not.
inline void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

// The text in pieces of that size.
inline snapshot::ReadBytes in_pieces(std::string_view text, std::size_t piece) {
  return [text, piece](char* buffer, std::size_t size) mutable {
    size = std::min({size, piece, text.size()});
    std::memcpy(buffer, text.data(), size);
    text.remove_prefix(size);
    return size;
  };
}

}  // namespace kproxy::fuzz
