#include "compiler/options/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "compiler/options/settings.h"

namespace kproxy::options {
namespace {

constexpr const char* kGroup = "Options of kube-proxy";

// In the order in which --help shows them.
constexpr FlagOfField kFlags[] = {
    {"--node,--hostname-override", "hostnameOverride", "NAME", "the Node to serve"},
    {"--cluster-cidr", "clusterCIDR", "CIDR[,CIDR]",
     "the pods' addresses, one CIDR or one of each family"},
    {"--detect-local-mode", "detectLocalMode", "MODE",
     "how pods are told from others: ClusterCIDR (default), NodeCIDR, BridgeInterface or "
     "InterfaceNamePrefix"},
    {"--pod-bridge-interface", "detectLocal.bridgeInterface", "NAME",
     "the pods' bridge, for BridgeInterface"},
    {"--pod-interface-name-prefix", "detectLocal.interfaceNamePrefix", "PREFIX",
     "how the pods' interfaces begin, for InterfaceNamePrefix"},
    {"--masquerade-all", "nftables.masqueradeAll", "", "masquerade all traffic to ClusterIPs"},
    {"--masquerade-bit", "nftables.masqueradeBit", "BIT",
     "the bit of the packet mark to use, 0..31 (default 14)"},
    {"--nodeport-addresses", "nodePortAddresses", "CIDR[,CIDR...]|primary",
     "local addresses that accept node ports; default: primary, the node's primary ones"},
    {"--bind-address", "bindAddress", "IP", "names the node's primary address"},
    {"--feature-gates", "featureGates", "NAME=BOOL[,...]",
     "for instance AllowServiceExternalIPs=false"},
    {"--proxy-mode", "mode", "MODE", "nftables, the only mode there is"},
    {"--iptables-masquerade-bit", "iptables.masqueradeBit", "BIT", "accepted without effect"},
};
constexpr std::string_view kHostname = "hostnameOverride";

}  // namespace

Flags::Flags(CLI::App& app) : fields_(app, kFlags, kGroup) {
  app.add_option("--config", config_,
                 "a KubeProxyConfiguration, YAML or JSON; of the options above only --node still "
                 "counts")
      ->take_last()
      ->type_name("FILE")
      ->group(kGroup);
}

Configuration Flags::configuration(const ReadText& read_text, Modes modes) const {
  Configuration configuration = config_.empty() ? from_flags() : from_file(read_text);
  if (modes == Modes::nftables)
    require_nftables_mode(configuration.mode, configuration.where, configuration.errors);
  return configuration;
}

Configuration Flags::from_file(const ReadText& read_text) const {
  const Result<std::string> text = read_text(config_);
  if (!text) {
    Configuration unread;
    unread.errors.push_back(text.error());
    return unread;
  }
  Configuration configuration = read_configuration(config_, *text);
  override_node(configuration);
  return configuration;
}

Configuration Flags::from_flags() const {
  Configuration result;
  result.fields = fields_.values(result.errors);
  result.where = [this](std::string_view field) { return fields_.place(field); };
  result.mode = text_of(result.fields, "mode");
  result.options = check(settings_of(result.fields), result.where, result.errors);
  return result;
}

void Flags::override_node(Configuration& configuration) const {
  const Values flags =
      fields_.values(configuration.errors);  // of the others only their types count
  const auto given = flags.find(kHostname);
  if (given == flags.end()) return;
  Settings settings;
  settings.hostname_override = given->second.front();
  const Where where = [this](std::string_view field) { return fields_.place(field); };
  configuration.options.node = check(settings, where, configuration.errors).node;
  configuration.fields[given->first] = given->second;
}

std::vector<std::string> normalize_arguments(const std::vector<std::string>& arguments) {
  std::vector<std::string> result;
  bool flags = true;  // until "--"
  for (const std::string& argument : arguments) {
    flags = flags && argument != "--";
    if (!flags || !argument.starts_with("--")) {
      result.push_back(argument);
      continue;
    }
    const std::size_t equals = std::min(argument.find('='), argument.size());
    std::string name = argument.substr(0, equals);
    std::replace(name.begin(), name.end(), '_', '-');
    if (equals + 1 != argument.size()) {
      result.push_back(name + argument.substr(equals));
      continue;
    }
    // Empty: not given, and neither is what was given before.
    std::erase_if(result, [&](const std::string& given) { return given.starts_with(name + "="); });
  }
  return result;
}

}  // namespace kproxy::options
