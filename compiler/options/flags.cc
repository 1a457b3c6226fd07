#include "compiler/options/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "compiler/options/settings.h"

namespace kproxy::options {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kFlagOfField{{
    {"hostnameOverride", "--node"},
    {"mode", "--proxy-mode"},
    {"bindAddress", "--bind-address"},
    {"detectLocalMode", "--detect-local-mode"},
    {"clusterCIDR", "--cluster-cidr"},
    {"detectLocal.bridgeInterface", "--pod-bridge-interface"},
    {"detectLocal.interfaceNamePrefix", "--pod-interface-name-prefix"},
    {"nftables.masqueradeBit", "--masquerade-bit"},
    {"iptables.masqueradeBit", "--iptables-masquerade-bit"},
    {"nodePortAddresses", "--nodeport-addresses"},
    {"featureGates", "--feature-gates"},
}};

// "--cluster-cidr: KubeProxyConfiguration.clusterCIDR".
std::string place(std::string_view field) {
  std::string text;
  for (const auto& [known, flag] : kFlagOfField) {
    if (!field.starts_with(known)) continue;
    const std::string_view rest = field.substr(known.size());
    if (rest.empty() || rest.front() == '[' || rest.front() == '.') text.append(flag).append(": ");
  }
  return text.append("KubeProxyConfiguration.").append(field);
}

std::vector<std::string> split(const std::vector<std::string>& lists) {
  std::vector<std::string> items;
  for (const std::string& list : lists) {
    for (std::size_t begin = 0; begin < list.size();) {
      const std::size_t comma = std::min(list.find(',', begin), list.size());
      items.push_back(list.substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
  return items;
}

std::optional<std::int64_t> parse_bit(std::string_view field, const std::string& text,
                                      Errors& errors) {
  if (text.empty()) return std::nullopt;
  std::int64_t bit = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), bit);
  if (failure == std::errc() && end == text.data() + text.size()) return bit;
  errors.push_back({place(field), "is \"" + text + "\", not an integer", "one of 0..31"});
  return std::nullopt;
}

std::map<std::string, bool> parse_gates(const std::vector<std::string>& lists, Errors& errors) {
  static constexpr std::array<std::string_view, 6> kTrue{"1", "t", "T", "TRUE", "true", "True"};
  static constexpr std::array<std::string_view, 6> kFalse{"0", "f", "F", "FALSE", "false", "False"};
  std::map<std::string, bool> gates;
  for (const std::string& gate : split(lists)) {
    const std::size_t equals = std::min(gate.find('='), gate.size());
    const std::string_view value = std::string_view(gate).substr(std::min(equals + 1, gate.size()));
    const bool on = std::find(kTrue.begin(), kTrue.end(), value) != kTrue.end();
    if (on || std::find(kFalse.begin(), kFalse.end(), value) != kFalse.end())
      gates[gate.substr(0, equals)] = on;
    else
      errors.push_back(
          {place("featureGates"), "holds \"" + gate + "\"", "write NAME=true or NAME=false"});
  }
  return gates;
}

}  // namespace

Flags::Flags(CLI::App& app) {
  const char* const group = "Options of kube-proxy";
  const auto text = [&app, group](const char* name, std::string& value, const char* help,
                                  const char* shape) {
    app.add_option(name, value, help)->take_last()->type_name(shape)->group(group);
  };
  const auto list = [&app, group](const char* name, std::vector<std::string>& values,
                                  const char* help, const char* shape) {
    app.add_option(name, values, help)
        ->type_size(1)
        ->expected(1)
        ->allow_extra_args(false)
        ->take_all()
        ->type_name(shape)
        ->group(group);
  };
  text("--config", config_,
       "a KubeProxyConfiguration, YAML or JSON; all options below but --node are then ignored",
       "FILE");
  text("--node,--hostname-override", node_, "the Node to compile for", "NAME");
  text("--cluster-cidr", cluster_cidr_, "the pods' addresses, one CIDR or one of each family",
       "CIDR[,CIDR]");
  text("--detect-local-mode", detect_local_mode_,
       "how pods are told from others: ClusterCIDR (default), NodeCIDR, BridgeInterface or "
       "InterfaceNamePrefix",
       "MODE");
  text("--pod-bridge-interface", bridge_interface_, "the pods' bridge, for BridgeInterface",
       "NAME");
  text("--pod-interface-name-prefix", interface_name_prefix_,
       "how the pods' interfaces begin, for InterfaceNamePrefix", "PREFIX");
  app.add_flag("--masquerade-all", masquerade_all_, "masquerade all traffic to ClusterIPs")
      ->take_last()
      ->group(group);
  text("--masquerade-bit", masquerade_bit_, "the bit of the packet mark to use, 0..31 (default 14)",
       "BIT");
  list("--nodeport-addresses", node_port_addresses_,
       "local addresses that accept node ports; default: primary, the node's primary ones",
       "CIDR[,CIDR...]|primary");
  text("--bind-address", bind_address_, "names the node's primary address", "IP");
  list("--feature-gates", feature_gates_, "for instance AllowServiceExternalIPs=false",
       "NAME=BOOL[,...]");
  text("--proxy-mode", proxy_mode_, "nftables, the only mode there is", "MODE");
  text("--iptables-masquerade-bit", iptables_masquerade_bit_, "accepted without effect", "BIT");
}

Configuration Flags::configuration(const ReadText& read_text) const {
  if (config_.empty()) return from_flags();
  const Result<std::string> text = read_text(config_);
  if (!text) {
    Configuration unread;
    unread.errors.push_back(text.error());
    return unread;
  }
  Configuration configuration = read_configuration(config_, *text);
  require_nftables_mode(
      configuration.mode,
      [this](std::string_view field) {
        return config_ + ": KubeProxyConfiguration." + std::string(field);
      },
      configuration.errors);
  override_node(configuration);
  return configuration;
}

Configuration Flags::from_flags() const {
  Configuration result;
  Settings settings;
  settings.mode = proxy_mode_;
  settings.hostname_override = node_;
  settings.bind_address = bind_address_;
  settings.detect_local_mode = detect_local_mode_;
  settings.cluster_cidr = cluster_cidr_;
  settings.bridge_interface = bridge_interface_;
  settings.interface_name_prefix = interface_name_prefix_;
  settings.masquerade_all = masquerade_all_;
  settings.masquerade_bit = parse_bit("nftables.masqueradeBit", masquerade_bit_, result.errors);
  settings.node_port_addresses = split(node_port_addresses_);
  settings.feature_gates = parse_gates(feature_gates_, result.errors);
  const auto unused = parse_bit("iptables.masqueradeBit", iptables_masquerade_bit_, result.errors);
  if (unused && (*unused < 0 || *unused > 31))
    result.errors.push_back({place("iptables.masqueradeBit"),
                             "is " + iptables_masquerade_bit_ + ", not within 0..31",
                             {}});
  result.mode = proxy_mode_;
  result.options = check(settings, place, result.errors, result.warnings);
  require_nftables_mode(proxy_mode_, place, result.errors);
  return result;
}

void Flags::override_node(Configuration& configuration) const {
  Settings settings;
  settings.hostname_override = node_;
  const std::string node =
      check(settings, place, configuration.errors, configuration.warnings).node;
  if (!node.empty()) configuration.options.node = node;
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
