#include "compiler/snapshot/objects.h"

namespace kproxy::snapshot {

bool Endpoint::operator==(const Endpoint& other) const {
  // Names come from a pool: the same one most often stands at the same place.
  const bool same_node =
      (node.data() == other.node.data() && node.size() == other.node.size()) || node == other.node;
  return address == other.address && same_node && hints == other.hints && ready == other.ready &&
         serving == other.serving && terminating == other.terminating;
}

const ObjectName& name_of(const Object& object) {
  return std::visit([](const auto& value) -> const ObjectName& { return value.name; }, object);
}

std::string_view kind_of(const Object& object) {
  struct Kind {
    std::string_view operator()(const Service&) const { return "Service"; }
    std::string_view operator()(const EndpointSlice&) const { return "EndpointSlice"; }
    std::string_view operator()(const Node&) const { return "Node"; }
    std::string_view operator()(const ServiceCidr&) const { return "ServiceCIDR"; }
  };
  return std::visit(Kind{}, object);
}

}  // namespace kproxy::snapshot
