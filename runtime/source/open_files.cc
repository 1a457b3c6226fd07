#include "runtime/source/open_files.h"

#include <sys/resource.h>
#include <sys/select.h>

#include <algorithm>

namespace kproxy::source {

void raise_open_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

void limit_open_files(pid_t child) {
  rlimit limit{};
  if (prlimit(child, RLIMIT_NOFILE, nullptr, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(FD_SETSIZE, limit.rlim_max);
  prlimit(child, RLIMIT_NOFILE, &limit, nullptr);
}

}  // namespace kproxy::source
