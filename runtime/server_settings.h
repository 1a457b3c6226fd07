// What the daemon's servers serve, and where, as its configuration has it.
#pragma once

#include "runtime/config/command_line.h"
#include "runtime/serve/proxy_metrics.h"
#include "runtime/serve/servers.h"

namespace kproxy {

serve::BuildInfo build_info(const std::string& version);
// Without what changes while it is served: set_verbosity and the configuration.
serve::Settings server_settings(const config::CommandLine& line);

}  // namespace kproxy
