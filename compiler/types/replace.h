// Replaces what a vector holds, in its own memory where that fits. What lives long and changes
// often then stays where it is: a block that moves at every change leaves a hole each time, and the
// holes add up.
#pragma once

#include <cstddef>
#include <iterator>
#include <utility>
#include <vector>

namespace kproxy {

// `held` becomes `fresh`. Returns whether that is another value. Where they are as many, it writes
// the members that differ and no others; else `held` has at most twice the room it needs then.
template <typename T>
bool replace(std::vector<T>& held, std::vector<T> fresh) {
  if (held.size() == fresh.size()) {
    bool changed = false;
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      if (held[i] == fresh[i]) continue;
      held[i] = std::move(fresh[i]);
      changed = true;
    }
    return changed;
  }
  if (fresh.size() > held.capacity() || held.capacity() > 2 * fresh.size())
    held = std::move(fresh);
  else
    held.assign(std::make_move_iterator(fresh.begin()), std::make_move_iterator(fresh.end()));
  return true;
}

}  // namespace kproxy
