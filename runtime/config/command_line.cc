#include "runtime/config/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "compiler/options/flags.h"
#include "runtime/config/text_file.h"

namespace kproxy::config {
namespace {

constexpr const char* kExamples =
    R"(Commands:
  kproxy --snapshot FILE         apply, then follow the file; SIGTERM ends it and leaves the rules
  kproxy --snapshot FILE --once  apply and exit
  kproxy verify --snapshot FILE  compare what the kernel holds with what it should; changes nothing
  kproxy --cleanup               remove the table inet kproxy

The snapshot is what kubectl writes as JSON:
  kubectl get services,endpointslices,nodes,servicecidrs -A -o json > cluster.json
  kproxy --snapshot cluster.json --node worker-1 --cluster-cidr 10.244.0.0/16
It may be written in place, replaced by rename, or mounted from a ConfigMap.

Exit status: 0 done; 1 an error, or a difference from the file given with --golden.
Of verify, as of diff(1): 0 the same, 1 different, 2 trouble.)";

}  // namespace

std::variant<CommandLine, Exit> parse_command_line(const std::vector<std::string>& arguments) {
  std::vector<std::string> rest = options::normalize_arguments(arguments);
  for (std::string& argument : rest)  // as klog's flags may be written
    if (argument.starts_with("-v=")) argument.insert(0, "-");
  CommandLine result;
  const bool verify = !rest.empty() && rest.front() == "verify";
  const int trouble = verify ? 2 : 1;
  if (verify) rest.erase(rest.begin());

  CLI::App app("Serves Kubernetes Services on this node with one nftables table.",
               verify ? "kproxy verify" : "kproxy");
  app.set_help_flag("-h,--help", "this text");
  app.set_version_flag("--version", "kproxy " KPROXY_VERSION, "the version");
  app.get_formatter()->column_width(34);
  app.footer(kExamples);
  bool once = false, cleanup = false;
  app.add_option("--snapshot", result.snapshot, "the cluster's objects, or - for standard input")
      ->type_name("FILE");
  if (!verify) {
    app.add_flag("--once", once, "apply the snapshot and exit");
    app.add_flag("--cleanup", cleanup, "remove the table and exit");
    app.add_option("--golden", result.golden,
                   "apply only what equals this reviewed ruleset, else show the difference")
        ->type_name("FILE");
  }
  app.add_option("-v,--v", result.verbosity, "log verbosity: 2 tells of each sync")->type_name("N");
  const options::Flags flags(app);

  std::reverse(rest.begin(), rest.end());  // as CLI11 wants them
  try {
    app.parse(rest);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help() << std::flush;
    return Exit{std::cout ? 0 : trouble, {}};
  } catch (const CLI::CallForVersion& version) {
    std::cout << version.what() << std::endl;
    return Exit{std::cout ? 0 : trouble, {}};
  } catch (const CLI::ParseError& wrong) {
    std::string what = wrong.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    return Exit{trouble, {{"", what, "see " + app.get_name() + " --help"}}};
  }

  options::Configuration configuration = flags.configuration(read_text);
  if (!configuration.errors.empty()) return Exit{trouble, std::move(configuration.errors)};
  result.options = std::move(configuration.options);
  result.warnings = std::move(configuration.warnings);
  result.command = verify    ? Command::verify
                   : cleanup ? Command::cleanup
                   : once    ? Command::once
                             : Command::follow;
  if (result.snapshot.empty() && !cleanup)
    return Exit{trouble, {{"--snapshot", "is needed", "the file with the cluster's objects"}}};
  return result;
}

}  // namespace kproxy::config
