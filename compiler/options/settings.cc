#include "compiler/options/settings.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <utility>

#include "compiler/options/gates.h"
#include "compiler/options/number.h"
#include "compiler/types/json_text.h"
#include "compiler/types/name.h"

namespace kproxy::options {
namespace {

constexpr std::string_view kPrimary = "primary";
constexpr std::size_t kMaxInterfaceName = 15;
// nft counts the closing '*' among the 15 characters.
constexpr std::size_t kMaxInterfacePrefix = 14;

constexpr std::array<std::pair<std::string_view, DetectLocalMode>, 4> kDetectLocalModes{{
    {"ClusterCIDR", DetectLocalMode::cluster_cidr},
    {"NodeCIDR", DetectLocalMode::node_cidr},
    {"BridgeInterface", DetectLocalMode::bridge_interface},
    {"InterfaceNamePrefix", DetectLocalMode::interface_name_prefix},
}};

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::string quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

// One check a member function; each knows its field's name and its default.
class Checker {
 public:
  Checker(const Settings& settings, const Where& where, Errors& errors)
      : settings_(settings), where_(where), errors_(errors) {}

  Options check() {
    mode();
    options_.node = node();
    bind_address();
    detect_local();
    options_.masquerade_all = settings_.masquerade_all;
    masquerade_bits();
    node_port_addresses();
    feature_gates();
    return std::move(options_);
  }

 private:
  void error(std::string_view field, std::string what, std::string hint = {}) {
    errors_.push_back({where_(field), std::move(what), std::move(hint)});
  }

  void mode() {
    const std::string& mode = settings_.mode;
    if (mode.empty() || mode == "nftables" || mode == "iptables" || mode == "ipvs") return;
    error("mode", "is " + quoted(mode) + ", not a proxy mode", "set it to nftables");
  }

  std::string node() {
    if (settings_.hostname_override.empty()) return {};
    std::string name(trim(settings_.hostname_override));
    if (name.empty()) {
      error("hostnameOverride", "is blank", "give the Node object's name");
    } else if (!is_plain(name)) {
      error("hostnameOverride", "is " + json_text(name) + ", not a name", std::string(kPlain));
    } else if (name.size() > kLongestSubdomain) {
      error("hostnameOverride",
            "is longer than " + std::to_string(kLongestSubdomain) + " characters");
    }
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return name;
  }

  void bind_address() {
    if (settings_.bind_address.empty()) return;
    options_.bind_address = Address::parse(settings_.bind_address);
    if (!options_.bind_address)
      error("bindAddress", "is " + quoted(settings_.bind_address) + ", not an IP address");
  }

  void detect_local() {
    if (!settings_.detect_local_mode.empty()) {
      const auto* known = std::find_if(
          kDetectLocalModes.begin(), kDetectLocalModes.end(),
          [this](const auto& candidate) { return candidate.first == settings_.detect_local_mode; });
      if (known == kDetectLocalModes.end()) {
        error("detectLocalMode", "is " + quoted(settings_.detect_local_mode) + ", not a mode",
              "one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix");
        return;
      }
      options_.detect_local_mode = known->second;
    }
    switch (options_.detect_local_mode) {
      case DetectLocalMode::cluster_cidr:
        return cluster_cidrs();
      case DetectLocalMode::node_cidr:
        return;
      case DetectLocalMode::bridge_interface:
        interface("detectLocal.bridgeInterface", settings_.bridge_interface, kMaxInterfaceName);
        options_.bridge_interface = settings_.bridge_interface;
        return;
      case DetectLocalMode::interface_name_prefix:
        interface("detectLocal.interfaceNamePrefix", settings_.interface_name_prefix,
                  kMaxInterfacePrefix);
        options_.interface_name_prefix = settings_.interface_name_prefix;
        return;
    }
  }

  void cluster_cidrs() {
    constexpr std::string_view kField = "clusterCIDR";
    std::string_view rest = settings_.cluster_cidr;
    if (rest.empty()) return;
    std::set<Family> families;
    for (bool more = true; more;) {
      const std::size_t comma = rest.find(',');
      const std::string_view text = trim(rest.substr(0, comma));
      more = comma != std::string_view::npos;
      if (more) rest.remove_prefix(comma + 1);
      const auto cidr = Cidr::parse(text);
      if (!cidr) {
        error(kField, "holds " + quoted(text) + ", not a CIDR", "like 10.244.0.0/16");
      } else if (!families.insert(cidr->family()).second) {
        error(kField,
              "holds " + quoted(text) + ", one more of " + std::string(to_string(cidr->family())),
              "one CIDR, or one of each family");
      } else {
        options_.cluster_cidrs.push_back(*cidr);
      }
    }
  }

  // What the kernel takes as an interface's name, less what nft's text takes for something else.
  void interface(std::string_view field, std::string_view name, std::size_t max) {
    const auto forbidden = [](unsigned char c) {
      return c <= ' ' || c == 0x7f ||
             std::string_view("\"'\\*/:").find(char(c)) != std::string_view::npos;
    };
    if (name.empty()) {
      error(field, "is empty", "detectLocalMode needs it");
    } else if (name.size() > max) {
      error(field, "is " + quoted(name) + ", longer than " + std::to_string(max) + " characters");
    } else if (std::any_of(name.begin(), name.end(), forbidden) || name == "." || name == "..") {
      error(field, "is " + quoted(name) + ", not an interface's name",
            "no blanks, quotes, backslashes, '*', '/' or ':'");
    }
  }

  void masquerade_bits() {
    if (const auto bit = checked_bit("nftables.masqueradeBit", settings_.masquerade_bit))
      options_.masquerade_bit = *bit;
    checked_bit("iptables.masqueradeBit", settings_.iptables_masquerade_bit);
  }

  std::optional<unsigned> checked_bit(std::string_view field, std::optional<std::int64_t> bit) {
    if (!bit) return std::nullopt;
    if (*bit >= 0 && *bit <= 31) return static_cast<unsigned>(*bit);
    error(field, "is " + std::to_string(*bit) + ", not within 0..31");
    return std::nullopt;
  }

  void node_port_addresses() {
    const std::vector<std::string>& given = settings_.node_port_addresses;
    if (given.size() == 1 && given.front() == kPrimary) return;
    for (std::size_t i = 0; i < given.size(); ++i) {
      const std::string field = "nodePortAddresses[" + std::to_string(i) + "]";
      if (given[i] == kPrimary) {
        error(field, "is \"primary\" among others", "primary stands alone");
      } else if (const auto cidr = Cidr::parse(given[i])) {
        options_.node_port_addresses.push_back(*cidr);
      } else {
        error(field, "is " + quoted(given[i]) + ", not a CIDR",
              "like 192.0.2.0/24, or the lone word primary");
      }
    }
  }

  void feature_gates() {
    const Gates gates = judge_gates(settings_.feature_gates, where_, errors_);
    options_.allow_service_external_ips = gates.find("AllowServiceExternalIPs")->second.on;
  }

  const Settings& settings_;
  const Where& where_;
  Errors& errors_;
  Options options_;
};

}  // namespace

Settings settings_of(const Values& values) {
  const auto text = [&values](std::string_view path) { return text_of(values, path); };
  const auto integer = [&values](std::string_view path) -> std::optional<std::int64_t> {
    const std::string& digits = text_of(values, path);
    if (digits.empty()) return std::nullopt;
    return parse_integer(digits);
  };
  const auto list = [&values](std::string_view path) {
    const auto found = values.find(path);
    return found == values.end() ? std::vector<std::string>() : found->second;
  };
  Settings settings;
  settings.mode = text("mode");
  settings.hostname_override = text("hostnameOverride");
  settings.bind_address = text("bindAddress");
  settings.detect_local_mode = text("detectLocalMode");
  settings.cluster_cidr = text("clusterCIDR");
  settings.bridge_interface = text("detectLocal.bridgeInterface");
  settings.interface_name_prefix = text("detectLocal.interfaceNamePrefix");
  settings.masquerade_all = text("nftables.masqueradeAll") == "true";
  settings.masquerade_bit = integer("nftables.masqueradeBit");
  settings.iptables_masquerade_bit = integer("iptables.masqueradeBit");
  settings.node_port_addresses = list("nodePortAddresses");
  for (const std::string& gate : list("featureGates")) {
    const std::size_t equals = gate.rfind('=');
    settings.feature_gates[gate.substr(0, equals)] = gate.substr(equals) == "=true";
  }
  return settings;
}

Options check(const Settings& settings, const Where& where, Errors& errors) {
  return Checker(settings, where, errors).check();
}

void require_nftables_mode(const std::string& mode, const Where& where, Errors& errors) {
  if (mode != "iptables" && mode != "ipvs") return;
  errors.push_back({where("mode"), "is " + quoted(mode) + ", which is not served here",
                    "set it to nftables or leave it empty"});
}

}  // namespace kproxy::options
