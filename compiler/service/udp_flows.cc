#include "compiler/service/udp_flows.h"

#include <algorithm>

namespace kproxy::service {
namespace {

// Whether no flow can be stale because of this: somebody served, and all who did still do.
bool only_grows(const std::vector<Socket>& before, const std::vector<Socket>& after) {
  return !before.empty() && std::includes(after.begin(), after.end(), before.begin(), before.end());
}

Address unspecified(Family family) {
  return family == Family::ipv4 ? Address::ipv4(0) : Address();
}

}  // namespace

AddressSet::AddressSet(std::vector<Cidr> prefixes) : prefixes_(outermost(std::move(prefixes))) {}

bool AddressSet::contains(const Address& address) const {
  const auto after = std::upper_bound(
      prefixes_.begin(), prefixes_.end(), address,
      [](const Address& wanted, const Cidr& prefix) { return wanted < prefix.address(); });
  return after != prefixes_.begin() && std::prev(after)->contains(address);
}

AddressSet node_port_destinations(const NodeFamily& view, Family family,
                                  const std::vector<Cidr>& own_addresses) {
  std::vector<Cidr> result;
  for (const Cidr& own : own_addresses) {
    if (own.family() != family || own.address().is_loopback()) continue;
    if (view.node_ports_everywhere) {
      result.push_back(own);
      continue;
    }
    for (const Cidr& accepted : view.node_port_addresses)
      if (accepted.contains(own))
        result.push_back(own);
      else if (own.contains(accepted))
        result.push_back(accepted);
  }
  return AddressSet(std::move(result));
}

Socket UdpFlows::key(Family family, const Frontend& frontend) {
  if (frontend.kind == FrontendKind::node_port) return {unspecified(family), frontend.port};
  return {frontend.address, frontend.port};
}

void UdpFlows::update(const snapshot::ObjectName& name, const snapshot::Snapshot::Entry* entry,
                      const NodeView& node) {
  std::vector<UdpPort> ports;
  if (entry != nullptr) ports = udp_ports(*entry, node);
  const auto known = services_.find(name);
  if (known == services_.end() && ports.empty()) return;
  std::vector<UdpPort>& before = services_[name];
  if (before == ports) return;

  // Where everybody who served still does, frontend by frontend, nothing is touched: so say first
  // who served where.
  std::map<Socket, const std::vector<Socket>*> served;
  for (const UdpPort& port : before)
    for (const Frontend& frontend : port.frontends) {
      const Socket at = key(port.family, frontend);
      served[at] = &port.serving;
      std::vector<const UdpPort*>& claims = claims_[at];
      std::erase(claims, &port);
      if (claims.empty()) claims_.erase(at);
    }
  for (const UdpPort& port : ports)
    for (const Frontend& frontend : port.frontends) {
      const Socket at = key(port.family, frontend);
      const auto same = served.find(at);
      const bool fine = same != served.end() &&
                        (*same->second == port.serving || only_grows(*same->second, port.serving));
      if (fine)
        served.erase(same);
      else
        touched_[index_of(port.family)].insert(at);
    }
  for (const auto& [at, serving] : served) touched_[index_of(at.address.family())].insert(at);

  if (ports.empty()) {
    services_.erase(name);
    return;
  }
  before = std::move(ports);
  for (const UdpPort& port : before)
    for (const Frontend& frontend : port.frontends)
      claims_[key(port.family, frontend)].push_back(&port);
}

void UdpFlows::begin(Family family) {
  in_question_[index_of(family)].merge(touched_[index_of(family)]);
  touched_[index_of(family)].clear();
}

void UdpFlows::finish(Family family) {
  in_question_[index_of(family)] = {};
}

std::optional<Address> UdpFlows::only_address(Family family) const {
  const Keys& keys = in_question_[index_of(family)];
  if (keys.empty() || keys.begin()->address.is_unspecified()) return std::nullopt;
  const Address& first = keys.begin()->address;
  const bool all =
      std::all_of(keys.begin(), keys.end(), [&](const Socket& at) { return at.address == first; });
  return all ? std::optional(first) : std::nullopt;
}

std::optional<Port> UdpFlows::only_port(Family family) const {
  const Keys& keys = in_question_[index_of(family)];
  if (keys.empty()) return std::nullopt;
  const Port first = keys.begin()->port;
  const bool all =
      std::all_of(keys.begin(), keys.end(), [&](const Socket& at) { return at.port == first; });
  return all ? std::optional(first) : std::nullopt;
}

bool UdpFlows::node_ports(Family family) const {
  const Keys& keys = in_question_[index_of(family)];
  return std::any_of(keys.begin(), keys.end(),
                     [](const Socket& at) { return at.address.is_unspecified(); });
}

bool UdpFlows::is_stale(const UdpFlow& flow, const AddressSet& node_ports) const {
  const Family family = flow.to.address.family();
  const Keys& keys = in_question_[index_of(family)];
  const Socket node_port{unspecified(family), flow.to.port};
  const bool to_node = node_ports.contains(flow.to.address);
  if (!keys.contains(flow.to) && !(to_node && keys.contains(node_port))) return false;

  // As the rules do: who has the address comes before who has the node port.
  auto claims = claims_.find(flow.to);
  if (claims == claims_.end() && to_node) claims = claims_.find(node_port);
  if (claims == claims_.end()) return flow.by != flow.to;
  return std::none_of(claims->second.begin(), claims->second.end(), [&](const UdpPort* port) {
    return std::binary_search(port->serving.begin(), port->serving.end(), flow.by);
  });
}

}  // namespace kproxy::service
