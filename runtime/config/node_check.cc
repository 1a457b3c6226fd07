#include "runtime/config/node_check.h"

#include <algorithm>
#include <string>

namespace kproxy::config {
namespace {

using options::DetectLocalMode;

Family other(Family family) {
  return family == Family::ipv4 ? Family::ipv6 : Family::ipv4;
}

std::string name(Family family) {
  return std::string(to_string(family));
}

bool has(const std::vector<Cidr>& cidrs, Family family) {
  return std::any_of(cidrs.begin(), cidrs.end(),
                     [family](const Cidr& cidr) { return cidr.family() == family; });
}

class Check {
 public:
  Check(const CommandLine& line, const NodeFacts& node) : line_(line), node_(node) {}

  Findings run() {
    local_detection();
    servers();
    node_ports();
    loopback();
    return std::move(findings_);
  }

 private:
  static Error at(const std::string& field, std::string what, std::string hint = {}) {
    return {"KubeProxyConfiguration." + field, std::move(what), std::move(hint)};
  }

  // Without a CIDR of a family no pod is recognised in it.
  void local_detection() {
    const std::vector<Cidr>& given = line_.options.cluster_cidrs;
    const std::string only = "holds only " + name(other(node_.primary)) +
                             " CIDRs, but the node is " + name(node_.primary) +
                             (node_.dual_stack ? "-primary" : "-only");
    switch (line_.options.detect_local_mode) {
      case DetectLocalMode::cluster_cidr:
        if (!given.empty() && !has(given, node_.primary))
          (node_.dual_stack ? findings_.warnings : findings_.fatal)
              .push_back(at("clusterCIDR", only));
        else if (given.empty())
          findings_.warnings.push_back(at("clusterCIDR", "is empty: pods are not told from others",
                                          "set it, or another detectLocalMode"));
        return;
      case DetectLocalMode::node_cidr:
        if (!node_.pod_cidrs.empty() && !has(node_.pod_cidrs, node_.primary)) {
          Error error = at("detectLocalMode", only);
          error.where += ": the Node's podCIDRs";
          findings_.fatal.push_back(std::move(error));
        }
        return;
      case DetectLocalMode::bridge_interface:
      case DetectLocalMode::interface_name_prefix:
        return;
    }
  }

  void servers() {
    if (node_.dual_stack) return;
    const auto check = [this](const char* field, const std::optional<Listen>& listen) {
      if (listen && listen->address.family() != node_.primary)
        findings_.warnings.push_back(
            at(field, "is an address of " + name(listen->address.family()) + ", but the node is " +
                          name(node_.primary) + "-only"));
    };
    check("healthzBindAddress", line_.settings.healthz);
    check("metricsBindAddress", line_.settings.metrics);
  }

  void node_ports() {
    const auto given = line_.values.find("nodePortAddresses");
    if (given == line_.values.end() || given->second.empty()) {
      findings_.warnings.push_back(at(
          "nodePortAddresses", "is not set: node ports are served on the node's primary addresses",
          "primary says the same without this warning"));
      return;
    }
    const std::vector<Cidr>& cidrs = line_.options.node_port_addresses;
    if (cidrs.empty()) return;  // primary
    for (const Family family : kFamilies)
      if ((node_.dual_stack || family == node_.primary) && !has(cidrs, family))
        findings_.warnings.push_back(
            at("nodePortAddresses",
               "holds no " + name(family) + " CIDR: node ports are served on every address of it",
               "add those to be served"));
  }

  void loopback() {
    for (const Address& address : node_.addresses)
      for (const Cidr& cidr : line_.options.node_port_addresses)
        if (address.is_loopback() && cidr.length() > 0 && cidr.contains(address))
          findings_.errors.push_back(at("nodePortAddresses",
                                        "holds " + cidr.to_string() +
                                            ", but node ports are not served on " +
                                            address.to_string(),
                                        "loopback addresses are left alone"));
  }

  const CommandLine& line_;
  const NodeFacts& node_;
  Findings findings_;
};

}  // namespace

Findings check_node(const CommandLine& line, const NodeFacts& node) {
  return Check(line, node).run();
}

}  // namespace kproxy::config
