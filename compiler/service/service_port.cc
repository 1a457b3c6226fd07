#include "compiler/service/service_port.h"

#include <algorithm>

#include "compiler/service/topology.h"

namespace kproxy::service {
namespace {

using snapshot::EndpointSlice;
using snapshot::Service;

bool is_served(const std::optional<Service>& service) {
  return service && !service->other_proxy && service->type != Service::Type::external_name &&
         std::any_of(service->cluster_ips.begin(), service->cluster_ips.end(),
                     [](const auto& address) { return address.has_value(); });
}

bool has_external_local(const Service& service) {
  if (!service.external_local) return false;
  return service.type == Service::Type::load_balancer || service.type == Service::Type::node_port ||
         (service.type == Service::Type::cluster_ip &&
          (!service.external_ips.empty() || service.external_ips_unreadable));
}

// Calls for each port in each of the Service's families.
template <typename Call>
void each_port(const Service& service, Call call) {
  for (const Service::PortSpec& port : service.ports)
    for (Family family : kFamilies)
      if (service.cluster_ips[index_of(family)]) call(port, family);
}

std::vector<Frontend> frontends(const Service& service, const Service::PortSpec& port,
                                Family family, const NodeView& node) {
  std::vector<Frontend> result;
  const auto add = [&](FrontendKind kind, const Address& address) {
    const auto same = [&](const Frontend& f) {
      return f.kind != FrontendKind::node_port && f.address == address;
    };
    if (address.family() == family && std::none_of(result.begin(), result.end(), same))
      result.push_back({kind, address, port.port});
  };
  add(FrontendKind::cluster_ip, *service.cluster_ips[index_of(family)]);
  for (const Address& address : service.load_balancer_ips)
    add(FrontendKind::load_balancer, address);
  if (node.external_ips)
    for (const Address& address : service.external_ips) add(FrontendKind::external_ip, address);
  if (port.node_port.value != 0)
    result.push_back({FrontendKind::node_port, Address(), port.node_port});
  std::sort(result.begin(), result.end());
  return result;
}

std::optional<std::vector<Cidr>> source_ranges(const Service& service, Family family) {
  if (service.source_ranges_unreadable) return std::vector<Cidr>();
  std::vector<Cidr> all;
  for (const Cidr& range : service.source_ranges)
    if (range.family() == family) all.push_back(range);
  if (all.empty()) return std::nullopt;
  std::vector<Cidr> ranges = outermost(std::move(all));
  if (ranges.front().length() == 0) return std::nullopt;  // everybody
  return ranges;
}

// Calls for each slice with endpoints of the Service's port, and with that port of its own.
template <typename Call>
void each_slice(const snapshot::Snapshot::Entry& entry, const Service::PortSpec& port,
                Family family, Call call) {
  for (const EndpointSlice* slice : entry.slices) {
    if (slice->headless || slice->family != family) continue;
    for (const EndpointSlice::PortSpec& slice_port : slice->ports)
      if (slice_port.name == port.name && slice_port.protocol == port.protocol)
        call(*slice, slice_port.port);
  }
}

// Nothing is to be selected among endpoints like this one that are in order.
bool is_plain(const snapshot::Endpoint& endpoint) {
  return endpoint.ready && endpoint.hints == 0;
}

// Adds a slice's endpoints, if they are plain and in order. False: they are not.
bool append_plain(const EndpointSlice& slice, Port port, const NodeView& node,
                  std::vector<Endpoint>& all) {
  const std::size_t size = all.size();
  all.resize(size + slice.endpoints.size());
  Endpoint* next = all.data() + size;
  const Address* last = size == 0 ? nullptr : &all[size - 1].address;
  for (const snapshot::Endpoint& endpoint : slice.endpoints) {
    if (!is_plain(endpoint) || (last != nullptr && *last >= endpoint.address)) return false;
    next->address = endpoint.address;
    next->port = port;
    next->local = is_local(endpoint, node);
    last = &endpoint.address;
    ++next;
  }
  return true;
}

Eligible endpoints(const snapshot::Snapshot::Entry& entry, const Service::PortSpec& port,
                   Family family, const NodeView& node) {
  Eligible all;
  bool plain = true;
  each_slice(entry, port, family, [&](const EndpointSlice& slice, Port number) {
    plain = plain && append_plain(slice, number, node, all.cluster);
  });
  if (plain) {  // as most often
    all.local = local_of(all.cluster);
    return all;
  }
  std::vector<Candidate> candidates;
  each_slice(entry, port, family, [&](const EndpointSlice& slice, Port number) {
    for (const snapshot::Endpoint& endpoint : slice.endpoints)
      candidates.push_back({&endpoint, slice.hints_of(endpoint), number});
  });
  return select_endpoints(std::move(candidates), node);
}

// Notes which endpoints of a port took another's place. False: more than that follows.
bool note_replacements(const snapshot::Snapshot::Entry& entry, const Service::PortSpec& port,
                       Family family, const NodeView& node, std::size_t index, const Eligible& held,
                       std::vector<Replacement>& noted) {
  const std::size_t noted_before = noted.size();
  auto before = held.cluster.begin();
  bool same = true;  // the last one is held in that place
  const auto next = [&](const Address& address, Port number, bool local) {
    if (before == held.cluster.end()) return false;
    same = before->address == address && before->port == number && before->local == local;
    if (!same) {
      if (local || before->local) return false;
      const auto place = static_cast<std::size_t>(before - held.cluster.begin());
      noted.push_back({index, place, {address, number, false}});
    }
    ++before;
    return true;
  };

  // Most often they are plain and in order: then no list of them is needed. Those held are in
  // order, so that it need be asked of others alone, and of who comes after those.
  bool fits = true;
  const Address* last = nullptr;
  auto local = held.local.begin();
  each_slice(entry, port, family, [&](const EndpointSlice& slice, Port number) {
    for (const snapshot::Endpoint& endpoint : slice.endpoints) {
      if (!fits) return;
      const bool here = is_local(endpoint, node), after_same = same;
      fits = is_plain(endpoint) && next(endpoint.address, number, here) &&
             ((same && after_same) || last == nullptr || *last < endpoint.address);
      if (here && fits)
        fits = local != held.local.end() && *local++ == Endpoint{endpoint.address, number, true};
      last = &endpoint.address;
    }
  });
  if (fits && before == held.cluster.end() && local == held.local.end()) return true;

  noted.resize(noted_before);
  before = held.cluster.begin();
  const Eligible fresh = endpoints(entry, port, family, node);
  for (const Endpoint& endpoint : fresh.cluster)
    if (!next(endpoint.address, endpoint.port, endpoint.local)) return false;
  return before == held.cluster.end() && fresh.local == held.local;
}

}  // namespace

std::string_view to_string(FrontendKind kind) {
  switch (kind) {
    case FrontendKind::cluster_ip:
      return "ClusterIP";
    case FrontendKind::load_balancer:
      return "LoadBalancer";
    case FrontendKind::external_ip:
      return "ExternalIP";
    case FrontendKind::node_port:
      return "NodePort";
  }
  return "";
}

std::vector<ServicePort> resolve(const snapshot::Snapshot::Entry& entry, const NodeView& node) {
  std::vector<ServicePort> result;
  if (!is_served(entry.service)) return result;
  const Service& service = *entry.service;

  // An API server refuses a Service that gives one port and protocol twice; a file may not.
  const auto taken = [&](const ServicePort& port, const Frontend& frontend) {
    const auto same = [&](const Frontend& f) {
      return f.address == frontend.address && f.port == frontend.port &&
             (f.kind == FrontendKind::node_port) == (frontend.kind == FrontendKind::node_port);
    };
    return std::any_of(result.begin(), result.end(), [&](const ServicePort& other) {
      return other.family == port.family && other.protocol == port.protocol &&
             std::any_of(other.frontends.begin(), other.frontends.end(), same);
    });
  };
  result.reserve(service.ports.size());
  each_port(service, [&](const Service::PortSpec& port, Family family) {
    ServicePort out;
    out.port_name = port.name;
    out.protocol = port.protocol;
    out.port = port.port;
    out.family = family;
    out.frontends = frontends(service, port, family, node);
    std::erase_if(out.frontends, [&](const Frontend& f) { return taken(out, f); });
    out.internal_local = service.internal_local;
    out.external_local = has_external_local(service);
    out.affinity_seconds = service.affinity_seconds;
    out.source_ranges = source_ranges(service, family);
    out.endpoints = endpoints(entry, port, family, node);
    result.push_back(std::move(out));
  });
  return result;
}

std::optional<std::vector<Replacement>> replacements(
    const snapshot::Snapshot::Entry& entry, const NodeView& node,
    const std::function<const Eligible*(std::size_t)>& held) {
  std::vector<Replacement> noted;
  if (!is_served(entry.service)) return std::nullopt;
  std::size_t index = 0;
  bool fits = true;
  each_port(*entry.service, [&](const Service::PortSpec& port, Family family) {
    const Eligible* before = fits ? held(index) : nullptr;
    fits = before != nullptr && note_replacements(entry, port, family, node, index, *before, noted);
    ++index;
  });
  if (!fits || held(index) != nullptr) return std::nullopt;
  return noted;
}

std::string label(const snapshot::ObjectName& service, const ServicePort& port) {
  const std::string name =
      port.port_name.empty() ? std::to_string(port.port.value) : port.port_name;
  return service.ns + "/" + service.name + "/" + std::string(to_string(port.protocol)) + "/" + name;
}

}  // namespace kproxy::service
