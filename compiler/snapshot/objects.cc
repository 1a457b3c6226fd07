#include "compiler/snapshot/objects.h"

namespace kproxy::snapshot {

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
