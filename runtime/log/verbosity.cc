#include "runtime/log/verbosity.h"

#include <fnmatch.h>

#include <algorithm>
#include <charconv>
#include <mutex>

namespace kproxy::log {

void Verbosity::set_modules(std::string_view vmodule) {
  std::vector<std::pair<std::string, int>> modules;
  while (!vmodule.empty()) {
    const std::string_view item = vmodule.substr(0, vmodule.find(','));
    vmodule.remove_prefix(std::min(item.size() + 1, vmodule.size()));
    const std::size_t equals = item.rfind('=');
    if (equals == std::string_view::npos || equals == 0) continue;
    int level = 0;
    const auto [end, failure] =
        std::from_chars(item.data() + equals + 1, item.data() + item.size(), level);
    if (failure == std::errc() && end == item.data() + item.size())
      modules.emplace_back(item.substr(0, equals), level);
  }
  const std::unique_lock lock(mutex_);
  modules_ = std::move(modules);
  any_.store(!modules_.empty(), std::memory_order_release);
}

bool Verbosity::wants(int level, std::string_view file) const {
  if (level <= this->level()) return true;
  if (!any_.load(std::memory_order_acquire)) return false;
  const std::size_t slash = file.rfind('/') + 1;  // 0 without one
  const std::string path(file.substr(0, std::max(file.rfind('.') + 1, slash + 1) - 1));
  const std::string name = path.substr(slash);
  const std::shared_lock lock(mutex_);
  for (const auto& [pattern, limit] : modules_) {
    const std::string& subject = pattern.find('/') == std::string::npos ? name : path;
    if (fnmatch(pattern.c_str(), subject.c_str(), 0) == 0) return level <= limit;
  }
  return false;
}

}  // namespace kproxy::log
