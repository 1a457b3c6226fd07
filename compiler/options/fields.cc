#include "compiler/options/fields.h"

#include <algorithm>
#include <utility>

#include "compiler/options/duration.h"

namespace kproxy::options {
namespace {

using enum FieldType;

constexpr bool kZeroCounts = true;

// What is not here is unknown. An object is what others' paths begin with.
//
// minSyncPeriod differs from kube-proxy's 1s: there a change costs a listing of the whole table,
// and waiting saves listings; here it costs a fraction of a millisecond whatever the cluster's
// size, and waiting would only make it late.
constexpr Field kFields[] = {
    {"apiVersion", text, "kubeproxy.config.k8s.io/v1alpha1"},
    {"bindAddress", text, "0.0.0.0"},
    {"bindAddressHardFail", boolean, "false"},
    {"clientConnection.acceptContentTypes", text, ""},
    {"clientConnection.burst", integer, "10"},
    {"clientConnection.contentType", text, "application/vnd.kubernetes.protobuf"},
    {"clientConnection.kubeconfig", text, ""},
    {"clientConnection.qps", number, "5"},
    {"clusterCIDR", text, ""},
    {"configSyncPeriod", duration, "15m0s"},
    {"conntrack.maxPerCore", integer, "32768", kZeroCounts},
    {"conntrack.min", integer, "131072", kZeroCounts},
    {"conntrack.tcpBeLiberal", boolean, "false"},
    {"conntrack.tcpCloseWaitTimeout", duration, "1h0m0s", kZeroCounts},
    {"conntrack.tcpEstablishedTimeout", duration, "24h0m0s", kZeroCounts},
    {"conntrack.udpStreamTimeout", duration, "0s"},
    {"conntrack.udpTimeout", duration, "0s"},
    {"detectLocal.bridgeInterface", text, ""},
    {"detectLocal.interfaceNamePrefix", text, ""},
    {"detectLocalMode", text, "ClusterCIDR"},
    {"enableProfiling", boolean, "false"},
    {"featureGates", booleans, ""},
    {"healthzBindAddress", text, "0.0.0.0:10256"},
    {"hostnameOverride", text, ""},
    {"iptables.localhostNodePorts", boolean, "true", kZeroCounts},
    {"iptables.masqueradeAll", boolean, "false"},
    {"iptables.masqueradeBit", integer, "14", kZeroCounts},
    {"iptables.minSyncPeriod", duration, "1s"},
    {"iptables.syncPeriod", duration, "30s"},
    {"ipvs.excludeCIDRs", texts, ""},
    {"ipvs.minSyncPeriod", duration, "1s"},
    {"ipvs.scheduler", text, ""},
    {"ipvs.strictARP", boolean, "false"},
    {"ipvs.syncPeriod", duration, "30s"},
    {"ipvs.tcpFinTimeout", duration, "0s"},
    {"ipvs.tcpTimeout", duration, "0s"},
    {"ipvs.udpTimeout", duration, "0s"},
    {"kind", text, "KubeProxyConfiguration"},
    {"logging.flushFrequency", quantity, "5s"},
    {"logging.format", text, "text"},
    {"logging.options.json.infoBufferSize", quantity, "0"},
    {"logging.options.json.splitStream", boolean, "false"},
    {"logging.options.text.infoBufferSize", quantity, "0"},
    {"logging.options.text.splitStream", boolean, "false"},
    {"logging.verbosity", integer, "0"},
    {"logging.vmodule", modules, ""},
    {"metricsBindAddress", text, "127.0.0.1:10249"},
    {"mode", text, ""},
    {"nftables.masqueradeAll", boolean, "false"},
    {"nftables.masqueradeBit", integer, "14", kZeroCounts},
    {"nftables.minSyncPeriod", duration, "0s"},
    {"nftables.syncPeriod", duration, "30s"},
    {"nodePortAddresses", texts, ""},
    {"oomScoreAdj", integer, "-999", kZeroCounts},
    {"portRange", text, ""},
    {"showHiddenMetricsForVersion", text, ""},
    {"windowsRunAsService", boolean, "false"},
    {"winkernel.enableDSR", boolean, "false"},
    {"winkernel.forwardHealthCheckVip", boolean, "false"},
    {"winkernel.networkName", text, ""},
    {"winkernel.rootHnsEndpointName", text, ""},
    {"winkernel.sourceVip", text, ""},
};

// Empty, or nothing but zeros, whatever the unit and the sign.
bool is_zero(const Field& field, const std::string& value) {
  switch (field.type) {
    case integer:
    case number:
    case duration:
    case quantity:
      return value.find_first_not_of("+-0.") == std::string::npos ||
             parse_duration(value) == std::chrono::nanoseconds(0);
    default:
      return value.empty();
  }
}

}  // namespace

bool is_list(FieldType type) {
  return type == texts || type == booleans || type == modules;
}

std::span<const Field> fields() {
  return kFields;
}

const Field* find_field(std::string_view path) {
  const auto* field = std::lower_bound(
      std::begin(kFields), std::end(kFields), path,
      [](const Field& known, std::string_view wanted) { return known.path < wanted; });
  return field == std::end(kFields) || field->path != path ? nullptr : field;
}

const std::string& text_of(const Values& values, std::string_view path) {
  static const std::string kNone;
  const auto found = values.find(path);
  return found == values.end() || found->second.empty() ? kNone : found->second.front();
}

Values with_defaults(Values values, Zeros zeros) {
  for (const Field& field : kFields) {
    auto& value = values[std::string(field.path)];
    if (is_list(field.type)) continue;
    const bool keep_zero = field.zero_counts || zeros == Zeros::kept;
    if (value.empty() || value.front().empty() || (!keep_zero && is_zero(field, value.front())))
      value.assign(1, std::string(field.initial));
  }
  return values;
}

}  // namespace kproxy::options
