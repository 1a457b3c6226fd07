// What the operator decides about compiling: the part of a KubeProxyConfiguration, and of
// kube-proxy's flags, that changes the ruleset. A plain value with kube-proxy's defaults.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compiler/types/address.h"

namespace kproxy::options {

enum class DetectLocalMode : std::uint8_t {
  cluster_cidr,
  node_cidr,
  bridge_interface,
  interface_name_prefix,
};

struct Options {
  // hostnameOverride, --hostname-override, --node: trimmed, lower case; empty: not given
  std::string node;
  // bindAddress: names the node's primary address of its family; 0.0.0.0 and :: name none
  std::optional<Address> bind_address;
  DetectLocalMode detect_local_mode = DetectLocalMode::cluster_cidr;
  std::vector<Cidr> cluster_cidrs;    // clusterCIDR, in the order given
  std::string bridge_interface;       // detectLocal.bridgeInterface
  std::string interface_name_prefix;  // detectLocal.interfaceNamePrefix
  bool masquerade_all = false;        // nftables.masqueradeAll
  unsigned masquerade_bit = 14;       // nftables.masqueradeBit: 0..31
  // nodePortAddresses: empty means the node's primary addresses ("primary")
  std::vector<Cidr> node_port_addresses;
  bool allow_service_external_ips = true;  // feature gate AllowServiceExternalIPs

  bool operator==(const Options&) const = default;
};

}  // namespace kproxy::options
