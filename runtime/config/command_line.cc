#include "runtime/config/command_line.h"

#include <limits.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <iostream>

#include "compiler/options/flags.h"
#include "compiler/options/number.h"
#include "compiler/types/json_text.h"
#include "compiler/types/name.h"
#include "runtime/config/api_access.h"
#include "runtime/config/daemon_flags.h"
#include "runtime/config/effective.h"
#include "runtime/config/text_file.h"
#include "runtime/config/version.h"

namespace kproxy::config {
namespace {

constexpr const char* kExamples =
    R"(Commands:
  kproxy --config FILE           apply what the API server says, and follow it; SIGTERM ends it and
                                 leaves the rules
  kproxy --init-only             what needs more rights than a later start does, and exit
  kproxy --cleanup               remove what kproxy and kube-proxy left on this node
  kproxy --write-config-to FILE  write the settings down and exit

Without a cluster's API server:
  kproxy --snapshot FILE         apply, then follow the file
  kproxy --snapshot FILE --once  apply and exit
  kproxy verify --snapshot FILE  compare what the kernel holds with what it should; changes nothing

The snapshot is what kubectl writes as JSON:
  kubectl get services,endpointslices,nodes,servicecidrs -A -o json > cluster.json
  kproxy --snapshot cluster.json --node worker-1 --cluster-cidr 10.244.0.0/16
Leave out servicecidrs where the API server has none (by default before Kubernetes 1.33): kubectl
would get nothing. The file may be written in place, replaced by rename, or mounted from a ConfigMap.

Exit status: 0 done; 1 an error, or a difference from the file given with --golden.
Of verify, as of diff(1): 0 the same, 1 different, 2 trouble.)";

using options::Configuration;
using options::Values;

// --version, --version=raw, --version=v1.2.3.
struct VersionFlag {
  std::string given;

  bool wanted() const { return given == "raw" || options::parse_boolean(given).value_or(false); }
  bool wrong() const {
    return !given.empty() && !wanted() && options::parse_boolean(given) != false &&
           !is_semantic_version(given);
  }
  std::string reported() const {
    return std::string(is_semantic_version(given) ? std::string_view(given) : kKubernetesVersion);
  }
};

// The Node's name where nothing else names it.
Result<std::string> host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  if (gethostname(name, sizeof name - 1) != 0 || name[0] == '\0')
    return Error{"--hostname-override", "is needed: this host has no name", {}};
  if (!is_plain(name))
    return Error{"--hostname-override",
                 "is needed: this host's name, " + json_text(name) + ", can be no Node's",
                 {}};
  std::string lower = name;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

// One command line while it is read.
class Reader {
 public:
  explicit Reader(bool verify)
      : verify_(verify),
        app_("Serves Kubernetes Services on this node with one nftables table.",
             verify ? "kproxy verify" : "kproxy"),
        flags_((add_own_options(), app_)),
        daemon_flags_(app_) {}

  std::variant<CommandLine, Exit> read(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      app_.parse(arguments);
    } catch (const CLI::CallForHelp&) {
      std::cout << app_.help() << std::flush;
      return Exit{std::cout ? 0 : trouble(), {}};
    } catch (const CLI::ParseError& wrong) {
      std::string what = wrong.what();
      std::replace(what.begin(), what.end(), '\n', ' ');
      return Exit{trouble(), {{"", what, "see " + app_.get_name() + " --help"}}};
    }
    if (version_.wrong())
      return Exit{trouble(),
                  {{"--version", "is \"" + version_.given + "\"", "true, raw, or like v1.36.2"}}};
    if (version_.wanted()) return print_version();
    return settle();
  }

 private:
  int trouble() const { return verify_ ? 2 : 1; }

  void add_own_options() {
    app_.set_help_flag("-h,--help", "this text");
    app_.get_formatter()->column_width(34);
    app_.footer(kExamples);
    app_.add_flag("--version", version_.given,
                  "the version; =raw: all of it; =vX.Y.Z: the one to report");
    app_.add_option("--snapshot", result_.snapshot,
                    "the cluster's objects, or - for standard input")
        ->take_last()
        ->type_name("FILE");
    if (verify_) return;
    app_.add_flag("--once", once_, "apply the snapshot and exit")->take_last();
    app_.add_option("--golden", result_.golden,
                    "apply only what equals this reviewed ruleset, else show the difference")
        ->take_last()
        ->type_name("FILE");
    app_.add_flag("--init-only", init_only_,
                  "do what needs more rights than a later start does, and exit")
        ->take_last();
    app_.add_flag("--cleanup", cleanup_, "remove what is left on the node and exit")->take_last();
    app_.add_option("--write-config-to", result_.write_config_to,
                    "write the configuration in force to this file and exit")
        ->take_last()
        ->type_name("FILE");
  }

  Exit print_version() const {
    if (version_.given == "raw")
      std::cout << version_details(kKubernetesVersion) << std::endl;
    else
      std::cout << "Kubernetes " << kKubernetesVersion << std::endl;
    return Exit{std::cout ? 0 : trouble(), {}};
  }

  Command command() const {
    if (verify_) return Command::verify;
    if (!result_.write_config_to.empty()) return Command::write_config;
    if (cleanup_) return Command::cleanup;
    if (init_only_) return Command::init_only;
    return once_ ? Command::once : Command::follow;
  }

  std::variant<CommandLine, Exit> settle() {
    result_.command = command();
    Configuration configuration = flags_.configuration(
        read_text,
        result_.command == Command::cleanup ? options::Modes::any : options::Modes::nftables);
    Errors& errors = configuration.errors;
    const bool from_file = !flags_.config_file().empty();
    // Without the place of its fields, the file could not be read: there is nothing to judge.
    if (configuration.where) {
      daemon_flags_.override(configuration.fields, from_file, errors);
      result_.values = effective(configuration.fields, from_file ? Origin::file : Origin::flags);
      result_.settings = judge(result_.values, where(configuration, from_file), errors);
      result_.settings.client.master = daemon_flags_.master();
      // Also where nobody is asked: its pages show the flags all the same.
      if (const Status bare = bears_no_credentials("--master", daemon_flags_.master()); !bare)
        errors.push_back(bare.error());
    }
    if (!errors.empty()) return Exit{trouble(), std::move(errors)};

    result_.config_file = flags_.config_file();
    result_.version = version_.reported();
    result_.options = std::move(configuration.options);
    result_.warnings = std::move(configuration.warnings);
    result_.flags = listing();
    const bool runs = result_.command == Command::follow || result_.command == Command::init_only;
    if (result_.snapshot.empty() && (result_.command == Command::once ||
                                     result_.command == Command::verify || !result_.golden.empty()))
      return Exit{trouble(), {{"--snapshot", "is needed", "the file with the cluster's objects"}}};
    if (runs && result_.snapshot.empty()) {
      if (configuration.mode.empty())
        result_.warnings.push_back({where(configuration, from_file)("mode"),
                                    "is not set: kproxy serves with nftables, the only mode it has",
                                    "set it to nftables"});
      if (result_.options.node.empty()) {
        Result<std::string> name = host_name();
        if (!name) return Exit{trouble(), {name.error()}};
        result_.options.node = std::move(*name);
      }
    }
    return std::move(result_);
  }

  // Where a field stands: at the flag that gave it, or in the file.
  options::Where where(const Configuration& configuration, bool from_file) const {
    return [this, from_file, &configuration](std::string_view field) {
      const bool by_flag = !from_file || given_by_logging_flag(field);
      std::string place = by_flag ? daemon_flags_.place(field) : std::string();
      return place.empty() ? configuration.where(field) : place;
    };
  }

  bool given_by_logging_flag(std::string_view field) const {
    Errors said;
    Values given;
    daemon_flags_.override(given, true, said);
    return given.find(field.substr(0, field.find('['))) != given.end();
  }

  FlagValues listing() const {
    const auto boolean = [](bool value) { return std::string(value ? "true" : "false"); };
    FlagValues all{
        {"cleanup", boolean(cleanup_)},
        {"config", flags_.config_file()},
        {"golden", result_.golden},
        {"help", "false"},
        {"init-only", boolean(init_only_)},
        {"once", boolean(once_)},
        {"snapshot", result_.snapshot},
        {"version", version_.given.empty() ? "false" : version_.given},
        {"write-config-to", result_.write_config_to},
    };
    for (const auto& more : {flags_.fields().listing(), daemon_flags_.listing()})
      all.insert(all.end(), more.begin(), more.end());
    std::sort(all.begin(), all.end());
    return all;
  }

  const bool verify_;
  bool once_ = false, cleanup_ = false, init_only_ = false;
  VersionFlag version_;
  CommandLine result_;
  CLI::App app_;
  options::Flags flags_;
  DaemonFlags daemon_flags_;
};

}  // namespace

std::variant<CommandLine, Exit> parse_command_line(const std::vector<std::string>& arguments) {
  std::vector<std::string> rest = options::normalize_arguments(arguments);
  for (std::string& argument : rest)  // as klog's flags may be written
    if (argument.starts_with("-v=")) argument.insert(0, "-");
  const bool verify = !rest.empty() && rest.front() == "verify";
  if (verify) rest.erase(rest.begin());
  return Reader(verify).read(std::move(rest));
}

}  // namespace kproxy::config
