#include "compiler/service/node_view.h"

#include <algorithm>

namespace kproxy::service {
namespace {

using options::DetectLocalMode;
using options::Options;

std::vector<Cidr> of_family(const std::vector<Cidr>& prefixes, Family family) {
  std::vector<Cidr> result;
  std::copy_if(prefixes.begin(), prefixes.end(), std::back_inserter(result),
               [&](const Cidr& prefix) { return prefix.family() == family; });
  return result;
}

LocalDetector detector_of(const Options& options, const snapshot::Node* node, Family family) {
  LocalDetector detector;
  switch (options.detect_local_mode) {
    case DetectLocalMode::cluster_cidr:
      detector.cidrs = outermost(of_family(options.cluster_cidrs, family));
      break;
    case DetectLocalMode::node_cidr:
      if (node != nullptr) detector.cidrs = outermost(of_family(node->pod_cidrs, family));
      break;
    case DetectLocalMode::bridge_interface:
      detector.kind = LocalDetector::Kind::interface;
      detector.interface = options.bridge_interface;
      return detector;
    case DetectLocalMode::interface_name_prefix:
      detector.kind = LocalDetector::Kind::interface_prefix;
      detector.interface = options.interface_name_prefix;
      return detector;
  }
  if (!detector.cidrs.empty()) detector.kind = LocalDetector::Kind::cidr;
  return detector;
}

void set_node_ports(const Options& options, NodeFamily& view, Family family) {
  if (options.node_port_addresses.empty()) {
    // "primary": without a known address nothing is accepted, rather than everything.
    if (view.primary) view.node_port_addresses = {Cidr::host(*view.primary)};
    return;
  }
  const std::vector<Cidr> prefixes = outermost(of_family(options.node_port_addresses, family));
  view.node_ports_everywhere = prefixes.empty() || prefixes.front().length() == 0;
  if (!view.node_ports_everywhere) view.node_port_addresses = prefixes;
}

NodeFamily view_of_family(const Options& options, const snapshot::Node* node, Family family,
                          const std::vector<Cidr>& service_cidrs) {
  NodeFamily view;
  if (node != nullptr)
    for (const Address& address : node->addresses)
      if (address.family() == family) view.addresses.push_back(address);
  const bool bound = options.bind_address && options.bind_address->family() == family &&
                     !options.bind_address->is_unspecified();
  if (bound) {
    view.primary = *options.bind_address;
    if (std::find(view.addresses.begin(), view.addresses.end(), *view.primary) ==
        view.addresses.end())
      view.addresses.insert(view.addresses.begin(), *view.primary);
  } else if (!view.addresses.empty()) {
    view.primary = view.addresses.front();
  }
  view.detector = detector_of(options, node, family);
  set_node_ports(options, view, family);
  view.service_cidrs = outermost(of_family(service_cidrs, family));
  return view;
}

// The name of the node to compile for: the given one, else that of the only Node.
Result<std::string> name_of_node(const Options& options, const snapshot::Snapshot& snapshot) {
  if (!options.node.empty()) return options.node;
  const auto& nodes = snapshot.nodes();
  if (nodes.size() == 1) return nodes.begin()->first;
  std::string names;
  for (const auto& [name, node] : nodes) {
    if (names.size() > 60) {
      names += ", ...";
      break;
    }
    names += (names.empty() ? "" : ", ") + name;
  }
  return Error{"node",
               nodes.empty() ? "no name given, and the snapshot has no Node"
                             : "no name given, and the snapshot has several: " + names,
               "say which with --node NAME or hostnameOverride"};
}

}  // namespace

Result<NodeView> view_of_node(const Options& options, const snapshot::Snapshot& snapshot,
                              Errors& warnings) {
  const Result<std::string> name = name_of_node(options, snapshot);
  if (!name) return name.error();

  NodeView view;
  view.name = *name;
  const auto found = snapshot.nodes().find(view.name);
  const snapshot::Node* node = found == snapshot.nodes().end() ? nullptr : &found->second;
  if (node == nullptr)
    warnings.push_back({"Node " + view.name, "is not in the snapshot",
                        "its zone, addresses and pod CIDRs are not known"});
  else
    view.zone = node->zone;
  view.masquerade_all = options.masquerade_all;
  view.masquerade_bit = options.masquerade_bit;
  view.external_ips = options.allow_service_external_ips;

  std::vector<Cidr> service_cidrs;
  for (const auto& [cidr_name, object] : snapshot.service_cidrs())
    service_cidrs.insert(service_cidrs.end(), object.cidrs.begin(), object.cidrs.end());
  for (Family family : kFamilies)
    view.families[index_of(family)] = view_of_family(options, node, family, service_cidrs);
  return view;
}

}  // namespace kproxy::service
