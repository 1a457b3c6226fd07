// The command line of kproxy: what to do, and with which settings.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "compiler/options/options.h"
#include "compiler/types/error.h"
#include "runtime/config/settings.h"

namespace kproxy::config {

enum class Command : std::uint8_t {
  follow,     // apply, then follow the API server, or the snapshot file, until told to stop
  once,       // apply the snapshot file and exit
  verify,     // compare the kernel with the snapshot file
  cleanup,    // remove what any mode of kube-proxy, and kproxy, left on the node
  init_only,  // what needs more privileges than a later start: kernel settings, cleanup of others
  write_config,  // write `values` as a KubeProxyConfiguration to `write_config_to`
};

// Values as the operator sees them on /flagz: each flag with what it was given or its default.
using FlagValues = std::vector<std::pair<std::string, std::string>>;

struct CommandLine {
  Command command = Command::follow;
  std::string snapshot;  // path, or "-"; empty: the API server is the source
  std::string golden;    // path of the reviewed ruleset; empty: none
  std::string write_config_to;
  std::string config_file;  // path; empty: none was given
  std::string version;      // of Kubernetes, as it is to be reported: "v1.36.2"
  options::Options options;
  Settings settings;
  options::Values values;  // the effective configuration, for /configz
  FlagValues flags;        // sorted, for /flagz
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
