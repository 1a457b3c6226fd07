// Waiting for a condition, instead of for a time.
#pragma once

#include <chrono>
#include <thread>

namespace kproxy::tests {

// Tries until it is so; some seconds at most.
template <typename Condition>
bool becomes(Condition so) {
  for (int i = 0; i < 2000; ++i) {
    if (so()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace kproxy::tests
