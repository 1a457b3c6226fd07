// What kproxy sets on the node beside its rules, at start and never again: limits and timeouts of
// connection tracking, and how willingly the kernel ends kproxy itself. A value that is right is
// not written, so that a node prepared by somebody with more rights (--init-only) needs none.
//
// All functions take the root of the file system ("/"); tests have one of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>

#include "compiler/types/error.h"

namespace kproxy::kernel {

// As KubeProxyConfiguration.conntrack, with its defaults. What is 0 is left as it is.
struct ConntrackSettings {
  std::int64_t max_per_core = 32768;
  std::int64_t min = 131072;  // of max_per_core times the CPUs
  std::chrono::seconds tcp_established_timeout{86400};
  std::chrono::seconds tcp_close_wait_timeout{3600};
  std::chrono::seconds udp_timeout{0};
  std::chrono::seconds udp_stream_timeout{0};
  bool tcp_be_liberal = false;
};

// The limit of entries that these settings mean on a machine with so many CPUs; 0: none.
std::int64_t conntrack_max(const ConntrackSettings& settings, unsigned cpus);

// Logical CPUs that are online, by sysfs; else as many as this process may use.
unsigned count_cpus(const std::filesystem::path& root);

// Returns what could not be set; the rest is.
Errors set_conntrack(const ConntrackSettings& settings, const std::filesystem::path& root = "/");

// Of this process. From -1000 to 1000.
Status set_oom_score_adj(int value, const std::filesystem::path& root = "/");

// Whether the kernel has IPv6, switched on.
bool has_ipv6(const std::filesystem::path& root = "/");

}  // namespace kproxy::kernel
