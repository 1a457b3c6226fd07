#include "runtime/log/repetition.h"

#include <utility>

namespace kproxy::log {

std::optional<std::size_t> Repetition::tell(std::string_view text, Clock::time_point now) {
  const std::lock_guard lock(mutex_);
  const auto known = by_text_.find(text);
  if (known == by_text_.end()) {
    heard_.push_front({std::string(text), now});
    by_text_.emplace(heard_.front().text, heard_.begin());
    if (heard_.size() > most_) {
      by_text_.erase(heard_.back().text);
      heard_.pop_back();
    }
    return 0;
  }
  Heard& heard = *known->second;
  heard_.splice(heard_.begin(), heard_, known->second);
  if (now - heard.said < interval_) {
    ++heard.kept_back;
    return std::nullopt;
  }
  heard.said = now;
  return std::exchange(heard.kept_back, 0);
}

}  // namespace kproxy::log
