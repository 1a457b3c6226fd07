// What is done about a configuration file that has changed while kproxy runs.
//
// One that was written in place, or replaced where it lies, ends the process, as it ends
// kube-proxy's. One that a symlink leads to now, which is how a ConfigMap changes and which
// kube-proxy does not notice, is asked for what differs: the command line is parsed again, which
// reads the file anew, and compared with the one in force. A file that is wrong then changes
// nothing.
#pragma once

#include <cstdint>

#include "runtime/config/command_line.h"

namespace kproxy::config {

enum class Reaction : std::uint8_t {
  nothing,   // there is no difference that counts
  in_place,  // what differs can be changed while running (logging, how often to sync), or is only
             // shown, since it has no effect
  restart,   // exit, with kFileUpdated; whoever supervises the process starts it anew
};

inline constexpr const char* kFileUpdated =
    "content of the proxy server's configuration file was updated";

Reaction react(const CommandLine& before, const CommandLine& after);

}  // namespace kproxy::config
