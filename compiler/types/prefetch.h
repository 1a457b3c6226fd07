// Asks the CPU for memory that is read a little later. A change in a large cluster meets objects
// that no cache holds any more; asked for together they are waited for once, and not one by one. It
// takes some ten requests at a time: what is read first must be asked for first. Changes no result.
#pragma once

#include <cstddef>
#include <vector>

namespace kproxy {

template <typename T>
void prefetch(const T* values, std::size_t count) {
  constexpr std::size_t kCacheLine = 64;
  const auto* bytes = reinterpret_cast<const char*>(values);
  for (std::size_t at = 0; at < count * sizeof(T); at += kCacheLine) __builtin_prefetch(bytes + at);
}

template <typename T>
void prefetch(const std::vector<T>& values) {
  prefetch(values.data(), values.size());
}

}  // namespace kproxy
