// What the cluster says: the Kubernetes objects a Service proxy reads, reduced to the fields that
// matter and already in strong types. Plain values without behaviour; compare them to learn whether
// an update changes anything. Node names and zones are views into the StringPool that the decoder
// was given, which must outlive the objects.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "compiler/types/address.h"

namespace kproxy::snapshot {

struct ObjectName {
  std::string ns;  // empty for Nodes and ServiceCIDRs
  std::string name;
  auto operator<=>(const ObjectName&) const = default;
  std::string to_string() const { return ns.empty() ? name : ns + "/" + name; }
};
// Not noexcept, so that libstdc++'s tables keep the hashes rather than form them again.
struct ObjectNameHash {
  std::size_t operator()(const ObjectName& name) const {
    const std::hash<std::string_view> hash;
    return hash(name.ns) * 31 + hash(name.name);
  }
};

// v1 Service.
struct Service {
  enum class Type : std::uint8_t { cluster_ip, node_port, load_balancer, external_name };

  struct PortSpec {
    std::string name;
    Protocol protocol = Protocol::tcp;
    Port port;
    Port node_port;  // 0: none
    bool operator==(const PortSpec&) const = default;
  };

  ObjectName name;
  std::int64_t created = 0;  // metadata.creationTimestamp in Unix seconds; 0 where absent
  Type type = Type::cluster_ip;
  bool other_proxy = false;     // bears the label service.kubernetes.io/service-proxy-name
  bool internal_local = false;  // internalTrafficPolicy: Local
  bool external_local = false;  // externalTrafficPolicy: Local, whether or not it counts here
  // loadBalancerSourceRanges was given, and not one entry could be read: nobody is let in.
  bool source_ranges_unreadable = false;
  bool external_ips_unreadable = false;               // likewise externalIPs
  std::array<std::optional<Address>, 2> cluster_ips;  // by Family; none: headless or not served
  std::vector<Address> external_ips;
  std::vector<Address> load_balancer_ips;  // status.loadBalancer.ingress[].ip with ipMode VIP
  std::vector<Cidr> source_ranges;         // as given, both families
  std::optional<std::uint32_t> affinity_seconds;  // sessionAffinity: ClientIP, its timeout
  Port health_check_node_port;                    // 0: none
  std::vector<PortSpec> ports;

  bool operator==(const Service&) const = default;
};

// discovery.k8s.io/v1 EndpointSlice.
struct Endpoint {
  struct Hints {  // names of nodes and zones; an empty list is no hint
    std::vector<std::string_view> zones;
    std::vector<std::string_view> nodes;
    bool operator==(const Hints&) const = default;
  };

  Address address;  // and in this order there are no gaps between the fields: endpoints are many
  bool ready = true;
  bool serving = true;
  bool terminating = false;
  std::uint32_t hints = 0;  // the place in its slice's list, counted from 1; 0: none
  std::string_view node;    // spec.nodeName; empty: never local

  bool operator==(const Endpoint& other) const {
    // Names come from a pool: the same one most often stands at the same place.
    const bool same_node = (node.data() == other.node.data() && node.size() == other.node.size()) ||
                           node == other.node;
    return address == other.address && same_node && hints == other.hints && ready == other.ready &&
           serving == other.serving && terminating == other.terminating;
  }
};

struct EndpointSlice {
  struct PortSpec {
    std::string name;
    Protocol protocol = Protocol::tcp;
    Port port;
    bool operator==(const PortSpec&) const = default;
  };

  ObjectName name;
  std::string service;           // label kubernetes.io/service-name, in the slice's namespace
  bool headless = false;         // bears the label service.kubernetes.io/headless
  std::optional<Family> family;  // of addressType; none: FQDN, not served
  std::vector<PortSpec> ports;
  std::vector<Endpoint> endpoints;     // all of `family`
  std::vector<Endpoint::Hints> hints;  // of the endpoints; equal ones are here once

  // Null: none.
  const Endpoint::Hints* hints_of(const Endpoint& endpoint) const {
    return endpoint.hints == 0 ? nullptr : &hints[endpoint.hints - 1u];
  }
  bool operator==(const EndpointSlice&) const = default;
};

// v1 Node.
struct Node {
  ObjectName name;
  std::string zone;                // label topology.kubernetes.io/zone; empty: none
  std::vector<Address> addresses;  // InternalIPs, then ExternalIPs, in their order
  std::vector<Cidr> pod_cidrs;     // spec.podCIDRs
  bool being_deleted = false;      // has a deletionTimestamp
  bool to_be_deleted = false;      // has the taint ToBeDeletedByClusterAutoscaler

  bool operator==(const Node&) const = default;
};

// networking.k8s.io/v1 ServiceCIDR.
struct ServiceCidr {
  ObjectName name;
  std::vector<Cidr> cidrs;

  bool operator==(const ServiceCidr&) const = default;
};

using Object = std::variant<Service, EndpointSlice, Node, ServiceCidr>;
const ObjectName& name_of(const Object& object);
// "Service", "EndpointSlice", "Node" or "ServiceCIDR".
std::string_view kind_of(const Object& object);

}  // namespace kproxy::snapshot
