#include "runtime/kernel/sysctls.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string>

#include "runtime/kernel/conntrack.h"

namespace kproxy::kernel {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMostEntries = 1 << 20;
constexpr std::int64_t kEntriesPerBucket = 4;

// Files of the kernel: read and written whole, in one go.
Result<std::string> read(const fs::path& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char text[4096];
  const ssize_t size = fd < 0 ? -1 : ::read(fd, text, sizeof text);
  const int error = errno;
  if (fd >= 0) close(fd);
  if (size < 0) return Error{path.string(), std::string("cannot be read: ") + strerror(error), ""};
  const std::string_view all(text, static_cast<std::size_t>(size));
  return std::string(all.substr(0, all.find_last_not_of(" \n") + 1));
}

Status write(const fs::path& path, const std::string& value) {
  const int fd = open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC);
  const ssize_t size = fd < 0 ? -1 : ::write(fd, value.data(), value.size());
  const int error = errno;
  if (fd >= 0) close(fd);
  if (size == static_cast<ssize_t>(value.size())) return ok_status();
  return Error{path.string(), "cannot be set to " + value + ": " + strerror(error),
               error == EROFS || error == EACCES || error == EPERM
                   ? "set it on the node, or run kproxy --init-only in a privileged container"
                   : ""};
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Writes only what is not so already.
void set(const fs::path& path, std::int64_t value, Errors& errors) {
  const Result<std::string> before = read(path);
  if (before && number(*before) == value) return;
  if (const Status written = write(path, std::to_string(value)); !written)
    errors.push_back(written.error());
}

// The table of buckets does not grow by itself.
void set_buckets(const fs::path& root, std::int64_t max, Errors& errors) {
  const fs::path path = root / "sys/module/nf_conntrack/parameters/hashsize";
  const Result<std::string> before = read(path);
  const std::optional<std::int64_t> buckets = before ? number(*before) : std::nullopt;
  if (!buckets) {
    errors.push_back(before ? Error{path.string(), "is not a number: " + *before, ""}
                            : before.error());
    return;
  }
  if (*buckets < max / kEntriesPerBucket) set(path, max / kEntriesPerBucket, errors);
}

}  // namespace

std::int64_t conntrack_max(const ConntrackSettings& settings, unsigned cpus) {
  if (settings.max_per_core <= 0) return 0;
  // Not multiplied before it is known to be small.
  const std::int64_t scaled = settings.max_per_core > kMostEntries / std::max(cpus, 1u)
                                  ? kMostEntries
                                  : settings.max_per_core * std::max(cpus, 1u);
  return std::max(scaled, settings.min);
}

unsigned count_cpus(const fs::path& root) {
  // Ranges, as "0-3,6".
  unsigned count = 0;
  const Result<std::string> online = read(root / "sys/devices/system/cpu/online");
  std::string_view rest = online ? std::string_view(*online) : std::string_view();
  while (!rest.empty()) {
    const std::string_view range = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(range.size() + 1, rest.size()));
    const auto dash = range.find('-');
    const auto first = number(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : number(range.substr(dash + 1));
    if (!first || !last || *last < *first) return 1;
    count += static_cast<unsigned>(*last - *first + 1);
  }
  if (count > 0) return count;
  cpu_set_t own;
  if (sched_getaffinity(0, sizeof own, &own) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&own));
}

Errors set_conntrack(const ConntrackSettings& settings, const fs::path& root) {
  const fs::path net = root / "proc/sys/net/netfilter";
  Errors errors;
  std::error_code error;
  if (!fs::exists(net / "nf_conntrack_max", error)) load_conntrack();
  if (const std::int64_t max = conntrack_max(settings, count_cpus(root)); max > 0) {
    set(net / "nf_conntrack_max", max, errors);
    set_buckets(root, max, errors);
  }
  const auto set_timeout = [&](const char* name, std::chrono::seconds timeout) {
    if (timeout.count() > 0) set(net / name, timeout.count(), errors);
  };
  set_timeout("nf_conntrack_tcp_timeout_established", settings.tcp_established_timeout);
  set_timeout("nf_conntrack_tcp_timeout_close_wait", settings.tcp_close_wait_timeout);
  set_timeout("nf_conntrack_udp_timeout", settings.udp_timeout);
  set_timeout("nf_conntrack_udp_timeout_stream", settings.udp_stream_timeout);
  if (settings.tcp_be_liberal) set(net / "nf_conntrack_tcp_be_liberal", 1, errors);
  return errors;
}

Status set_oom_score_adj(int value, const fs::path& root) {
  return write(root / "proc/self/oom_score_adj", std::to_string(value));
}

bool has_ipv6(const fs::path& root) {
  std::error_code error;
  if (!fs::exists(root / "proc/net/if_inet6", error)) return false;
  const Result<std::string> disabled = read(root / "proc/sys/net/ipv6/conf/all/disable_ipv6");
  return !disabled || *disabled != "1";
}

}  // namespace kproxy::kernel
