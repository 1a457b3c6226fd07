// Clocks, memory and results for the programs here. Time comes as wall time and as CPU time of the
// process, user and system together: netlink does its work within the sender's system calls, so
// that CPU time is what a quiet machine would take, also where others keep this one busy.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace kproxy::bench {

inline double milliseconds(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
}

struct Span {
  double cpu = 0, wall = 0;  // milliseconds
};

class Stopwatch {
 public:
  Span read() const {
    return {milliseconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_, milliseconds(CLOCK_MONOTONIC) - wall_};
  }

 private:
  double wall_ = milliseconds(CLOCK_MONOTONIC);
  double cpu_ = milliseconds(CLOCK_PROCESS_CPUTIME_ID);
};

// What a program found out, a line each: "name value".
inline void report(const std::string& name, double value) {
  std::printf("%s %.4f\n", name.c_str(), value);
}
inline void report(const std::string& name, Span span) {
  report(name + ".cpu_ms", span.cpu);
  report(name + ".wall_ms", span.wall);
}
// Of many: the median of each.
inline void report(const std::string& name, const std::vector<Span>& spans) {
  std::vector<double> cpu, wall;
  for (const Span& span : spans) cpu.push_back(span.cpu), wall.push_back(span.wall);
  for (auto* values : {&cpu, &wall}) std::sort(values->begin(), values->end());
  if (!spans.empty()) report(name, Span{cpu[cpu.size() / 2], wall[wall.size() / 2]});
}

// A line of /proc/self/status, in MB: "VmRSS" now, "VmHWM" at most so far.
inline double memory(const char* line) {
  double kilobytes = 0;
  std::FILE* file = std::fopen("/proc/self/status", "r");
  if (file == nullptr) return 0;
  for (char text[256]; std::fgets(text, sizeof text, file) != nullptr;)
    if (std::strncmp(text, line, std::strlen(line)) == 0)
      std::sscanf(text + std::strlen(line), ": %lf", &kilobytes);
  std::fclose(file);
  return kilobytes / 1024;
}
// Lets VmHWM begin anew.
inline void forget_peak() {
  const int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (write(fd, "5", 1) != 1) std::perror("/proc/self/clear_refs");
  close(fd);
}

// Puts the process into a network namespace of its own, which ends with it.
inline bool enter_network_namespace() {
  if (unshare(CLONE_NEWNET) == 0) return true;
  std::perror("cannot make a network namespace (needs root)");
  return false;
}

}  // namespace kproxy::bench
