// Replaces what a vector holds, in its own memory where that fits. What lives long and changes
// often then stays where it is: a block that moves at every change leaves a hole each time, and the
// holes add up.
#pragma once

#include <iterator>
#include <utility>
#include <vector>

namespace kproxy {

// `held` becomes `fresh`. It never has more than twice the room it needs.
template <typename T>
void replace(std::vector<T>& held, std::vector<T> fresh) {
  if (fresh.size() > held.capacity() || held.capacity() > 2 * fresh.size())
    held = std::move(fresh);
  else
    held.assign(std::make_move_iterator(fresh.begin()), std::make_move_iterator(fresh.end()));
}

}  // namespace kproxy
