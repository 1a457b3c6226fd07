#include "runtime/config/daemon_flags.h"

#include <CLI/CLI.hpp>
#include <optional>

#include "compiler/options/number.h"
#include "runtime/config/effective.h"
#include "runtime/config/settings.h"

namespace kproxy::config {
namespace {

using options::FlagOfField;
using options::Values;

constexpr FlagOfField kServer[] = {
    {"--healthz-bind-address", "healthzBindAddress", "IP:PORT",
     "where /healthz and /livez are served (default 0.0.0.0:10256); none: nowhere"},
    {"--metrics-bind-address", "metricsBindAddress", "IP:PORT",
     "where metrics are served (default 127.0.0.1:10249); none: nowhere"},
    {"--bind-address-hard-fail", "bindAddressHardFail", "",
     "exit where one of them cannot be listened on"},
    {"--profiling", "enableProfiling", "", "serve /debug beside the metrics"},
    {"--show-hidden-metrics-for-version", "showHiddenMetricsForVersion", "VERSION",
     "accepted without effect: no metric is hidden"},
    {"--iptables-sync-period", "nftables.syncPeriod", "DURATION",
     "after which a failed sync is tried again at the latest (default 30s)"},
    {"--iptables-min-sync-period", "nftables.minSyncPeriod", "DURATION",
     "the least time from one sync to the next (default 0s)"},
    {"--config-sync-period", "configSyncPeriod", "DURATION",
     "accepted without effect: what the API server told needs no refreshing"},
    {"--kubeconfig", "clientConnection.kubeconfig", "FILE",
     "how to reach the API server; without it and --master: as the pod's service account"},
    {"--kube-api-content-type", "clientConnection.contentType", "TYPE",
     "accepted without effect: the API server is asked for JSON"},
    {"--kube-api-qps", "clientConnection.qps", "N",
     "accepted without effect: there are few requests to the API server"},
    {"--kube-api-burst", "clientConnection.burst", "N", "accepted without effect: likewise"},
    {"--oom-score-adj", "oomScoreAdj", "N", "of this process, -1000..1000 (default -999)"},
    {"--conntrack-max-per-core", "conntrack.maxPerCore", "N",
     "connections to track for each CPU (default 32768); 0: as the kernel has it"},
    {"--conntrack-min", "conntrack.min", "N", "the least of them in all (default 131072)"},
    {"--conntrack-tcp-timeout-established", "conntrack.tcpEstablishedTimeout", "DURATION",
     "of idle TCP connections (default 24h); 0: as the kernel has it"},
    {"--conntrack-tcp-timeout-close-wait", "conntrack.tcpCloseWaitTimeout", "DURATION",
     "of TCP connections in CLOSE_WAIT (default 1h); 0: as the kernel has it"},
    {"--conntrack-tcp-be-liberal", "conntrack.tcpBeLiberal", "",
     "do not call packets outside the window invalid"},
    {"--conntrack-udp-timeout", "conntrack.udpTimeout", "DURATION",
     "of UDP flows without an answer; 0 (default): as the kernel has it"},
    {"--conntrack-udp-timeout-stream", "conntrack.udpStreamTimeout", "DURATION",
     "of UDP flows with answers; 0 (default): as the kernel has it"},
};

constexpr FlagOfField kLogging[] = {
    {"--v,-v", "logging.verbosity", "N", "2 tells of each sync, 4 of details (default 0)"},
    {"--vmodule", "logging.vmodule", "FILE=N[,...]", "verbosity by source file, like daemon=4"},
    {"--logging-format", "logging.format", "FORMAT", "text (default) or json"},
    {"--log-flush-frequency", "logging.flushFrequency", "DURATION",
     "accepted without effect: each line is written at once"},
    {"--log-text-split-stream", "logging.options.text.splitStream", "",
     "information goes to stdout; needs the gate LoggingAlphaOptions"},
    {"--log-text-info-buffer-size", "logging.options.text.infoBufferSize", "SIZE",
     "accepted without effect; needs the gate LoggingAlphaOptions"},
    {"--log-json-split-stream", "logging.options.json.splitStream", "",
     "information goes to stdout; needs the gate LoggingAlphaOptions"},
    {"--log-json-info-buffer-size", "logging.options.json.infoBufferSize", "SIZE",
     "accepted without effect; needs the gate LoggingAlphaOptions"},
};

constexpr const char* kUnused = "accepted without effect";
constexpr FlagOfField kOtherModes[] = {
    {"--iptables-localhost-nodeports", "iptables.localhostNodePorts", "", kUnused},
    {"--ipvs-exclude-cidrs", "ipvs.excludeCIDRs", "CIDR[,...]", kUnused},
    {"--ipvs-min-sync-period", "ipvs.minSyncPeriod", "DURATION", kUnused},
    {"--ipvs-scheduler", "ipvs.scheduler", "NAME", kUnused},
    {"--ipvs-strict-arp", "ipvs.strictARP", "", kUnused},
    {"--ipvs-sync-period", "ipvs.syncPeriod", "DURATION", kUnused},
    {"--ipvs-tcp-timeout", "ipvs.tcpTimeout", "DURATION", kUnused},
    {"--ipvs-tcpfin-timeout", "ipvs.tcpFinTimeout", "DURATION", kUnused},
    {"--ipvs-udp-timeout", "ipvs.udpTimeout", "DURATION", kUnused},
};

constexpr const char* kServerGroup = "Options of kube-proxy's daemon";
constexpr const char* kLoggingGroup = "Logging, also beside --config";
constexpr const char* kUnusedGroup = "Options of other modes, and deprecated ones";

// Where a port is given by a flag of its own.
struct PortFlag {
  const char* flag;
  const char* field;
  const char* initial;
};
constexpr PortFlag kHealthzPort{"--healthz-port", "healthzBindAddress", "10256"};
constexpr PortFlag kMetricsPort{"--metrics-port", "metricsBindAddress", "10249"};

void apply_port(const PortFlag& port, const std::string& given, bool may_be_off, Values& fields,
                Errors& errors) {
  if (given.empty()) return;
  const auto number = options::parse_integer(given);
  const std::string where = std::string(port.flag) + ": KubeProxyConfiguration." + port.field;
  if (!number || *number < 0 || *number > 65535) {
    errors.push_back({where, "has the port \"" + given + "\", not one within 1..65535", {}});
  } else if (*number == 0 && !may_be_off) {
    errors.push_back(
        {where, "has the port 0", "--metrics-bind-address=none switches the server off"});
  } else if (*number == 0) {
    fields[port.field] = {std::string(kSwitchedOff)};
  } else if (const std::string& address = options::text_of(fields, port.field); !address.empty()) {
    fields[port.field] = {with_port(address, given)};
  }
}

}  // namespace

DaemonFlags::DaemonFlags(CLI::App& app)
    : server_(app, kServer, kServerGroup),
      logging_(app, kLogging, kLoggingGroup),
      other_modes_(app, kOtherModes, kUnusedGroup) {
  const auto text = [&app](const char* name, std::string& value, const char* shape,
                           const char* help, const char* group) {
    app.add_option(name, value, help)->take_last()->type_name(shape)->group(group);
  };
  text("--master", master_, "URL",
       "the API server's, before the kubeconfig's; also beside --config", kServerGroup);
  text(kHealthzPort.flag, healthz_port_, "PORT",
       "deprecated: of a --healthz-bind-address without one; 0: no such server", kUnusedGroup);
  text(kMetricsPort.flag, metrics_port_, "PORT",
       "deprecated: of a --metrics-bind-address without one", kUnusedGroup);
  text("--machine-id-file", machine_id_file_, "FILE", kUnused, kUnusedGroup);
  text("--boot-id-file", boot_id_file_, "FILE", kUnused, kUnusedGroup);
}

void DaemonFlags::override(Values& fields, bool from_file, Errors& errors) const {
  constexpr std::string_view kModules = "logging.vmodule";
  Values server = server_.values(errors);
  Values other_modes = other_modes_.values(errors);
  if (!from_file) {
    fields.merge(server);
    fields.merge(other_modes);
    apply_port(kHealthzPort, healthz_port_, true, fields, errors);
    apply_port(kMetricsPort, metrics_port_, false, fields, errors);
  }
  for (auto& [field, value] : logging_.values(errors)) {
    auto& list = fields[field];
    if (field != kModules) list.clear();
    list.insert(list.end(), value.begin(), value.end());
  }
}

std::string DaemonFlags::place(std::string_view field) const {
  for (const options::FieldFlags* flags : {&logging_, &server_, &other_modes_})
    if (flags->has(field)) return flags->place(field);
  return {};
}

std::vector<std::pair<std::string, std::string>> DaemonFlags::listing() const {
  std::vector<std::pair<std::string, std::string>> all{
      {"boot-id-file", boot_id_file_},
      {"healthz-port", healthz_port_.empty() ? kHealthzPort.initial : healthz_port_},
      {"machine-id-file", machine_id_file_},
      {"master", master_},
      {"metrics-port", metrics_port_.empty() ? kMetricsPort.initial : metrics_port_},
  };
  for (const options::FieldFlags* flags : {&server_, &logging_, &other_modes_}) {
    const auto listing = flags->listing();
    all.insert(all.end(), listing.begin(), listing.end());
  }
  return all;
}

}  // namespace kproxy::config
