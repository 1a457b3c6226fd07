// Preloaded into a program (LD_PRELOAD), lets time pass for it as many times faster as HURRY in its
// environment says, for tests of what takes minutes. The time of day stays as it is.
#include <dlfcn.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

namespace {

constexpr long kSecond = 1'000'000'000;

long factor() {
  static const char* const text = getenv("HURRY");
  static const long value = text == nullptr ? 1 : atol(text);
  return value;
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static auto* const really = next<int(clockid_t, timespec*)>("clock_gettime");
  const int status = really(clock, time);
  if (status != 0 || clock != CLOCK_MONOTONIC) return status;
  const long now = time->tv_sec * kSecond + time->tv_nsec;
  static const long begin = now;
  const long hurried = begin + (now - begin) * factor();
  *time = {hurried / kSecond, hurried % kSecond};
  return 0;
}

extern "C" int poll(pollfd* descriptors, nfds_t count, int milliseconds) {
  static auto* const really = next<int(pollfd*, nfds_t, int)>("poll");
  const auto hurried = static_cast<int>((milliseconds + factor() - 1) / factor());
  return really(descriptors, count, milliseconds > 0 ? hurried : milliseconds);
}
