#include "compiler/snapshot/decode_object.h"

namespace kproxy::snapshot {
namespace {

// The node's addresses of one type, in their order.
void decode_addresses(Value list, std::string_view type, FieldReader& reader, Node& node) {
  for (Value entry : list) {
    if (entry.kind() != Kind::object) reader.wrong(entry, "not an object");
    if (reader.text(entry, "type") != type || reader.failed()) continue;
    const Value value = entry["address"];
    const auto address = Address::parse(reader.text(entry, "address"));
    if (address) {
      node.addresses.push_back(*address);
    } else if (!reader.failed()) {
      reader.warning(entry, "has the address " + value.describe() + ", not an IP address; ignored");
    }
  }
}

}  // namespace

Node decode_node(Value object, ObjectName name, FieldReader& reader) {
  Node node;
  node.name = std::move(name);
  const Value metadata = object["metadata"];
  node.zone =
      reader.name(reader.object(metadata, "labels"), "topology.kubernetes.io/zone", kLongestLabel);
  node.being_deleted = !reader.text(metadata, "deletionTimestamp").empty();
  const Value spec = reader.object(object, "spec");
  node.pod_cidrs = decode_cidrs(reader.list(spec, "podCIDRs"), reader);
  for (Value taint : reader.list(spec, "taints")) {
    if (taint.kind() != Kind::object) reader.wrong(taint, "not an object");
    if (reader.text(taint, "key") == "ToBeDeletedByClusterAutoscaler") node.to_be_deleted = true;
  }
  const Value addresses = reader.list(reader.object(object, "status"), "addresses");
  decode_addresses(addresses, "InternalIP", reader, node);
  decode_addresses(addresses, "ExternalIP", reader, node);
  return node;
}

ServiceCidr decode_service_cidr(Value object, ObjectName name, FieldReader& reader) {
  ServiceCidr service_cidr;
  service_cidr.name = std::move(name);
  const Value spec = reader.object(object, "spec");
  service_cidr.cidrs = decode_cidrs(reader.list(spec, "cidrs"), reader);
  return service_cidr;
}

}  // namespace kproxy::snapshot
