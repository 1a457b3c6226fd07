// The command line of kproxy: what to do, and with which settings.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "compiler/options/options.h"
#include "compiler/types/error.h"

namespace kproxy::config {

enum class Command : std::uint8_t {
  follow,   // apply, then follow the snapshot file until told to stop
  once,     // apply and exit
  verify,   // compare the kernel with the snapshot
  cleanup,  // remove the table
};

struct CommandLine {
  Command command = Command::follow;
  std::string snapshot;  // path, or "-"
  std::string golden;    // path of the reviewed ruleset; empty: none
  int verbosity = 0;
  options::Options options;
  Errors warnings;
};

// Nothing is to be done any more, but to exit with this status: after --help and --version (which
// went to stdout), or with Errors that say what is wrong.
struct Exit {
  int status = 0;
  Errors errors;
};

// The arguments after the program's name.
std::variant<CommandLine, Exit> parse_command_line(const std::vector<std::string>& arguments);

}  // namespace kproxy::config
