// Says a trouble once, and then only from time to time: what fails for each packet, each sync or
// each retry must not fill the disk, nor hide other lines.
//
//   if (const auto again = repetition.tell(error.message(), Clock::now()))
//     log.error("Cannot sync", error, {{"repeated", *again}});
//
// Texts that are the same are one trouble; so a text names the object and the reason. Remembers so
// many texts, and forgets the one that was not heard for longest. Any thread; a mutex and a lookup.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace kproxy::log {

class Repetition {
 public:
  using Clock = std::chrono::steady_clock;

  // interval: the least time between two lines of one trouble.
  explicit Repetition(Clock::duration interval = std::chrono::minutes(5), std::size_t most = 1024)
      : interval_(interval), most_(most) {}
  Repetition(const Repetition&) = delete;
  Repetition& operator=(const Repetition&) = delete;

  // Nothing: it shall not be said now. Else how often it was kept back since it was said last.
  std::optional<std::size_t> tell(std::string_view text, Clock::time_point now);

 private:
  struct Heard {
    std::string text;
    Clock::time_point said;
    std::size_t kept_back = 0;
  };

  const Clock::duration interval_;
  const std::size_t most_;
  std::mutex mutex_;
  std::list<Heard> heard_;  // the one heard last is in front
  std::unordered_map<std::string_view, std::list<Heard>::iterator> by_text_;  // of heard_
};

}  // namespace kproxy::log
