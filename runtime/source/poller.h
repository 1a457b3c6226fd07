// File descriptors and a timer behind one file descriptor, which is readable when one of them is
// ready or the time has come. Pollers nest. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/types/error.h"

namespace kproxy::source {

class Poller {
 public:
  struct Ready {
    int fd;
    std::uint32_t events;  // EPOLLIN and the like
  };

  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  // Whether it could be made.
  Status status() const;
  int fd() const { return poll_; }

  // Adds a file descriptor, or asks other events of one that is known.
  void watch(int fd, std::uint32_t events);
  void forget(int fd);
  // From now on; nothing: never. Replaces the time set before.
  void set_timer(std::optional<std::chrono::nanoseconds> in);

  // Those that are ready now, at most 16 of them. Does not wait.
  std::vector<Ready> ready();
  // Among them, for the timer: stands for it until it is set again.
  int timer() const { return timer_; }

 private:
  int poll_;
  int timer_;
};

}  // namespace kproxy::source
