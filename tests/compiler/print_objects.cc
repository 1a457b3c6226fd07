#include "tests/compiler/print_objects.h"

#include <algorithm>
#include <cstring>

namespace kproxy::snapshot {
namespace {

// " key=a,b,c", or nothing for nothing.
template <typename Range, typename Print>
std::string list(const std::string& key, const Range& range, const Print& print) {
  std::string text;
  for (const auto& value : range) {
    text += text.empty() ? " " + key + "=" : ",";
    text += print(value);
  }
  return text;
}

const auto kToString = [](const auto& value) { return value.to_string(); };

template <typename PortSpec>
std::string print_port(const PortSpec& port) {
  std::string text = port.name;
  text += ":";
  text += to_string(port.protocol);
  text += ":" + std::to_string(port.port.value);
  return text;
}

std::string print_fields(const Service& service) {
  std::string text;
  if (service.created != 0) text += " created=" + std::to_string(service.created);
  switch (service.type) {
    case Service::Type::cluster_ip:
      break;
    case Service::Type::node_port:
      text += " NodePort";
      break;
    case Service::Type::load_balancer:
      text += " LoadBalancer";
      break;
    case Service::Type::external_name:
      text += " ExternalName";
      break;
  }
  if (service.other_proxy) text += " other-proxy";
  if (service.internal_local) text += " internal-local";
  if (service.external_local) text += " external-local";
  std::vector<Address> cluster_ips;
  for (Family family : kFamilies) {
    const auto& address = service.cluster_ips[index_of(family)];
    if (!address) continue;
    cluster_ips.push_back(*address);
    if (address->family() != family) text += " (wrong family)";
  }
  text += list("ip", cluster_ips, kToString);
  text += list("external", service.external_ips, kToString);
  if (service.external_ips_unreadable) text += " external-unreadable";
  text += list("vip", service.load_balancer_ips, kToString);
  text += list("ranges", service.source_ranges, kToString);
  if (service.source_ranges_unreadable) text += " ranges-unreadable";
  if (service.affinity_seconds) text += " affinity=" + std::to_string(*service.affinity_seconds);
  if (service.health_check_node_port.value != 0)
    text += " health=" + std::to_string(service.health_check_node_port.value);
  text += list("ports", service.ports, [](const Service::PortSpec& port) {
    std::string printed = print_port(port);
    if (port.node_port.value != 0) printed += ":" + std::to_string(port.node_port.value);
    return printed;
  });
  return text;
}

std::string print_endpoint(const Endpoint& endpoint, const Endpoint::Hints* hints) {
  std::string text = endpoint.address.to_string();
  if (!endpoint.node.empty()) text.append("@").append(endpoint.node);
  if (!endpoint.ready) text += "!ready";
  if (!endpoint.serving) text += "!serving";
  if (endpoint.terminating) text += "!terminating";
  if (hints != nullptr) {
    for (const auto zone : hints->zones) text.append("+zone:").append(zone);
    for (const auto node : hints->nodes) text.append("+node:").append(node);
  }
  return text;
}

std::string print_fields(const EndpointSlice& slice) {
  std::string text = " service=" + slice.service;
  if (slice.headless) text += " headless";
  text += " " + (slice.family ? std::string(to_string(*slice.family)) : "unserved");
  text += list("ports", slice.ports, print_port<EndpointSlice::PortSpec>);
  text += list("endpoints", slice.endpoints, [&slice](const Endpoint& endpoint) {
    return print_endpoint(endpoint, slice.hints_of(endpoint));
  });
  return text;
}

std::string print_fields(const Node& node) {
  std::string text;
  if (!node.zone.empty()) text += " zone=" + node.zone;
  text += list("addresses", node.addresses, kToString);
  text += list("pods", node.pod_cidrs, kToString);
  if (node.being_deleted) text += " being-deleted";
  if (node.to_be_deleted) text += " to-be-deleted";
  return text;
}

std::string print_fields(const ServiceCidr& service_cidr) {
  return list("cidrs", service_cidr.cidrs, kToString);
}

}  // namespace

std::string print(const Object& object) {
  std::string text(kind_of(object));
  text += " " + name_of(object).to_string();
  text += std::visit([](const auto& value) { return print_fields(value); }, object);
  return text;
}

Decoded decode_text(std::string_view json, StringPool& pool, std::size_t piece) {
  Decoded decoded;
  Diagnostics diagnostics;
  const auto read = [&json, piece](char* buffer, std::size_t size) {
    const std::size_t bytes = std::min({piece, size, json.size()});
    std::memcpy(buffer, json.data(), bytes);
    json.remove_prefix(bytes);
    return bytes;
  };
  const auto keep = [&decoded](Object object) { decoded.objects.push_back(std::move(object)); };
  const Status status = Decoder(pool).decode("input", read, keep, diagnostics);
  if (!status.ok()) decoded.fatal = status.error().message();
  decoded.errors = std::move(diagnostics.errors);
  decoded.warnings = std::move(diagnostics.warnings);
  return decoded;
}

std::string print(const Decoded& decoded) {
  std::string text;
  for (const Object& object : decoded.objects) text += print(object) + "\n";
  for (const Error& error : decoded.errors) text += "error: " + error.message() + "\n";
  for (const Error& error : decoded.warnings) text += "warning: " + error.message() + "\n";
  if (!decoded.fatal.empty()) text += "fatal: " + decoded.fatal + "\n";
  return text;
}

std::string decode_and_print(std::string_view json, std::size_t piece) {
  StringPool pool;
  return print(decode_text(json, pool, piece));
}

}  // namespace kproxy::snapshot
