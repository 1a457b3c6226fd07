#include "runtime/serve/process_metrics.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace kproxy::serve {
namespace {

// A field of /proc/self/stat by its number in proc(5).
double stat_field(int number) {
  std::ifstream file("/proc/self/stat");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  // The second field is the program's name in parentheses, which may hold anything.
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return NAN;
  std::istringstream rest(text.substr(name_end + 1));
  std::string field;
  for (int i = 3; i <= number; ++i) rest >> field;
  return std::strtod(field.c_str(), nullptr);
}

// A field of /proc/self/status, given there in kB, in bytes.
double status_bytes(std::string_view name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(name)) return std::strtod(line.c_str() + name.size(), nullptr) * 1024;
  return NAN;
}

double limit(__rlimit_resource_t resource) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return NAN;
  return limit.rlim_cur == RLIM_INFINITY ? INFINITY : static_cast<double>(limit.rlim_cur);
}

double cpu_seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

double open_descriptors() {
  std::error_code error;
  const std::filesystem::directory_iterator folder("/proc/self/fd", error);
  if (error) return NAN;
  // Without the one that reads the folder.
  return static_cast<double>(std::distance(begin(folder), end(folder)) - 1);
}

// The kernel counts from boot, in ticks.
double start_time() {
  timespec since_boot{}, now{};
  clock_gettime(CLOCK_BOOTTIME, &since_boot);
  clock_gettime(CLOCK_REALTIME, &now);
  const double boot = static_cast<double>(now.tv_sec - since_boot.tv_sec) +
                      static_cast<double>(now.tv_nsec - since_boot.tv_nsec) / 1e9;
  return std::round((boot + stat_field(22) / static_cast<double>(sysconf(_SC_CLK_TCK))) * 100) /
         100;
}

// Of the network namespace, as Prometheus' own clients have it: received (0) or transmitted (8).
double network_bytes(int column) {
  std::ifstream file("/proc/self/net/dev");
  double bytes = 0;
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    std::istringstream numbers(line.substr(colon + 1));
    double number = 0;
    for (int i = 0; i <= column; ++i) numbers >> number;
    bytes += number;
  }
  return bytes;
}

}  // namespace

ProcessMetrics::ProcessMetrics(Registry& registry, Registry& sli_registry) {
  const auto add = [this](Registry& page, Computed::Type type, std::string_view name,
                          std::string_view help, std::function<double()> ask) {
    metrics_.push_back(std::make_unique<Computed>(page, type, name, help, std::move(ask)));
  };
  using enum Computed::Type;
  const double started = start_time();
  const std::string_view start_help = "When the process started, in Unix time.";
  // clang-format off
  add(registry, counter, "process_cpu_seconds_total", "Time on processors, in user and kernel mode.", cpu_seconds);
  add(registry, gauge, "process_open_fds", "Open file descriptors.", open_descriptors);
  add(registry, gauge, "process_max_fds", "How many file descriptors may be open.", [] { return limit(RLIMIT_NOFILE); });
  add(registry, gauge, "process_virtual_memory_bytes", "Virtual memory.", [] { return status_bytes("VmSize:"); });
  add(registry, gauge, "process_virtual_memory_max_bytes", "How much virtual memory there may be.", [] { return limit(RLIMIT_AS); });
  add(registry, gauge, "process_resident_memory_bytes", "Resident memory.", [] { return status_bytes("VmRSS:"); });
  add(registry, gauge, "kproxy_process_peak_resident_memory_bytes", "The most resident memory there has been.", [] { return status_bytes("VmHWM:"); });
  add(registry, counter, "process_network_receive_bytes_total", "Bytes received by the interfaces of the network namespace.", [] { return network_bytes(0); });
  add(registry, counter, "process_network_transmit_bytes_total", "Bytes sent by the interfaces of the network namespace.", [] { return network_bytes(8); });
  add(registry, gauge, "process_start_time_seconds", start_help, [started] { return started; });
  add(sli_registry, gauge, "process_start_time_seconds", start_help, [started] { return started; });
  // clang-format on
}

}  // namespace kproxy::serve
