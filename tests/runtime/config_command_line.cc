// kproxy's command line and configuration file: values, precedence, validation (CFG-*).
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>

#include "runtime/config/command_line.h"
#include "runtime/config/effective.h"
#include "runtime/config/node_check.h"
#include "runtime/config/reload.h"
#include "runtime/config/text_file.h"
#include "runtime/config/version.h"
#include "tests/runtime/folder.h"

namespace {

using namespace kproxy;
using namespace kproxy::config;
using namespace std::chrono_literals;
using Arguments = std::vector<std::string>;

constexpr const char* kHead =
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

class Folder : public tests::Folder {
 public:
  // The flag for a configuration file that goes on like this.
  std::string config(const std::string& body) const {
    write("config.yaml", kHead + body);
    return "--config=" + at("config.yaml");
  }
};

std::string join(const Errors& errors) {
  std::string text;
  for (const Error& error : errors) text += error.message() + '\n';
  return text;
}

CommandLine parse(const Arguments& arguments) {
  auto parsed = parse_command_line(arguments);
  const auto* exit = std::get_if<Exit>(&parsed);
  BOOST_REQUIRE_MESSAGE(exit == nullptr, join(exit ? exit->errors : Errors()));
  return std::get<CommandLine>(std::move(parsed));
}

// What is wrong, without the folder's name.
std::string errors_of(const Arguments& arguments, int status = 1) {
  const auto parsed = parse_command_line(arguments);
  const auto* exit = std::get_if<Exit>(&parsed);
  if (exit == nullptr) return "none";
  BOOST_TEST(exit->status == status);
  std::string text = join(exit->errors);
  const std::string folder = (std::filesystem::temp_directory_path() / "kproxy-test-").string();
  for (std::size_t at; (at = text.find(folder)) != std::string::npos;)
    text.erase(at, folder.size() + std::string("XXXXXX/").size());
  return text;
}

std::string name_of(const Arguments& arguments) {
  std::string line;
  for (const std::string& argument : arguments) line += argument + ' ';
  return line;
}

Settings defaults() {
  return parse({}).settings;
}

Listen listen(const char* text) {
  return *parse_listen(text);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(config_command_line)

// CFG-05..07, CFG-14..31, CFG-33: each value of the table in 8.1.
BOOST_AUTO_TEST_CASE(default_values) {
  const CommandLine line = parse({});
  const Settings& s = line.settings;
  BOOST_TEST((s.sync_period == 30s));
  BOOST_TEST((s.min_sync_period == 0s));  // CFG-06, but for the default
  BOOST_TEST((s.config_sync_period == 15min));
  BOOST_TEST((s.healthz == listen("0.0.0.0:10256")));
  BOOST_TEST((s.metrics == listen("127.0.0.1:10249")));
  BOOST_TEST(!s.bind_address_hard_fail);
  BOOST_TEST(!s.profiling);
  BOOST_TEST(!s.show_hidden_metrics);
  BOOST_TEST(s.oom_score_adj == -999);
  BOOST_TEST(s.conntrack.max_per_core == 32768);
  BOOST_TEST(s.conntrack.min == 131072);
  BOOST_TEST((s.conntrack.tcp_established_timeout == 24h));
  BOOST_TEST((s.conntrack.tcp_close_wait_timeout == 1h));
  BOOST_TEST((s.conntrack.udp_timeout == 0s));
  BOOST_TEST((s.conntrack.udp_stream_timeout == 0s));
  BOOST_TEST(!s.conntrack.tcp_be_liberal);
  BOOST_TEST(s.client.kubeconfig == "");
  BOOST_TEST(s.client.master == "");
  BOOST_TEST(s.client.content_type == "application/vnd.kubernetes.protobuf");
  BOOST_TEST(s.client.qps == 5.0);
  BOOST_TEST(s.client.burst == 10);
  BOOST_TEST(!s.logging.json);
  BOOST_TEST(s.logging.verbosity == 0);
  BOOST_TEST(s.logging.vmodule == "");
  BOOST_TEST((s.logging.flush_frequency == 5s));
  BOOST_TEST((line.command == Command::follow));
  BOOST_TEST(line.version == "v1.36.2");
  BOOST_TEST(line.options.node != "");  // CFG-20: the host's name
}

BOOST_AUTO_TEST_CASE(what_flags_mean) {
  struct Case {
    Arguments arguments;
    std::function<void(Settings&)> expected;
  };
  const auto nothing = [](Settings&) {};
  const Case cases[] = {
      {{"--iptables-sync-period=1m"}, [](Settings& s) { s.sync_period = 1min; }},
      {{"--iptables_min_sync_period=1h30m", "--iptables-sync-period=2h"},
       [](Settings& s) { s.min_sync_period = 90min, s.sync_period = 2h; }},
      {{"--iptables-min-sync-period=0"}, [](Settings& s) { s.min_sync_period = 0s; }},
      {{"--config-sync-period=5s"}, [](Settings& s) { s.config_sync_period = 5s; }},
      {{"--healthz-bind-address=10.0.0.1"},
       [](Settings& s) { s.healthz = listen("10.0.0.1:10256"); }},
      {{"--healthz-bind-address=::"}, [](Settings& s) { s.healthz = listen("[::]:10256"); }},
      {{"--healthz-bind-address=[::1]:80"}, [](Settings& s) { s.healthz = listen("[::1]:80"); }},
      {{"--metrics-bind-address=0.0.0.0:1"}, [](Settings& s) { s.metrics = listen("0.0.0.0:1"); }},
      // CFG-16
      {{"--healthz-bind-address=10.0.0.1", "--healthz-port=80"},
       [](Settings& s) { s.healthz = listen("10.0.0.1:80"); }},
      {{"--healthz-bind-address=10.0.0.1:81", "--healthz-port=80"},
       [](Settings& s) { s.healthz = listen("10.0.0.1:81"); }},
      {{"--metrics-bind-address=::", "--metrics-port=80"},
       [](Settings& s) { s.metrics = listen("[::]:80"); }},
      {{"--healthz-port=80"}, nothing},
      // HC-12, BEYOND-16
      {{"--healthz-port=0"}, [](Settings& s) { s.healthz.reset(); }},
      {{"--healthz-bind-address=none"}, [](Settings& s) { s.healthz.reset(); }},
      {{"--metrics-bind-address=none"}, [](Settings& s) { s.metrics.reset(); }},
      // CFG-47: not given.
      {{"--healthz-bind-address=", "--metrics-bind-address="}, nothing},
      {{"--healthz-bind-address", "", "--metrics-bind-address", ""}, nothing},
      {{"--bind-address=::1"}, nothing},  // CFG-49
      {{"--bind-address-hard-fail"}, [](Settings& s) { s.bind_address_hard_fail = true; }},
      {{"--bind-address-hard-fail=false"}, nothing},
      {{"--profiling=true"}, [](Settings& s) { s.profiling = true; }},
      {{"--show-hidden-metrics-for-version=1.35"},
       [](Settings& s) { s.show_hidden_metrics = true; }},
      {{"--kubeconfig=/k", "--master=https://m"},
       [](Settings& s) { s.client.kubeconfig = "/k", s.client.master = "https://m"; }},
      {{"--kube-api-content-type=application/json"},
       [](Settings& s) { s.client.content_type = "application/json"; }},
      {{"--kube-api-qps=1.5", "--kube-api-burst=3"},
       [](Settings& s) { s.client.qps = 1.5, s.client.burst = 3; }},
      {{"--kube-api-qps=0", "--kube-api-burst=0"}, nothing},
      {{"--oom-score-adj=-1000"}, [](Settings& s) { s.oom_score_adj = -1000; }},
      {{"--oom-score-adj", "-5"}, [](Settings& s) { s.oom_score_adj = -5; }},
      {{"--conntrack-max-per-core=0", "--conntrack-min=0"},
       [](Settings& s) { s.conntrack.max_per_core = s.conntrack.min = 0; }},
      {{"--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=1m"},
       [](Settings& s) {
         s.conntrack.tcp_established_timeout = 0s, s.conntrack.tcp_close_wait_timeout = 1min;
       }},
      {{"--conntrack-udp-timeout=10s", "--conntrack-udp-timeout-stream=2m"},
       [](Settings& s) { s.conntrack.udp_timeout = 10s, s.conntrack.udp_stream_timeout = 2min; }},
      {{"--conntrack-tcp-be-liberal"}, [](Settings& s) { s.conntrack.tcp_be_liberal = true; }},
      // CFG-33
      {{"-v=4"}, [](Settings& s) { s.logging.verbosity = 4; }},
      {{"-v", "4"}, [](Settings& s) { s.logging.verbosity = 4; }},
      {{"-v4"}, [](Settings& s) { s.logging.verbosity = 4; }},
      {{"--v=3", "--v=4"}, [](Settings& s) { s.logging.verbosity = 4; }},
      {{"--vmodule=a=1,b*=2", "--vmodule=c=3"},
       [](Settings& s) { s.logging.vmodule = "a=1,b*=2,c=3"; }},
      {{"--log-flush-frequency=1s"}, [](Settings& s) { s.logging.flush_frequency = 1s; }},
      {{"--logging-format=json"}, [](Settings& s) { s.logging.json = true; }},
      // CFG-34
      {{"--feature-gates=LoggingAlphaOptions=true", "--log-text-split-stream",
        "--log-text-info-buffer-size=64Ki"},
       [](Settings& s) {
         s.logging.split_stream = true, s.gates.find("LoggingAlphaOptions")->second.on = true;
       }},
      {{"--log-text-split-stream=false", "--log-json-info-buffer-size=0"}, nothing},
      // CFG-35, CFG-36, CFG-39: accepted without effect.
      {{"--iptables-localhost-nodeports=false", "--ipvs-scheduler=rr", "--ipvs-sync-period=0",
        "--ipvs-min-sync-period=1h", "--ipvs-exclude-cidrs=10.0.0.0/8", "--ipvs-strict-arp",
        "--ipvs-tcp-timeout=1s", "--ipvs-tcpfin-timeout=1s", "--ipvs-udp-timeout=1s",
        "--machine-id-file=/x", "--boot-id-file=/y"},
       nothing},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(name_of(each.arguments)) {
      Settings expected = defaults();
      each.expected(expected);
      BOOST_TEST((parse(each.arguments).settings == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_a_file_means) {
  struct Case {
    const char* body;
    std::function<void(Settings&)> expected;
  };
  const auto nothing = [](Settings&) {};
  const Case cases[] = {
      {"", nothing},
      // CFG-45: empty and zero values take the default,
      {"nftables: {syncPeriod: 0s, minSyncPeriod: \"0\"}\nconfigSyncPeriod: 0s\n"
       "clientConnection: {qps: 0, burst: 0, contentType: ''}\nhealthzBindAddress: ''\n"
       "metricsBindAddress: ''\nlogging: {format: '', flushFrequency: 0}\n",
       nothing},
      // except those of which 0 is a value.
      {"conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}\n"
       "oomScoreAdj: 0",
       [](Settings& s) { s.conntrack = Conntrack(), s.oom_score_adj = 0; }},
      {"nftables: {syncPeriod: 1m, minSyncPeriod: 5s}",
       [](Settings& s) { s.sync_period = 1min, s.min_sync_period = 5s; }},
      // The other modes' are not read.
      {"iptables: {syncPeriod: 1m, minSyncPeriod: 5h}\nipvs: {syncPeriod: 1m}", nothing},
      {"conntrack: {tcpEstablishedTimeout: 1h0m0s, udpTimeout: 5s, tcpBeLiberal: true}",
       [](Settings& s) {
         s.conntrack.tcp_established_timeout = 1h, s.conntrack.udp_timeout = 5s;
         s.conntrack.tcp_be_liberal = true;
       }},
      // CFG-14, CFG-15, CFG-49
      {"bindAddress: '::1'",
       [](Settings& s) { s.healthz = listen("[::]:10256"), s.metrics = listen("[::1]:10249"); }},
      {"bindAddress: '::1'\nmetricsBindAddress: 0.0.0.0",
       [](Settings& s) { s.healthz = listen("[::]:10256"), s.metrics = listen("0.0.0.0:10249"); }},
      {"healthzBindAddress: '::'", [](Settings& s) { s.healthz = listen("[::]:10256"); }},
      {"healthzBindAddress: none", [](Settings& s) { s.healthz.reset(); }},
      {"enableProfiling: true\nbindAddressHardFail: true\nshowHiddenMetricsForVersion: '1.35'",
       [](Settings& s) { s.profiling = s.bind_address_hard_fail = s.show_hidden_metrics = true; }},
      {"clientConnection: {kubeconfig: /k, qps: 50, burst: 100, acceptContentTypes: a/b}",
       [](Settings& s) {
         s.client.kubeconfig = "/k", s.client.qps = 50, s.client.burst = 100;
         s.client.accept_content_types = "a/b";
       }},
      {"logging: {verbosity: 3, vmodule: [{filePattern: 'a*', verbosity: 5}], flushFrequency: 7s}",
       [](Settings& s) {
         s.logging.verbosity = 3, s.logging.vmodule = "a*=5", s.logging.flush_frequency = 7s;
       }},
      {"logging: {format: json, flushFrequency: 1000000000}",
       [](Settings& s) { s.logging.json = true, s.logging.flush_frequency = 1s; }},
      {"logging: {format: json, options: {json: {splitStream: true, infoBufferSize: 1M}}}\n"
       "featureGates: {AllAlpha: true}",
       [](Settings& s) {
         s.logging.json = s.logging.split_stream = true;
         for (const char* gate : {"AllAlpha", "LoggingAlphaOptions", "NativeHistograms"})
           s.gates.find(gate)->second.on = true;
       }},
      // CFG-37
      {"portRange: ''\nwindowsRunAsService: true\nwinkernel: {networkName: x}\n", nothing},
  };
  const Folder folder;
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.body) {
      Settings expected = defaults();
      each.expected(expected);
      BOOST_TEST((parse({folder.config(each.body)}).settings == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE(precedence) {  // CFG-43
  const Folder folder;
  const std::string config = folder.config(
      "mode: nftables\nhostnameOverride: file\noomScoreAdj: 1\nhealthzBindAddress: 10.0.0.1:80\n"
      "logging: {verbosity: 1, vmodule: [{filePattern: a, verbosity: 1}]}\n");
  const CommandLine alone = parse({config});
  BOOST_TEST(alone.options.node == "file");
  BOOST_TEST(alone.settings.oom_score_adj == 1);

  const CommandLine with =
      parse({config, "--hostname-override=Flag", "-v=4", "--vmodule=b=2", "--logging-format=text",
             "--master=https://m",
             // Ignored silently, the deprecated ports too.
             "--oom-score-adj=5", "--healthz-port=0", "--metrics-port=0", "--proxy-mode=ipvs",
             "--kubeconfig=/k", "--metrics-bind-address=nonsense", "--cluster-cidr=nonsense",
             "--feature-gates=Sorcery=true"});
  Settings expected = alone.settings;
  expected.logging.verbosity = 4;
  expected.logging.vmodule = "a=1,b=2";
  expected.client.master = "https://m";
  BOOST_TEST((with.settings == expected));
  BOOST_TEST(with.options.node == "flag");
  BOOST_TEST(join(with.warnings) == "");

  BOOST_TEST((parse({config, "--cleanup"}).command == Command::cleanup));
  BOOST_TEST((parse({config, "--init-only"}).command == Command::init_only));
  BOOST_TEST(
      (parse({config, "--write-config-to=/x", "--cleanup"}).command == Command::write_config));
}

BOOST_AUTO_TEST_CASE(what_must_not_be_said) {  // CFG-41, CFG-46, CFG-47
  struct Case {
    Arguments arguments;
    const char* errors;
  };
  const Case cases[] = {
      {{"--oom-score-adj=-1001"},
       "--oom-score-adj: KubeProxyConfiguration.oomScoreAdj: is -1001, not within -1000..1000\n"},
      {{"--oom-score-adj=low"},
       "--oom-score-adj: KubeProxyConfiguration.oomScoreAdj: is \"low\", not an integer\n"},
      {{"--kube-api-burst=-1"},
       "--kube-api-burst: KubeProxyConfiguration.clientConnection.burst: is -1, not within "
       "0..2147483647\n"},
      {{"--conntrack-max-per-core=2147483648"},
       "--conntrack-max-per-core: KubeProxyConfiguration.conntrack.maxPerCore: is 2147483648, not "
       "within 0..2147483647\n"},
      {{"--conntrack-min=-1"},
       "--conntrack-min: KubeProxyConfiguration.conntrack.min: is -1, not within 0..2147483647\n"},
      {{"--conntrack-udp-timeout=-1s"},
       "--conntrack-udp-timeout: KubeProxyConfiguration.conntrack.udpTimeout: is -1s, below "
       "zero\n"},
      {{"--conntrack-udp-timeout=5"},
       "--conntrack-udp-timeout: KubeProxyConfiguration.conntrack.udpTimeout: is \"5\", not a "
       "duration like 30s\n"},
      {{"--iptables-sync-period=0"},
       "--iptables-sync-period: KubeProxyConfiguration.nftables.syncPeriod: is 0, not above "
       "zero\n"},
      {{"--config-sync-period=-5s"},
       "--config-sync-period: KubeProxyConfiguration.configSyncPeriod: is -5s, not above zero\n"},
      {{"--iptables-min-sync-period=1m"},
       "--iptables-min-sync-period: KubeProxyConfiguration.nftables.minSyncPeriod: is 1m, longer "
       "than nftables.syncPeriod, 30s\n"},
      {{"--healthz-bind-address=localhost:80"},
       "--healthz-bind-address: KubeProxyConfiguration.healthzBindAddress: is \"localhost:80\", "
       "not an IP address and a port within 1..65535 (like 127.0.0.1:10249 or [::1]:10249; none "
       "switches the server off)\n"},
      {{"--metrics-bind-address=1.2.3.4:0"},
       "--metrics-bind-address: KubeProxyConfiguration.metricsBindAddress: is \"1.2.3.4:0\", not "
       "an IP address and a port within 1..65535 (like 127.0.0.1:10249 or [::1]:10249; none "
       "switches the server off)\n"},
      {{"--metrics-port=0"},
       "--metrics-port: KubeProxyConfiguration.metricsBindAddress: has the port 0 "
       "(--metrics-bind-address=none switches the server off)\n"},
      {{"--healthz-port=65536"},
       "--healthz-port: KubeProxyConfiguration.healthzBindAddress: has the port \"65536\", not one "
       "within 1..65535\n"},
      {{"--show-hidden-metrics-for-version=1.34"},
       "--show-hidden-metrics-for-version: KubeProxyConfiguration.showHiddenMetricsForVersion: is "
       "\"1.34\", not the previous release (only 1.35 can be given)\n"},
      {{"--proxy-mode=iptables"},
       "--proxy-mode: KubeProxyConfiguration.mode: is \"iptables\", which is not served here (set "
       "it to nftables or leave it empty)\n"},
      {{"--logging-format=xml"},
       "--logging-format: KubeProxyConfiguration.logging.format: is \"xml\", not a format (text or "
       "json)\n"},
      {{"--logging-format=json", "--vmodule=a=1"},
       "--vmodule: KubeProxyConfiguration.logging.vmodule: works with the text format only (leave "
       "it out)\n"},
      {{"--vmodule=a"},
       "--vmodule: KubeProxyConfiguration.logging.vmodule[0]: is \"a\", not a file's name and a "
       "verbosity (like daemon=4)\n"},
      {{"-v=-1"},
       "--v: KubeProxyConfiguration.logging.verbosity: is -1, not within 0..2147483647\n"},
      {{"--log-text-split-stream"},
       "--log-text-split-stream: KubeProxyConfiguration.logging.options.text.splitStream: needs "
       "the feature gate LoggingAlphaOptions\n"},
      {{"--log-json-info-buffer-size=x"},
       "--log-json-info-buffer-size: KubeProxyConfiguration.logging.options.json.infoBufferSize: "
       "is \"x\", not a size (like 64Ki)\n"},
      {{"--logging-format=json", "--feature-gates=LoggingBetaOptions=false"},
       "--logging-format: KubeProxyConfiguration.logging.format: is json, which the feature gate "
       "LoggingBetaOptions must allow\n"},
      {{"--feature-gates=NFTablesProxyMode=false"},
       "--feature-gates: KubeProxyConfiguration.featureGates.NFTablesProxyMode: is false, but this "
       "feature cannot be switched off (leave it out)\n"},
      {{"--iptables-masquerade-bit=32"},
       "--iptables-masquerade-bit: KubeProxyConfiguration.iptables.masqueradeBit: is 32, not "
       "within 0..31\n"},
      {{"--hostname-override= "},
       "--node: KubeProxyConfiguration.hostnameOverride: is blank (give the Node object's name)\n"},
      {{"--version=1.2"}, "--version: is \"1.2\" (true, raw, or like v1.36.2)\n"},
      {{"--snapshot=x", "--master=https://user:s3cret@m"},
       "--master: has credentials in it, before an @ (a kubeconfig has them with its users)\n"},
      {{"--once"}, "--snapshot: is needed (the file with the cluster's objects)\n"},
      {{"--golden=x"}, "--snapshot: is needed (the file with the cluster's objects)\n"},
      // CFG-46: all of them together.
      {{"--oom-score-adj=2000", "--bind-address=x", "--healthz-bind-address=y"},
       "--bind-address: KubeProxyConfiguration.bindAddress: is \"x\", not an IP address\n"
       "--oom-score-adj: KubeProxyConfiguration.oomScoreAdj: is 2000, not within -1000..1000\n"
       "--healthz-bind-address: KubeProxyConfiguration.healthzBindAddress: is \"y\", not an IP "
       "address and a port within 1..65535 (like 127.0.0.1:10249 or [::1]:10249; none switches the "
       "server off)\n"},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(name_of(each.arguments)) {
      BOOST_TEST(errors_of(each.arguments) == each.errors);
    }
  }
  BOOST_TEST(errors_of({"verify"}, 2) ==
             "--snapshot: is needed (the file with the cluster's objects)\n");
  for (const Arguments& each :
       {Arguments{"--no-such-flag"}, {"--oom-score-adj"}, {"positional"}, {"--init-only=maybe"}})
    BOOST_TEST(errors_of(each).find("see kproxy --help") != std::string::npos, name_of(each));
}

BOOST_AUTO_TEST_CASE(what_a_file_must_not_say) {  // CFG-46
  struct Case {
    const char* body;
    Arguments flags;
    const char* errors;
  };
  const Case cases[] = {
      {"mode: ipvs",
       {},
       "config.yaml:3: KubeProxyConfiguration.mode: is \"ipvs\", which is not served here (set it "
       "to "
       "nftables or leave it empty)\n"},
      {"oomScoreAdj: 1001\nnftables: {minSyncPeriod: 1m}",
       {},
       "config.yaml:3: KubeProxyConfiguration.oomScoreAdj: is 1001, not within -1000..1000\n"
       "config.yaml:4: KubeProxyConfiguration.nftables.minSyncPeriod: is 1m, longer than "
       "nftables.syncPeriod, 30s\n"},
      {"conntrack:\n  udpTimeout: -1s\nclusterCIDR: x",
       {},
       "config.yaml:5: KubeProxyConfiguration.clusterCIDR: holds \"x\", not a CIDR (like "
       "10.244.0.0/16)\n"
       "config.yaml:4: KubeProxyConfiguration.conntrack.udpTimeout: is -1s, below zero\n"},
      // A flag that wins over the file is named; what it brings with it from the file is not.
      {"logging: {format: json}",
       {"--vmodule=a=1"},
       "--vmodule: KubeProxyConfiguration.logging.vmodule: works with the text format only (leave "
       "it out)\n"},
      {"logging: {format: json}",
       {"--logging-format=xml"},
       "--logging-format: KubeProxyConfiguration.logging.format: is \"xml\", not a format (text or "
       "json)\n"},
      // CFG-41: its type counts, if nothing else does.
      {"",
       {"--oom-score-adj=x"},
       "--oom-score-adj: KubeProxyConfiguration.oomScoreAdj: is \"x\", not an integer\n"},
  };
  const Folder folder;
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.body) {
      Arguments arguments{folder.config(each.body)};
      arguments.insert(arguments.end(), each.flags.begin(), each.flags.end());
      BOOST_TEST(errors_of(arguments) == each.errors);
    }
  }
  BOOST_TEST(errors_of({"--config=/nowhere/at/all"}) ==
             "/nowhere/at/all: cannot be read: No such file or directory\n");
}

// CFG-62: who comes from another mode has its configuration still.
BOOST_AUTO_TEST_CASE(whatever_the_mode_it_can_be_cleaned_up_after) {
  const Folder folder;
  for (const std::string mode : {"iptables", "ipvs", "nftables"}) {
    const std::string config = folder.config("mode: " + mode + "\n");
    BOOST_TEST((parse({config, "--cleanup"}).command == Command::cleanup), mode);
    BOOST_TEST((parse({"--proxy-mode=" + mode, "--cleanup"}).command == Command::cleanup), mode);
    for (const char* other : {"--init-only", "--cleanup=false", "--write-config-to=/x"}) {
      BOOST_TEST((errors_of({config, other}) == "none") == (mode == "nftables"), mode + other);
    }
  }
  BOOST_TEST(
      errors_of({folder.config("mode: userspace\n"), "--cleanup"}) ==
      "config.yaml:3: KubeProxyConfiguration.mode: is \"userspace\", not a proxy mode (set it "
      "to nftables)\n");
}

BOOST_AUTO_TEST_CASE(an_empty_mode_is_told_of) {  // CFG-55
  BOOST_TEST(join(parse({}).warnings) ==
             "--proxy-mode: KubeProxyConfiguration.mode: is not set: kproxy serves with nftables, "
             "the only mode it has (set it to nftables)\n");
  BOOST_TEST(join(parse({"--proxy-mode=nftables"}).warnings) == "");
  BOOST_TEST(join(parse({"--snapshot=x"}).warnings) == "");
  BOOST_TEST(join(parse({"--cleanup"}).warnings) == "");
}

// CFG-61: what is written reads back as the same, whatever it is.
BOOST_AUTO_TEST_CASE(the_effective_configuration_reads_back) {
  const Folder folder;
  const Arguments cases[] = {
      {},
      {"--proxy-mode=nftables", "--cluster-cidr=10.0.0.0/8,fd00::/16", "--masquerade-all",
       "--nodeport-addresses=10.0.0.0/8,::/0", "--iptables-min-sync-period=1s",
       "--feature-gates=AllAlpha=true,WatchList=false", "--vmodule=a*=1,b=2", "-v=3",
       "--healthz-port=0", "--kubeconfig=/a \"b\"\\c", "--kube-api-qps=2.5",
       "--hostname-override=Node-1", "--conntrack-max-per-core=0", "--oom-score-adj=0"},
      {folder.config(
          "bindAddress: '::1'\nnodePortAddresses: [primary]\nipvs: {excludeCIDRs: "
          "[10.0.0.0/8]}\nlogging: {flushFrequency: 1000}\nnftables: {masqueradeBit: 0}\n")},
  };
  for (const Arguments& arguments : cases) {
    BOOST_TEST_CONTEXT(name_of(arguments)) {
      const CommandLine line = parse(arguments);
      const std::string written = folder.at("written.yaml");
      BOOST_REQUIRE(write_text(written, to_yaml(line.values)).ok());
      CommandLine again = parse({"--config=" + written});
      BOOST_TEST(join(again.warnings) == "");
      for (const auto& [field, value] : line.values) {
        BOOST_TEST_CONTEXT(field) {
          BOOST_TEST(again.values[field] == value, boost::test_tools::per_element());
        }
      }
      BOOST_TEST((again.settings == line.settings));
      options::Options expected = line.options;
      if (!expected.bind_address) expected.bind_address = Address::parse("0.0.0.0");  // the default
      BOOST_TEST((again.options == expected));
      // JSON is YAML (HC-45).
      BOOST_REQUIRE(write_text(written, to_json(line.values)).ok());
      again = parse({"--config=" + written});
      BOOST_TEST((again.settings == line.settings));
      BOOST_TEST(to_json(again.values) == to_json(line.values));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_effective_configuration_as_text) {  // CFG-61, HC-45
  const CommandLine line =
      parse({"--cluster-cidr=10.0.0.0/8", "--vmodule=a=1", "--feature-gates=AllAlpha=false"});
  const std::string yaml = to_yaml(line.values);
  for (const char* part :
       {"apiVersion: \"kubeproxy.config.k8s.io/v1alpha1\"\n",
        "\nkind: \"KubeProxyConfiguration\"\n", "\nclusterCIDR: \"10.0.0.0/8\"\n",
        "\nmode: \"nftables\"\n", "\nnodePortAddresses: null\n",
        "\nconntrack:\n  maxPerCore: 32768\n  min: 131072\n  tcpBeLiberal: false\n",
        "\nfeatureGates: {\"AllAlpha\": false}\n", "\noomScoreAdj: -999\n",
        "\n  vmodule: [{\"filePattern\": \"a\", \"verbosity\": 1}]\n",
        "\n  options:\n    json:\n      infoBufferSize: 0\n      splitStream: false\n    text:\n",
        "\nclientConnection:\n  acceptContentTypes: \"\"\n  burst: 10\n"})
    BOOST_TEST(('\n' + yaml).find(part) != std::string::npos, part);
  const std::string json = to_json(line.values);
  BOOST_TEST(json.find('\n') == std::string::npos);
  for (const char* part :
       {"{\"apiVersion\":\"kubeproxy.config.k8s.io/v1alpha1\",\"bindAddress\":\"0.0.0.0\"",
        "\"conntrack\":{\"maxPerCore\":32768,\"min\":131072,",
        "\"options\":{\"json\":{\"infoBufferSize\":0,\"splitStream\":false},\"text\":{",
        "\"nodePortAddresses\":null,"})
    BOOST_TEST(json.find(part) != std::string::npos, part);
}

BOOST_AUTO_TEST_CASE(flags_and_their_values) {  // HC-46
  const FlagValues flags =
      parse({"-v=3", "--master=m", "--masquerade-all", "--vmodule=a=1", "--vmodule=b=2"}).flags;
  const auto value_of = [&flags](const std::string& name) -> std::string {
    for (const auto& [flag, value] : flags)
      if (flag == name) return value;
    return "no such flag";
  };
  BOOST_TEST(std::is_sorted(flags.begin(), flags.end()));
  BOOST_TEST(value_of("v") == "3");
  BOOST_TEST(value_of("master") == "m");
  BOOST_TEST(value_of("masquerade-all") == "true");
  BOOST_TEST(value_of("vmodule") == "a=1,b=2");
  BOOST_TEST(value_of("oom-score-adj") == "-999");
  BOOST_TEST(value_of("hostname-override") == "");
  BOOST_TEST(value_of("healthz-port") == "10256");
  BOOST_TEST(value_of("version") == "false");
}

BOOST_AUTO_TEST_CASE(what_is_no_place_to_listen) {
  for (const char* text : {"", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:0", "127.0.0.1:-1",
                           "127.0.0.1:65536", "127.0.0.1:80x", "localhost:80", "::1:80", "[]:80"})
    BOOST_TEST(!parse_listen(text).has_value(), text);
}

BOOST_AUTO_TEST_CASE(versions) {  // CFG-60
  BOOST_TEST(parse({"--version=v9.8.7-site.1"}).version == "v9.8.7-site.1");
  BOOST_TEST(parse({"--version=false"}).version == "v1.36.2");
  BOOST_TEST(version_details("v9.8.7-x")
                 .find("\"major\":\"9\",\"minor\":\"8\",\"gitVersion\":\"v9.8.7-x\"") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(reactions_to_a_changed_file) {  // BEYOND-17
  struct Case {
    const char* before;
    const char* after;
    Reaction expected;
  };
  const Case cases[] = {
      {"", "", Reaction::nothing},
      {"", "# a comment", Reaction::nothing},
      {"", "nftables: {syncPeriod: 30s}", Reaction::in_place},
      {"", "logging: {verbosity: 4}", Reaction::in_place},
      {"", "logging: {vmodule: [{filePattern: a, verbosity: 4}]}", Reaction::in_place},
      {"", "nftables: {syncPeriod: 1m, minSyncPeriod: 1s}", Reaction::in_place},
      // Of no effect, but shown.
      {"", "ipvs: {scheduler: rr}", Reaction::in_place},
      {"", "configSyncPeriod: 1m", Reaction::in_place},
      {"", "showHiddenMetricsForVersion: '1.35'", Reaction::in_place},
      {"", "clientConnection: {qps: 50}", Reaction::in_place},
      {"", "clientConnection: {burst: 50}", Reaction::in_place},
      {"", "clientConnection: {contentType: application/json}", Reaction::in_place},
      {"", "clientConnection: {acceptContentTypes: application/json}", Reaction::in_place},
      {"", "clientConnection: {qps: 50, kubeconfig: /k}", Reaction::restart},
      {"", "logging: {format: json}", Reaction::restart},
      {"", "clusterCIDR: 10.0.0.0/8", Reaction::restart},
      {"", "conntrack: {min: 1}", Reaction::restart},
      {"", "metricsBindAddress: 0.0.0.0", Reaction::restart},
      {"", "featureGates: {ComponentFlagz: false}", Reaction::restart},
      {"logging: {verbosity: 1}", "logging: {verbosity: 2}\noomScoreAdj: 0", Reaction::restart},
  };
  const Folder folder;
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.after) {
      const CommandLine before = parse({folder.config(each.before)});
      Reaction expected = each.expected;
      // What says the same in other words is no difference.
      if (std::string(each.after) == "nftables: {syncPeriod: 30s}") expected = Reaction::nothing;
      BOOST_TEST((react(before, parse({folder.config(each.after)})) == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_suits_the_node) {  // CFG-48, DS-08, LD-01, NP-06
  struct Case {
    Arguments arguments;
    NodeFacts node;
    const char* findings;  // a line each; F, E or W in front
  };
  const auto cidr = [](const char* text) { return *Cidr::parse(text); };
  const auto facts = [](Family primary, bool dual_stack) {
    NodeFacts facts;
    facts.primary = primary, facts.dual_stack = dual_stack;
    return facts;
  };
  const NodeFacts both = facts(Family::ipv4, true), four = facts(Family::ipv4, false),
                  six = facts(Family::ipv6, false);
  NodeFacts six_cidrs = both, mixed_cidrs = both, local = both;
  six_cidrs.pod_cidrs = {cidr("fd00::/64")};
  mixed_cidrs.pod_cidrs = {cidr("fd00::/64"), cidr("10.0.0.0/24")};
  local.addresses = {*Address::parse("127.0.0.1"), *Address::parse("::1"),
                     *Address::parse("10.0.0.1")};
  const std::string primary = "--nodeport-addresses=primary", pods = "--cluster-cidr=10.0.0.0/8";
  const Case cases[] = {
      {{primary, pods}, both, ""},
      {{primary, pods, "--metrics-bind-address=[::1]:1"}, both, ""},
      {{pods},
       both,
       "W KubeProxyConfiguration.nodePortAddresses: is not set: node ports are served on the "
       "node's primary addresses (primary says the same without this warning)\n"},
      {{pods, "--nodeport-addresses=10.0.0.0/8"},
       both,
       "W KubeProxyConfiguration.nodePortAddresses: holds no IPv6 CIDR: node ports are served on "
       "every address of it (add those to be served)\n"},
      {{pods, "--nodeport-addresses=10.0.0.0/8"}, four, ""},
      {{primary},
       both,
       "W KubeProxyConfiguration.clusterCIDR: is empty: pods are not told from others (set it, or "
       "another detectLocalMode)\n"},
      {{primary, "--cluster-cidr=fd00::/16"},
       both,
       "W KubeProxyConfiguration.clusterCIDR: holds only IPv6 CIDRs, but the node is "
       "IPv4-primary\n"},
      {{primary, "--cluster-cidr=fd00::/16"},
       four,
       "F KubeProxyConfiguration.clusterCIDR: holds only IPv6 CIDRs, but the node is IPv4-only\n"},
      {{primary, "--detect-local-mode=NodeCIDR"}, mixed_cidrs, ""},
      {{primary, "--detect-local-mode=NodeCIDR"},
       six_cidrs,
       "F KubeProxyConfiguration.detectLocalMode: the Node's podCIDRs: holds only IPv6 CIDRs, but "
       "the node is IPv4-primary\n"},
      {{primary, "--detect-local-mode=BridgeInterface", "--pod-bridge-interface=b"}, six_cidrs, ""},
      {{primary, "--cluster-cidr=fd00::/16", "--healthz-bind-address=none"},
       six,
       "W KubeProxyConfiguration.metricsBindAddress: is an address of IPv4, but the node is "
       "IPv6-only\n"},
      {{pods, "--nodeport-addresses=0.0.0.0/0,::/0"}, local, ""},
      {{pods, "--nodeport-addresses=127.0.0.0/8,::1/128"},
       local,
       "E KubeProxyConfiguration.nodePortAddresses: holds 127.0.0.0/8, but node ports are not "
       "served on 127.0.0.1 (loopback addresses are left alone)\n"
       "E KubeProxyConfiguration.nodePortAddresses: holds ::1/128, but node ports are not served "
       "on ::1 (loopback addresses are left alone)\n"},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(name_of(each.arguments)) {
      const Findings findings = check_node(parse(each.arguments), each.node);
      std::string text;
      for (const auto& [mark, errors] :
           {std::pair{"F ", &findings.fatal}, {"E ", &findings.errors}, {"W ", &findings.warnings}})
        for (const Error& error : *errors) text += mark + error.message() + '\n';
      BOOST_TEST(text == each.findings);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
