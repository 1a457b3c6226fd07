// kube-proxy's flags, their spelling and their precedence (CFG-01..04, CFG-08..13, CFG-40..43).
#include "compiler/options/flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <functional>

namespace {

using kproxy::Address;
using kproxy::Cidr;
using kproxy::Error;
using kproxy::Result;
using namespace kproxy::options;

constexpr const char* kFile =
    "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
    "hostnameOverride: from-file\nclusterCIDR: 10.1.0.0/16\n";

Result<std::string> read_file(const std::string& path) {
  if (path == "good.yaml") return std::string(kFile);
  if (path == "ipvs.yaml") return kFile + std::string("mode: ipvs\n");
  if (path == "bad.yaml") return kFile + std::string("bindAddress: x\n");
  return Error{path, "cannot be opened", {}};
}

struct Parsed {
  Configuration configuration;
  std::vector<std::string> rest;  // positional arguments
  std::string failure;            // of parsing
  std::string errors;
};

Parsed parse(std::vector<std::string> arguments) {
  CLI::App app;
  const Flags flags(app);
  Parsed parsed;
  app.add_option("FILE", parsed.rest);
  arguments = normalize_arguments(arguments);
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    parsed.failure = error.what();
    return parsed;
  }
  parsed.configuration = flags.configuration(read_file);
  for (const Error& error : parsed.configuration.errors) parsed.errors += error.message() + '\n';
  return parsed;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(flags)

BOOST_AUTO_TEST_CASE(what_flags_mean) {
  struct Case {
    std::vector<std::string> arguments;
    std::function<void(Options&)> expected;
    std::vector<std::string> rest = {};
  };
  const auto cidr = [](const char* text) { return *Cidr::parse(text); };
  const auto nothing = [](Options&) {};
  const auto pods = [&](Options& o) { o.cluster_cidrs = {cidr("10.0.0.0/8")}; };
  const auto all = [](Options& o) { o.masquerade_all = true; };
  const Case cases[] = {
      {{}, nothing},
      {{"--node", "Node-1"}, [](Options& o) { o.node = "node-1"; }},
      {{"--hostname-override= Node-1 "}, [](Options& o) { o.node = "node-1"; }},
      {{"--node=N_1.example"}, [](Options& o) { o.node = "n_1.example"; }},
      {{"--node=" + std::string(253, 'n')}, [](Options& o) { o.node.assign(253, 'n'); }},
      {{"--cluster-cidr", "10.0.0.0/8"}, pods},
      {{"--cluster-cidr=10.0.0.0/8"}, pods},
      {{"--cluster_cidr=10.0.0.0/8"}, pods},  // CFG-40
      {{"--cluster-cidr=11.0.0.0/8", "--cluster-cidr=10.0.0.0/8"}, pods},
      // Empty: not given. The next argument is not its value.
      {{"--cluster-cidr=", "file"}, nothing, {"file"}},
      {{"--cluster-cidr=10.0.0.0/8", "--cluster-cidr="}, nothing},
      {{"--bind-address=", "--masquerade-bit=", "--nodeport-addresses=", "--feature-gates=",
        "--proxy-mode=", "--config=", "--node=", "--detect-local-mode=", "--masquerade-all="},
       nothing},
      // Booleans as Go has them: a value only after '='.
      {{"--masquerade-all"}, all},
      {{"--masquerade-all", "false"}, all, {"false"}},
      {{"--masquerade-all=true"}, all},
      {{"--masquerade_all=T"}, all},
      {{"--masquerade-all=false"}, nothing},
      {{"--masquerade-all", "--masquerade-all=0"}, nothing},
      {{"--masquerade-bit", "0"}, [](Options& o) { o.masquerade_bit = 0; }},
      {{"--iptables-masquerade-bit=3"}, nothing},  // CFG-35
      {{"--detect-local-mode=BridgeInterface", "--pod-bridge-interface=cbr_0"},
       [](Options& o) {
         o.detect_local_mode = DetectLocalMode::bridge_interface;
         o.bridge_interface = "cbr_0";
       }},
      {{"--detect-local-mode=InterfaceNamePrefix", "--pod-interface-name-prefix", "veth"},
       [](Options& o) {
         o.detect_local_mode = DetectLocalMode::interface_name_prefix;
         o.interface_name_prefix = "veth";
       }},
      {{"--nodeport-addresses=primary"}, nothing},
      {{"--nodeport-addresses=10.0.0.0/8,::/0", "--nodeport-addresses", "11.0.0.0/8", "file"},
       [&](Options& o) {
         o.node_port_addresses = {cidr("10.0.0.0/8"), cidr("::/0"), cidr("11.0.0.0/8")};
       },
       {"file"}},
      {{"--bind-address=192.0.2.1"},
       [](Options& o) { o.bind_address = Address::parse("192.0.2.1"); }},
      {{"--nodeport-addresses=", "--nodeport-addresses=10.0.0.0/8"},
       [&](Options& o) { o.node_port_addresses = {cidr("10.0.0.0/8")}; }},
      {{"--feature-gates=AllAlpha=true,,AllowServiceExternalIPs=false,"},
       [](Options& o) { o.allow_service_external_ips = false; }},
      {{"--feature-gates=AllAlpha=true,AllowServiceExternalIPs=false"},
       [](Options& o) { o.allow_service_external_ips = false; }},
      {{"--feature-gates=AllowServiceExternalIPs=false",
        "--feature-gates=AllowServiceExternalIPs=true"},
       nothing},
      {{"--proxy-mode=nftables"}, nothing},
      {{"--", "--cluster_cidr="}, nothing, {"--cluster_cidr="}},
      // CFG-43: the file replaces the flags but for the node.
      {{"--config=good.yaml", "--cluster-cidr=10.0.0.0/8", "--masquerade-all"},
       [&](Options& o) {
         o.node = "from-file";
         o.cluster_cidrs = {cidr("10.1.0.0/16")};
       }},
      {{"--config", "good.yaml", "--node", "From-Flag", "--bind-address=ignored",
        "--proxy-mode=ignored"},
       [&](Options& o) {
         o.node = "from-flag";
         o.cluster_cidrs = {cidr("10.1.0.0/16")};
       }},
  };
  for (const Case& each : cases) {
    std::string line;
    for (const std::string& argument : each.arguments) line += argument + ' ';
    BOOST_TEST_CONTEXT(line) {
      const Parsed parsed = parse(each.arguments);
      BOOST_TEST(parsed.failure == "");
      BOOST_TEST(parsed.errors == "");
      BOOST_TEST(parsed.rest == each.rest, boost::test_tools::per_element());
      Options expected;
      each.expected(expected);
      BOOST_TEST((parsed.configuration.options == expected));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_flags_must_not_say) {
  struct Case {
    std::vector<std::string> arguments;
    const char* errors;
  };
  const Case cases[] = {
      {{"--cluster-cidr=x"},
       "--cluster-cidr: KubeProxyConfiguration.clusterCIDR: holds \"x\", not a CIDR (like "
       "10.244.0.0/16)\n"},
      {{"--masquerade-bit=32"},
       "--masquerade-bit: KubeProxyConfiguration.nftables.masqueradeBit: is 32, not within "
       "0..31\n"},
      {{"--masquerade-bit=two"},
       "--masquerade-bit: KubeProxyConfiguration.nftables.masqueradeBit: is \"two\", not an "
       "integer\n"},
      {{"--iptables-masquerade-bit=32"},
       "--iptables-masquerade-bit: KubeProxyConfiguration.iptables.masqueradeBit: is 32, not "
       "within 0..31\n"},
      {{"--nodeport-addresses=10.0.0.0/8,primary"},
       "--nodeport-addresses: KubeProxyConfiguration.nodePortAddresses[1]: is \"primary\" among "
       "others (primary stands alone)\n"},
      // CFG-46: an empty entry, wherever it stands.
      {{"--nodeport-addresses=10.0.0.0/8,"},
       "--nodeport-addresses: KubeProxyConfiguration.nodePortAddresses[1]: is \"\", not a CIDR "
       "(like 192.0.2.0/24, or the lone word primary)\n"},
      {{"--nodeport-addresses=,10.0.0.0/8"},
       "--nodeport-addresses: KubeProxyConfiguration.nodePortAddresses[0]: is \"\", not a CIDR "
       "(like 192.0.2.0/24, or the lone word primary)\n"},
      {{"--cluster-cidr=10.0.0.0/8,"},
       "--cluster-cidr: KubeProxyConfiguration.clusterCIDR: holds \"\", not a CIDR (like "
       "10.244.0.0/16)\n"},
      {{"--node= "},
       "--node: KubeProxyConfiguration.hostnameOverride: is blank (give the Node object's name)\n"},
      {{"--node=n1\nflush ruleset\n#"},
       "--node: KubeProxyConfiguration.hostnameOverride: is \"n1\\nflush ruleset\\n#\", not a name "
       "(letters, digits, '-', '_' and '.' may be in it)\n"},
      {{"--node=shop/n1"},
       "--node: KubeProxyConfiguration.hostnameOverride: is \"shop/n1\", not a name (letters, "
       "digits, '-', '_' and '.' may be in it)\n"},
      {{"--node=" + std::string(254, 'n')},
       "--node: KubeProxyConfiguration.hostnameOverride: is longer than 253 characters\n"},
      {{"--feature-gates=AllAlpha"},
       "--feature-gates: KubeProxyConfiguration.featureGates: holds \"AllAlpha\" (write NAME=true "
       "or NAME=false)\n"},
      {{"--proxy-mode=ipvs"},
       "--proxy-mode: KubeProxyConfiguration.mode: is \"ipvs\", which is not served here (set it "
       "to nftables or leave it empty)\n"},
      {{"--proxy-mode=x", "--bind-address=y"},
       "--proxy-mode: KubeProxyConfiguration.mode: is \"x\", not a proxy mode (set it to "
       "nftables)\n"
       "--bind-address: KubeProxyConfiguration.bindAddress: is \"y\", not an IP address\n"},
      {{"--masquerade-all=maybe"},
       "--masquerade-all: KubeProxyConfiguration.nftables.masqueradeAll: is \"maybe\", not true or "
       "false\n"},
      // CFG-50
      {{"--feature-gates=Sorcery=true"},
       "--feature-gates: KubeProxyConfiguration.featureGates.Sorcery: is not a gate that "
       "Kubernetes "
       "1.36 knows (leave it out)\n"},
      // CFG-41: a flag that does not count beside --config must be right in type all the same.
      {{"--config=good.yaml", "--masquerade-bit=two"},
       "--masquerade-bit: KubeProxyConfiguration.nftables.masqueradeBit: is \"two\", not an "
       "integer\n"},
      {{"--config=missing.yaml"}, "missing.yaml: cannot be opened\n"},
      {{"--config=ipvs.yaml"},
       "ipvs.yaml:5: KubeProxyConfiguration.mode: is \"ipvs\", which is not served here (set it to "
       "nftables or leave it empty)\n"},
      {{"--config=bad.yaml"},
       "bad.yaml:5: KubeProxyConfiguration.bindAddress: is \"x\", not an IP address\n"},
      {{"--config=good.yaml", "--node= "},
       "--node: KubeProxyConfiguration.hostnameOverride: is blank (give the Node object's name)\n"},
  };
  for (const Case& each : cases) {
    BOOST_TEST_CONTEXT(each.arguments.front()) {
      BOOST_TEST(parse(each.arguments).errors == each.errors);
    }
  }
}

BOOST_AUTO_TEST_CASE(command_lines_that_cannot_be_parsed) {  // CFG-41
  const std::vector<std::string> cases[] = {{"--no-such-flag"}, {"--cluster-cidr"}, {"--node"}};
  for (const auto& arguments : cases) {
    BOOST_TEST_CONTEXT(arguments.front()) {
      BOOST_TEST(parse(arguments).failure != "");
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
