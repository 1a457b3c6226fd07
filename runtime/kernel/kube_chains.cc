#include "runtime/kernel/kube_chains.h"

#include <algorithm>
#include <iterator>

namespace kproxy::kernel {

bool is_kube_proxy_chain(std::string_view name) {
  constexpr std::string_view kNames[] = {
      "KUBE-SERVICES", "KUBE-EXTERNAL-SERVICES", "KUBE-NODEPORTS", "KUBE-FORWARD",
      "KUBE-POSTROUTING", "KUBE-MARK-MASQ", "KUBE-PROXY-FIREWALL", "KUBE-PROXY-CANARY",
      // mode ipvs
      "KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-SOURCE-RANGES-FIREWALL", "KUBE-IPVS-FILTER",
      "KUBE-IPVS-OUT-FILTER"};
  // Per Service and per endpoint.
  constexpr std::string_view kPrefixes[] = {"KUBE-SVC-", "KUBE-SVL-", "KUBE-EXT-",
                                            "KUBE-SEP-", "KUBE-FW-",  "KUBE-XLB-"};
  return std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
         std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace kproxy::kernel
