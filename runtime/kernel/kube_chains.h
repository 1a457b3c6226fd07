// Which chains of iptables are kube-proxy's. Kubelet has some whose names begin likewise.
#pragma once

#include <string_view>

namespace kproxy::kernel {

// Of modes iptables and ipvs, of all versions.
bool is_kube_proxy_chain(std::string_view name);

// The tables in which there are such chains.
inline constexpr std::string_view kKubeProxyTables[] = {"nat", "filter", "mangle"};

}  // namespace kproxy::kernel
