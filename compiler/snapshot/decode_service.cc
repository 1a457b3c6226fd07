#include <algorithm>
#include <set>
#include <utility>

#include "compiler/snapshot/decode_object.h"

namespace kproxy::snapshot {
namespace {

constexpr std::uint32_t kDefaultAffinitySeconds = 10800;
constexpr std::int64_t kLongestAffinitySeconds = 86400;

std::int64_t decode_created(Value object, FieldReader& reader) {
  const Value metadata = object["metadata"];
  const std::string_view text = reader.text(metadata, "creationTimestamp");
  if (text.empty()) return 0;
  const auto time = parse_time(text);
  if (!time) {
    const Value value = metadata["creationTimestamp"];
    reader.warning(value, "is " + value.describe() + ", not an RFC 3339 time; taken as the newest");
  }
  return time.value_or(0);
}

Service::Type decode_type(Value spec, FieldReader& reader) {
  const std::string_view type = reader.text(spec, "type");
  if (type == "NodePort") return Service::Type::node_port;
  if (type == "LoadBalancer") return Service::Type::load_balancer;
  if (type == "ExternalName") return Service::Type::external_name;
  if (!type.empty() && type != "ClusterIP")
    reader.warning(spec["type"], "is " + spec["type"].describe() + ", served like ClusterIP");
  return Service::Type::cluster_ip;
}

// One ClusterIP, which may be the text "None" or empty.
std::optional<Address> decode_cluster_ip(Value value, FieldReader& reader) {
  const std::string_view text = reader.text(value);
  if (text.empty() || text == "None") return std::nullopt;
  const auto address = Address::parse(text);
  if (!address) reader.wrong(value, "not an IP address");
  return address;
}

void decode_cluster_ips(Value spec, FieldReader& reader, Service& service) {
  const Value primary = spec["clusterIP"];
  if (!primary.is_given()) return;
  const auto address = decode_cluster_ip(primary, reader);
  if (!address) return;  // headless, or not yet allocated: whatever the lists say

  const Value families = reader.list(spec, "ipFamilies");
  if (!families.is_given() || families.size() == 0) {
    service.cluster_ips[index_of(address->family())] = address;
    return;
  }
  const Value addresses = reader.list(spec, "clusterIPs");
  auto next = addresses.begin();
  for (Value value : families) {
    if (!(next != addresses.end())) return;
    const Value entry = *next;
    ++next;
    const std::string_view text = reader.text(value);
    if (reader.failed()) return;
    const auto family = std::find_if(kFamilies.begin(), kFamilies.end(),
                                     [text](Family family) { return to_string(family) == text; });
    if (family == kFamilies.end()) continue;
    const auto cluster_ip = decode_cluster_ip(entry, reader);
    if (!cluster_ip) continue;
    if (cluster_ip->family() != *family) {
      reader.wrong(entry, "not of the family that ipFamilies says, " + std::string(text));
      return;
    }
    auto& slot = service.cluster_ips[index_of(*family)];
    if (!slot) slot = cluster_ip;
  }
}

void decode_external_ips(Value spec, FieldReader& reader, Service& service) {
  const Value list = reader.list(spec, "externalIPs");
  for (Value value : list) {
    const std::string_view text = reader.text_or_null(value);
    if (reader.failed()) return;
    if (const auto address = Address::parse(text)) {
      service.external_ips.push_back(*address);
    } else if (text.find_first_not_of(" \t\r\n") != std::string_view::npos) {
      reader.warning(value, "is " + value.describe() + ", not an IP address; ignored");
    }
  }
  service.external_ips_unreadable =
      list.is_given() && list.size() > 0 && service.external_ips.empty();
}

std::vector<Address> decode_load_balancer_ips(Value object, FieldReader& reader) {
  std::vector<Address> addresses;
  const Value status = reader.object(object, "status");
  for (Value ingress : reader.list(reader.object(status, "loadBalancer"), "ingress")) {
    if (ingress.kind() == Kind::null) continue;
    if (ingress.kind() != Kind::object) reader.wrong(ingress, "not an object");
    const std::string_view text = reader.text(ingress, "ip");
    const std::string_view mode = reader.text(ingress, "ipMode");
    if (reader.failed()) break;
    // Other modes, and balancers known by name only: traffic has to leave towards the balancer.
    if (text.empty() || (ingress["ipMode"].is_given() && mode != "VIP")) continue;
    if (const auto address = Address::parse(text)) {
      addresses.push_back(*address);
    } else {
      const Value ip = ingress["ip"];
      reader.warning(ip, "is " + ip.describe() + ", not an IP address; ignored");
    }
  }
  return addresses;
}

void decode_source_ranges(Value spec, FieldReader& reader, Service& service) {
  const Value ranges = reader.list(spec, "loadBalancerSourceRanges");
  service.source_ranges = decode_cidrs(ranges, reader);
  service.source_ranges_unreadable =
      ranges.is_given() && ranges.size() > 0 && service.source_ranges.empty();
  if (service.source_ranges_unreadable && !reader.failed())
    reader.warning(ranges, "has no readable prefix; nobody is let in");
}

std::optional<std::uint32_t> decode_affinity(Value spec, FieldReader& reader) {
  if (reader.text(spec, "sessionAffinity") != "ClientIP") return std::nullopt;
  const Value client_ip = reader.object(reader.object(spec, "sessionAffinityConfig"), "clientIP");
  const auto seconds = reader.integer(client_ip, "timeoutSeconds");
  if (!seconds) return kDefaultAffinitySeconds;
  if (*seconds < 1) {
    reader.wrong(client_ip["timeoutSeconds"], "not a timeout: 1 to 86400 seconds");
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(std::min(*seconds, kLongestAffinitySeconds));
}

std::vector<Service::PortSpec> decode_ports(Value spec, FieldReader& reader) {
  std::vector<Service::PortSpec> ports;
  std::set<std::pair<std::string, Protocol>> identities;
  for (Value value : reader.list(spec, "ports")) {
    if (value.kind() != Kind::object) reader.wrong(value, "not an object");
    Service::PortSpec port;
    port.name = reader.name(value, "name", kLongestLabel);
    port.protocol = reader.protocol(value);
    port.port = reader.port(value, "port");
    port.node_port = reader.port(value, "nodePort");
    if (port.port.value == 0)
      reader.wrong(value, "port",
                   value["port"].is_given() ? "is 0, not a port number" : "is missing");
    if (!identities.emplace(port.name, port.protocol).second)
      reader.wrong(value, "name", "is " + quoted(port.name) + ", like another port's");
    if (reader.failed()) break;
    ports.push_back(std::move(port));
  }
  return ports;
}

// Has no port by which load balancers learn which nodes have endpoints of it, and should.
bool lacks_health_port(const Service& service) {
  return !service.other_proxy && (service.cluster_ips[0] || service.cluster_ips[1]) &&
         service.type == Service::Type::load_balancer && service.external_local &&
         service.health_check_node_port.value == 0;
}

}  // namespace

Service decode_service(Value object, ObjectName name, FieldReader& reader) {
  Service service;
  service.name = std::move(name);
  service.created = decode_created(object, reader);
  const Value labels = reader.object(object["metadata"], "labels");
  service.other_proxy = labels["service.kubernetes.io/service-proxy-name"].kind() != Kind::absent;
  const Value spec = reader.object(object, "spec");
  service.type = decode_type(spec, reader);
  service.internal_local = reader.text(spec, "internalTrafficPolicy") == "Local";
  service.external_local = reader.text(spec, "externalTrafficPolicy") == "Local";
  decode_cluster_ips(spec, reader, service);
  decode_external_ips(spec, reader, service);
  service.load_balancer_ips = decode_load_balancer_ips(object, reader);
  decode_source_ranges(spec, reader, service);
  service.affinity_seconds = decode_affinity(spec, reader);
  service.health_check_node_port = reader.port(spec, "healthCheckNodePort");
  service.ports = decode_ports(spec, reader);
  if (!reader.failed() && lacks_health_port(service))
    reader.warning(spec, "has externalTrafficPolicy Local, but no healthCheckNodePort",
                   "load balancers learn by it which nodes have endpoints");
  return service;
}

}  // namespace kproxy::snapshot
