// What kproxy does once, and exits. Each returns the exit status.
#pragma once

#include "runtime/config/command_line.h"
#include "runtime/log/log.h"

namespace kproxy {

// Applies the snapshot file; 1 also where the kernel would not take some of it.
int apply_once(const config::CommandLine& settings, const log::Log& log);
// Says on stdout how the kernel differs: 0 it does not, 1 it does, 2 trouble.
int verify(const config::CommandLine& settings, const log::Log& log);
// Removes our table, and what any mode of kube-proxy left.
int clean_up(const log::Log& log);
// What needs more rights than a start needs afterwards: kernel settings, what other modes left.
// Asks no API server.
int initialize(const config::CommandLine& settings, const log::Log& log);

// The kernel settings of that configuration.
Errors set_kernel_settings(const config::Conntrack& settings);

}  // namespace kproxy
