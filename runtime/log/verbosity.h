// Which lines of information are wanted: those up to a level, and for single source files those up
// to another one, as klog's -v and --vmodule have it.
//
// Any thread may ask and set. Asking is one atomic load where the level decides, or where no file
// has a level of its own; else a shared lock and a match for each pattern.
#pragma once

#include <atomic>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kproxy::log {

class Verbosity {
 public:
  explicit Verbosity(int level) : level_(level) {}
  Verbosity(const Verbosity&) = delete;
  Verbosity& operator=(const Verbosity&) = delete;

  int level() const { return level_.load(std::memory_order_relaxed); }
  void set_level(int level) { level_.store(level, std::memory_order_relaxed); }

  // "PATTERN=N,...": a source file's name without its extension ("daemon"), or, with a '/', its
  // path
  // ("*/apply/engine"); with the wildcards *, ? and [...]. The first that matches counts. What is
  // no such item is left out.
  void set_modules(std::string_view vmodule);

  // Whether lines of that level are wanted from that file (a path).
  bool wants(int level, std::string_view file) const;

 private:
  std::atomic<int> level_;
  std::atomic<bool> any_{false};  // modules_ are there
  mutable std::shared_mutex mutex_;
  std::vector<std::pair<std::string, int>> modules_;
};

}  // namespace kproxy::log
