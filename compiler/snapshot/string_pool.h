// Keeps one copy of each distinct string and hands out views of it that stay valid as long as the
// pool. For names that many objects share (nodes, zones): a cluster has few of them and 100,000s of
// endpoints that bear them. Grows with the distinct strings ever seen. Not thread-safe.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace kproxy::snapshot {

class StringPool {
 public:
  std::string_view intern(std::string_view text) {
    if (text.empty()) return {};
    auto found = strings_.find(text);
    if (found == strings_.end()) found = strings_.emplace(text).first;
    return *found;
  }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> strings_;  // nodes do not move
};

}  // namespace kproxy::snapshot
