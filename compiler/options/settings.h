// Settings: what the operator wrote, in a file or in flags, before anybody has judged it; and the
// one judge of both. A Configuration file and kube-proxy's flags differ only in how they spell
// these, so they are checked alike. Plain values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/options/fields.h"
#include "compiler/options/options.h"
#include "compiler/types/error.h"

namespace kproxy::options {

// Empty means not given, and takes the default.
struct Settings {
  std::string mode;
  std::string hostname_override;
  std::string bind_address;
  std::string detect_local_mode;
  std::string cluster_cidr;  // a comma list
  std::string bridge_interface;
  std::string interface_name_prefix;
  bool masquerade_all = false;
  std::optional<std::int64_t> masquerade_bit;
  std::optional<std::int64_t> iptables_masquerade_bit;  // without effect, but judged
  std::vector<std::string> node_port_addresses;
  std::map<std::string, bool> feature_gates;
};

// The settings among the values, which are right in type.
Settings settings_of(const Values& values);

// The options that the settings mean. All that is wrong is added to `errors`; then the options
// must not be used. clusterCIDR and detectLocal count in the modes that read them and are not
// looked at in the others.
Options check(const Settings& settings, const Where& where, Errors& errors);

// Adds an Error for a mode other than nftables or none. Apart from check(), because a known mode
// of another proxy is a sound configuration that this one cannot serve.
void require_nftables_mode(const std::string& mode, const Where& where, Errors& errors);

}  // namespace kproxy::options
