// Reading a KubeProxyConfiguration (CFG-04, CFG-08..13, CFG-20, CFG-44..46, CFG-50).
#include "compiler/options/configuration.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>

#include "compiler/options/duration.h"
#include "compiler/options/gates.h"

namespace {

using kproxy::Address;
using kproxy::Cidr;
using kproxy::Errors;
using namespace kproxy::options;

constexpr const char* kHead =
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";

Configuration read(const std::string& body) {
  return read_configuration("config.yaml", kHead + body);
}

std::string join(const Errors& errors) {
  std::string text;
  for (const kproxy::Error& error : errors) text += error.message() + '\n';
  return text;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(configuration)

BOOST_AUTO_TEST_CASE(what_a_file_means) {
  struct Case {
    const char* body;
    std::function<void(Options&)> expected;
  };
  const auto cidr = [](const char* text) { return *Cidr::parse(text); };
  const Case cases[] = {
      {"", [](Options&) {}},
      // CFG-45: empty and null values take the default, an explicit masqueradeBit 0 is kept.
      {"clusterCIDR: \"\"\nbindAddress: ''\ndetectLocalMode: ~\nnftables:\n", [](Options&) {}},
      {"nodePortAddresses: null\nhostnameOverride:\nnftables: {masqueradeBit: null}",
       [](Options&) {}},
      {"nftables: {masqueradeBit: 0}", [](Options& o) { o.masquerade_bit = 0; }},
      {"nftables: {masqueradeBit: 31, masqueradeAll: true}",
       [](Options& o) { o.masquerade_bit = 31, o.masquerade_all = true; }},
      // CFG-03: only the field of this mode is read.
      {"iptables: {masqueradeAll: true, masqueradeBit: 3}", [](Options&) {}},
      // CFG-20
      {"hostnameOverride: \"  Node-1 \"", [](Options& o) { o.node = "node-1"; }},
      {"bindAddress: 192.0.2.1", [](Options& o) { o.bind_address = *Address::parse("192.0.2.1"); }},
      {"bindAddress: '::'", [](Options& o) { o.bind_address = *Address::parse("::"); }},
      // CFG-09
      {"clusterCIDR: 10.244.0.0/16",
       [&](Options& o) { o.cluster_cidrs = {cidr("10.244.0.0/16")}; }},
      {"clusterCIDR: 'fd00::/48, 10.244.0.0/16'",
       [&](Options& o) {
         o.cluster_cidrs = {cidr("fd00::/48"), cidr("10.244.0.0/16")};
       }},
      // In other modes clusterCIDR is not looked at.
      {"detectLocalMode: NodeCIDR\nclusterCIDR: nonsense",
       [](Options& o) { o.detect_local_mode = DetectLocalMode::node_cidr; }},
      {"detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: cbr0}",
       [](Options& o) {
         o.detect_local_mode = DetectLocalMode::bridge_interface;
         o.bridge_interface = "cbr0";
       }},
      {"detectLocalMode: InterfaceNamePrefix\ndetectLocal:\n  interfaceNamePrefix: cali",
       [](Options& o) {
         o.detect_local_mode = DetectLocalMode::interface_name_prefix;
         o.interface_name_prefix = "cali";
       }},
      // CFG-12
      {"nodePortAddresses: [primary]", [](Options&) {}},
      {"nodePortAddresses: []", [](Options&) {}},
      {"nodePortAddresses:\n- 192.0.2.0/24\n- ::/0",
       [&](Options& o) {
         o.node_port_addresses = {cidr("192.0.2.0/24"), cidr("::/0")};
       }},
      // CFG-50
      {"featureGates: {AllowServiceExternalIPs: false}",
       [](Options& o) { o.allow_service_external_ips = false; }},
      {"featureGates: {NFTablesProxyMode: true, AllAlpha: false}", [](Options&) {}},
      {"featureGates: {InPlacePodVerticalScaling: false, WatchList: true}", [](Options&) {}},
      // CFG-44: words that are no numbers.
      {"hostnameOverride: inf", [](Options& o) { o.node = "inf"; }},
      {"hostnameOverride: NaN", [](Options& o) { o.node = "nan"; }},
      {"hostnameOverride: -infinity", [](Options& o) { o.node = "-infinity"; }},
      // Booleans of YAML 1.1.
      {"nftables: {masqueradeAll: on}", [](Options& o) { o.masquerade_all = true; }},
      // Known and of no effect on the ruleset.
      {"conntrack: {maxPerCore: 0, min: 1, tcpEstablishedTimeout: 1h30m}\n"
       "healthzBindAddress: 0.0.0.0:10256\nclientConnection: {qps: 1.5, burst: 5}\n"
       "logging: {verbosity: 2, vmodule: [{filePattern: a, verbosity: 1}], flushFrequency: 5}\n"
       "ipvs: {excludeCIDRs: [10.0.0.0/8]}\nwinkernel: {}\nconfigSyncPeriod: 0s\n",
       [](Options&) {}},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.body) {
      const Configuration read_back = read(each.body);
      BOOST_TEST(join(read_back.errors) == "");
      BOOST_TEST(join(read_back.warnings) == "");
      Options expected;
      each.expected(expected);
      BOOST_TEST((read_back.options == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_a_file_must_not_say) {
  struct Case {
    const char* body;
    const char* errors;  // all of them
  };
  const Case cases[] = {
      {"bindAddress: localhost",
       "config.yaml:3: KubeProxyConfiguration.bindAddress: is \"localhost\", not an IP address\n"},
      {"nftables: {masqueradeBit: 32}",
       "config.yaml:3: KubeProxyConfiguration.nftables.masqueradeBit: is 32, not within 0..31\n"},
      {"nftables:\n  masqueradeBit: -1",
       "config.yaml:4: KubeProxyConfiguration.nftables.masqueradeBit: is -1, not within 0..31\n"},
      {"hostnameOverride: ' '",
       "config.yaml:3: KubeProxyConfiguration.hostnameOverride: is blank "
       "(give the Node object's name)\n"},
      {"hostnameOverride: \"n\\nflush ruleset\\n#\"",
       "config.yaml:3: KubeProxyConfiguration.hostnameOverride: is \"n\\nflush ruleset\\n#\", "
       "not a name (letters, digits, '-', '_' and '.' may be in it)\n"},
      {"mode: userspace",
       "config.yaml:3: KubeProxyConfiguration.mode: is \"userspace\", not a proxy mode "
       "(set it to nftables)\n"},
      {"detectLocalMode: clustercidr",
       "config.yaml:3: KubeProxyConfiguration.detectLocalMode: is \"clustercidr\", not a mode "
       "(one of ClusterCIDR, NodeCIDR, BridgeInterface, InterfaceNamePrefix)\n"},
      {"detectLocalMode: BridgeInterface",
       "config.yaml: KubeProxyConfiguration.detectLocal.bridgeInterface: is empty "
       "(detectLocalMode needs it)\n"},
      {"detectLocalMode: InterfaceNamePrefix\ndetectLocal: {interfaceNamePrefix: 'a*'}",
       "config.yaml:4: KubeProxyConfiguration.detectLocal.interfaceNamePrefix: is \"a*\", not an "
       "interface's name (no blanks, quotes, backslashes, '*', '/' or ':')\n"},
      {"detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: 'a\" drop'}",
       "config.yaml:4: KubeProxyConfiguration.detectLocal.bridgeInterface: is \"a\" drop\", not an "
       "interface's name (no blanks, quotes, backslashes, '*', '/' or ':')\n"},
      {"detectLocalMode: BridgeInterface\ndetectLocal: {bridgeInterface: a234567890123456}",
       "config.yaml:4: KubeProxyConfiguration.detectLocal.bridgeInterface: is "
       "\"a234567890123456\", longer than 15 characters\n"},
      {"detectLocalMode: InterfaceNamePrefix\n"
       "detectLocal: {interfaceNamePrefix: a23456789012345}",
       "config.yaml:4: KubeProxyConfiguration.detectLocal.interfaceNamePrefix: is "
       "\"a23456789012345\", longer than 14 characters\n"},
      {"clusterCIDR: 10.0.0.0",
       "config.yaml:3: KubeProxyConfiguration.clusterCIDR: holds \"10.0.0.0\", not a CIDR "
       "(like 10.244.0.0/16)\n"},
      {"clusterCIDR: 10.0.0.0/8,",
       "config.yaml:3: KubeProxyConfiguration.clusterCIDR: holds \"\", not a CIDR "
       "(like 10.244.0.0/16)\n"},
      {"clusterCIDR: 10.0.0.0/8,11.0.0.0/8",
       "config.yaml:3: KubeProxyConfiguration.clusterCIDR: holds \"11.0.0.0/8\", one more of IPv4 "
       "(one CIDR, or one of each family)\n"},
      {"nodePortAddresses: [primary, 10.0.0.0/8]",
       "config.yaml:3: KubeProxyConfiguration.nodePortAddresses[0]: is \"primary\" among others "
       "(primary stands alone)\n"},
      {"nodePortAddresses: [10.0.0.0/8, 10.0.0.1]",
       "config.yaml:3: KubeProxyConfiguration.nodePortAddresses[1]: is \"10.0.0.1\", not a CIDR "
       "(like 192.0.2.0/24, or the lone word primary)\n"},
      {"featureGates: {NFTablesProxyMode: false}",
       "config.yaml:3: KubeProxyConfiguration.featureGates.NFTablesProxyMode: is false, but this "
       "feature cannot be switched off (leave it out)\n"},
      {"featureGates: {Sorcery: true}",
       "config.yaml:3: KubeProxyConfiguration.featureGates.Sorcery: is not a gate that Kubernetes "
       "1.36 knows (leave it out)\n"},
      // CFG-35: without effect, but judged.
      {"iptables: {masqueradeBit: 32}",
       "config.yaml:3: KubeProxyConfiguration.iptables.masqueradeBit: is 32, not within 0..31\n"},
      {"logging: {vmodule: [{filePattern: a}]}",
       "config.yaml:3: KubeProxyConfiguration.logging.vmodule[0]: is not an object with a "
       "filePattern and a verbosity (like {filePattern: daemon, verbosity: 4})\n"},
      // CFG-44: types.
      {"bindAddress: 1", "config.yaml:3: KubeProxyConfiguration.bindAddress: is 1, not a string\n"},
      {"nftables: {masqueradeAll: 'true'}",
       "config.yaml:3: KubeProxyConfiguration.nftables.masqueradeAll: is \"true\", not true or "
       "false\n"},
      {"nftables: {masqueradeBit: '3'}",
       "config.yaml:3: KubeProxyConfiguration.nftables.masqueradeBit: is \"3\", not an integer\n"},
      {"nftables: []",
       "config.yaml:3: KubeProxyConfiguration.nftables: is a list, not an object\n"},
      {"nodePortAddresses: primary",
       "config.yaml:3: KubeProxyConfiguration.nodePortAddresses: is \"primary\", not a list\n"},
      {"nodePortAddresses: [1]",
       "config.yaml:3: KubeProxyConfiguration.nodePortAddresses[0]: is 1, not a string\n"},
      {"featureGates: {A: 1}",
       "config.yaml:3: KubeProxyConfiguration.featureGates.A: is 1, not true or false\n"},
      {"hostnameOverride: 1e3",
       "config.yaml:3: KubeProxyConfiguration.hostnameOverride: is 1e3, not a string\n"},
      {"clientConnection: {qps: inf}",
       "config.yaml:3: KubeProxyConfiguration.clientConnection.qps: is \"inf\", not a number\n"},
      {"configSyncPeriod: 30",
       "config.yaml:3: KubeProxyConfiguration.configSyncPeriod: is 30, not a duration like 30s or "
       "\"0\"\n"},
      {"conntrack: {min: true}",
       "config.yaml:3: KubeProxyConfiguration.conntrack.min: is true, not an integer\n"},
      // CFG-46: all of them together.
      {"bindAddress: x\nmode: z\nnftables: {masqueradeBit: 99}",
       "config.yaml:4: KubeProxyConfiguration.mode: is \"z\", not a proxy mode (set it to "
       "nftables)\n"
       "config.yaml:3: KubeProxyConfiguration.bindAddress: is \"x\", not an IP address\n"
       "config.yaml:5: KubeProxyConfiguration.nftables.masqueradeBit: is 99, not within 0..31\n"},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.body) {
      BOOST_TEST(join(read(each.body).errors) == each.errors);
    }
  }
}

BOOST_AUTO_TEST_CASE(lenient_about_fields_that_are_unknown_or_there_twice) {  // CFG-44
  const Configuration read_back = read(
      "clusterCidr: 10.0.0.0/8\nnftables: {masqueradeBit: 3, color: red}\n"
      "bindAddress: 192.0.2.1\nbindAddress: 192.0.2.2");
  BOOST_TEST(join(read_back.errors) == "");
  BOOST_TEST(
      join(read_back.warnings) ==
      "config.yaml:6: KubeProxyConfiguration.bindAddress: stands more than once (the last one "
      "counts)\n"
      "config.yaml:3: KubeProxyConfiguration.clusterCidr: is not a known field (it has no effect)\n"
      "config.yaml:4: KubeProxyConfiguration.nftables.color: is not a known field (it has no "
      "effect)\n");
  BOOST_TEST((read_back.options.bind_address == Address::parse("192.0.2.2")));
  BOOST_TEST(read_back.options.masquerade_bit == 3u);
}

BOOST_AUTO_TEST_CASE(documents_that_are_none) {  // CFG-44
  struct Case {
    const char* text;
    const char* error;  // is in the first one
  };
  const Case cases[] = {
      {"", "is no KubeProxyConfiguration"},
      {"- a\n", "is no KubeProxyConfiguration"},
      {"just words", "is no KubeProxyConfiguration"},
      {"kind: KubeProxyConfiguration\n", "apiVersion is missing"},
      {"apiVersion: kubeproxy.config.k8s.io/v1alpha1\n", "kind is missing"},
      {"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: ConfigMap\n",
       "config.yaml:2: kind is \"ConfigMap\", not KubeProxyConfiguration"},
      {"apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nkind: "
       "ConfigMap\n",
       "config.yaml:3: kind is \"ConfigMap\", not KubeProxyConfiguration"},
      {"apiVersion: kubeproxy.config.k8s.io/v2\nkind: KubeProxyConfiguration\n",
       "apiVersion is \"kubeproxy.config.k8s.io/v2\", not"},
      {"a: [1\nb: }", "config.yaml:2:"},
      {"{\"a\": 1},\n\"b\": 2}", "config.yaml:1:9: is neither YAML nor JSON: not expected here"},
      {"a: 1\n---\n---\n", "apiVersion is missing"},
      {"{\"kind\": \"KubeProxyConfiguration\"", "neither YAML nor JSON"},
      {"a: *unknown", "neither YAML nor JSON"},
      {"kind: KubeProxyConfiguration\nhostnameOverride: node\xad 1\n",
       "config.yaml:2: is not text in UTF-8"},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.text) {
      const Errors errors = read_configuration("config.yaml", each.text).errors;
      BOOST_REQUIRE(!errors.empty());
      BOOST_TEST(errors.front().message().find(each.error) != std::string::npos,
                 errors.front().message());
    }
  }
  // Nesting of any depth, closed or not, is an error and no more.
  const std::string deep(100000, '[');
  BOOST_TEST(!read_configuration("config.yaml", deep).errors.empty());
}

BOOST_AUTO_TEST_CASE(json_is_read_as_well) {  // CFG-44
  const Configuration read_back = read_configuration("config.json", R"({
	"kind": "KubeProxyConfiguration", "apiVersion": "kubeproxy.config.k8s.io\/v1alpha1",
	"nftables": {"masqueradeAll": true, "masqueradeBit": 4, "syncPeriod": "1m"},
	"nodePortAddresses": ["10.0.0.0/8"], "mode": "nftables"
})");
  BOOST_TEST(join(read_back.errors) == "");
  BOOST_TEST(read_back.options.masquerade_all);
  BOOST_TEST(read_back.options.masquerade_bit == 4u);
  BOOST_TEST(read_back.options.node_port_addresses.size() == 1u);
  BOOST_TEST(read_back.mode == "nftables");
}

BOOST_AUTO_TEST_CASE(fields_are_kept_for_others) {
  const Configuration read_back = read(
      "conntrack: {maxPerCore: 0, tcpBeLiberal: yes}\nnodePortAddresses: [a, b]\n"
      "featureGates: {WatchList: true, AllAlpha: false}\noomScoreAdj: null\n"
      "logging: {vmodule: [{filePattern: a*, verbosity: 1}]}");
  const Values expected{
      {"apiVersion", {"kubeproxy.config.k8s.io/v1alpha1"}},
      {"conntrack.maxPerCore", {"0"}},
      {"conntrack.tcpBeLiberal", {"true"}},
      {"featureGates", {"AllAlpha=false", "WatchList=true"}},
      {"kind", {"KubeProxyConfiguration"}},
      {"logging.vmodule", {"a*=1"}},
      {"nodePortAddresses", {"a", "b"}},
  };
  BOOST_TEST((read_back.fields == expected));
}

BOOST_AUTO_TEST_CASE(gates) {  // CFG-32, CFG-50
  struct Case {
    std::map<std::string, bool> given;
    const char* gate;
    bool on;
  };
  const Case cases[] = {
      {{}, "AllowServiceExternalIPs", true},
      {{}, "LoggingAlphaOptions", false},
      {{}, "NativeHistograms", false},
      {{}, "ComponentFlagz", true},
      {{{"AllAlpha", true}}, "LoggingAlphaOptions", true},
      {{{"AllAlpha", true}}, "ComponentFlagz", true},
      {{{"AllAlpha", true}, {"LoggingAlphaOptions", false}}, "LoggingAlphaOptions", false},
      {{{"AllBeta", false}}, "ComponentStatusz", false},
      {{{"AllBeta", false}, {"ComponentStatusz", true}}, "ComponentStatusz", true},
      // Neither alpha nor beta.
      {{{"AllAlpha", false}, {"AllBeta", false}}, "AllowServiceExternalIPs", true},
      {{{"AllAlpha", false}, {"AllBeta", false}}, "NFTablesProxyMode", true},
  };
  const Where where = [](std::string_view field) { return std::string(field); };
  for (const Case& each : cases) {
    Errors errors;
    const Gates gates = judge_gates(each.given, where, errors);
    BOOST_TEST(join(errors) == "");
    const auto found = gates.find(each.gate);
    BOOST_REQUIRE(found != gates.end());
    BOOST_TEST(found->second.on == each.on, each.gate);
  }
  for (const char* locked :
       {"NFTablesProxyMode", "MultiCIDRServiceAllocator", "PreferSameTrafficDistribution"}) {
    Errors errors;
    judge_gates({{locked, true}}, where, errors);
    BOOST_TEST(errors.empty());
    judge_gates({{locked, false}}, where, errors);
    BOOST_TEST(errors.size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(the_table_of_fields_is_sorted) {  // find_field() relies on it
  const auto sorted = [](const Field& a, const Field& b) { return a.path < b.path; };
  BOOST_TEST(std::is_sorted(fields().begin(), fields().end(), sorted));
  for (const Field& field : fields()) BOOST_TEST(find_field(field.path) == &field);
  BOOST_TEST(find_field("conntrack") == nullptr);
}

BOOST_AUTO_TEST_CASE(durations) {  // CFG-40
  using std::chrono::nanoseconds;
  struct Case {
    const char* text;
    std::optional<long long> expected;
  };
  const Case cases[] = {
      {"0", 0},
      {"5s", 5000000000},
      {"1h30m", 5400000000000},
      {"1.5h", 5400000000000},
      {"-1m", -60000000000},
      {"+3ms", 3000000},
      {"2us", 2000},
      {"2\xc2\xb5s", 2000},
      {"7ns", 7},
      {".5s", 500000000},
      {"", {}},
      {"5", {}},
      {"s", {}},
      {"5x", {}},
      {"5s ", {}},
      {"1..5s", {}},
      {"-", {}},
      {"9999999h", {}},
      {"1e3s", {}},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT('"' << each.text << '"') {
      const auto duration = parse_duration(each.text);
      BOOST_TEST(duration.has_value() == each.expected.has_value());
      if (duration && each.expected) BOOST_TEST(duration->count() == *each.expected);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
