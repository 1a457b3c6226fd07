#include "runtime/source/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace kproxy::source {

Poller::Poller()
    : poll_(epoll_create1(EPOLL_CLOEXEC)),
      timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  if (poll_ >= 0 && timer_ >= 0) watch(timer_, EPOLLIN);
}

Poller::~Poller() {
  if (timer_ >= 0) close(timer_);
  if (poll_ >= 0) close(poll_);
}

Status Poller::status() const {
  if (poll_ >= 0 && timer_ >= 0) return ok_status();
  return Error{"API server", std::string("cannot be waited for: ") + std::strerror(errno), ""};
}

void Poller::watch(int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(poll_, EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT)
    epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event);
}

void Poller::forget(int fd) {
  epoll_ctl(poll_, EPOLL_CTL_DEL, fd, nullptr);
}

void Poller::set_timer(std::optional<std::chrono::nanoseconds> in) {
  itimerspec time{};  // zero: never
  if (in) {
    const auto count = std::max<std::int64_t>(in->count(), 1);
    time.it_value.tv_sec = count / 1'000'000'000;
    time.it_value.tv_nsec = count % 1'000'000'000;
  }
  timerfd_settime(timer_, 0, &time, nullptr);
}

std::vector<Poller::Ready> Poller::ready() {
  epoll_event events[16];
  const int count = epoll_wait(poll_, events, std::size(events), 0);
  std::vector<Ready> all;
  for (int i = 0; i < count; ++i) all.push_back({events[i].data.fd, events[i].events});
  return all;
}

}  // namespace kproxy::source
