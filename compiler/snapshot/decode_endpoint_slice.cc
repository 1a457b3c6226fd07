#include <map>
#include <utility>

#include "compiler/snapshot/decode_object.h"

namespace kproxy::snapshot {
namespace {

// Writes each hints of a slice's endpoints into its list once.
class HintsOfSlice {
 public:
  HintsOfSlice(std::vector<Endpoint::Hints>& list, StringPool& pool) : list_(list), pool_(pool) {}

  // The place in the list, counted from 1; 0: none.
  std::uint32_t decode(Value endpoint, FieldReader& reader) {
    const Value value = reader.object(endpoint, "hints");
    if (!value.is_given()) return 0;
    Endpoint::Hints hints{names(reader.list(value, "forZones"), reader),
                          names(reader.list(value, "forNodes"), reader)};
    if (hints.zones.empty() && hints.nodes.empty()) return 0;
    const auto [place, is_new] = places_.try_emplace({hints.zones, hints.nodes});
    if (is_new) {
      list_.push_back(std::move(hints));
      place->second = static_cast<std::uint32_t>(list_.size());
    }
    return place->second;
  }

 private:
  using Names = std::vector<std::string_view>;

  Names names(Value list, FieldReader& reader) {
    Names names;
    for (Value hint : list) {
      if (hint.kind() != Kind::object) reader.wrong(hint, "not an object");
      // An empty name is nobody's, but it makes a hint all the same.
      const std::string_view name = reader.name(hint, "name", kLongestSubdomain);
      if (!hint["name"].is_given()) reader.wrong(hint, "name", "is missing");
      if (reader.failed()) break;
      names.push_back(pool_.intern(name));
    }
    return names;
  }

  std::vector<Endpoint::Hints>& list_;
  StringPool& pool_;
  std::map<std::pair<Names, Names>, std::uint32_t> places_;
};

// An entry that is lost says why and takes nothing else with it.
std::optional<EndpointSlice::PortSpec> decode_port(Value value, FieldReader reader) {
  if (value.kind() != Kind::object) reader.wrong(value, "not an object");
  EndpointSlice::PortSpec port;
  port.name = reader.name(value, "name", kLongestLabel);
  port.protocol = reader.protocol(value);
  port.port = reader.port(value, "port");
  if (reader.failed()) return std::nullopt;
  if (!value["name"].is_given()) {
    reader.warning(value, "has no name; ignored", "the name of an unnamed port is \"\"");
    return std::nullopt;
  }
  if (port.port.value == 0) {
    reader.warning(value, "has no port number; ignored");
    return std::nullopt;
  }
  return port;
}

std::optional<Endpoint> decode_endpoint(Value value, Family family, FieldReader reader,
                                        HintsOfSlice& hints, StringPool& pool) {
  if (value.kind() != Kind::object) reader.wrong(value, "not an object");
  const Value addresses = reader.list(value, "addresses");
  if (reader.failed()) return std::nullopt;
  if (!addresses.is_given() || addresses.size() == 0) {
    reader.warning(value, "has no address; ignored");
    return std::nullopt;
  }
  const Value first = *addresses.begin();  // the others are of no use to a proxy
  const auto address = Address::parse(reader.text(first));
  if (!address || address->family() != family)
    reader.wrong(first, "not an " + std::string(to_string(family)) + " address");
  const Value conditions = reader.object(value, "conditions");
  Endpoint endpoint;
  endpoint.address = address.value_or(Address());
  endpoint.ready = reader.boolean(conditions, "ready", true);
  endpoint.serving = reader.boolean(conditions, "serving", true);
  endpoint.terminating = reader.boolean(conditions, "terminating", false);
  endpoint.node = pool.intern(reader.name(value, "nodeName", kLongestSubdomain));
  endpoint.hints = hints.decode(value, reader);
  if (reader.failed()) return std::nullopt;
  return endpoint;
}

}  // namespace

EndpointSlice decode_endpoint_slice(Value object, ObjectName name, const Subject& subject,
                                    FieldReader& reader, StringPool& pool) {
  constexpr std::string_view kServiceName = "kubernetes.io/service-name";
  EndpointSlice slice;
  slice.name = std::move(name);
  const Value labels = reader.object(object["metadata"], "labels");
  slice.service = reader.name(labels, kServiceName, kLongestLabel);
  slice.headless = labels["service.kubernetes.io/headless"].kind() != Kind::absent;
  const std::string_view type = reader.text(object, "addressType");
  if (type.empty()) reader.wrong(object, "addressType", "is missing");
  for (Family family : kFamilies)
    if (type == to_string(family)) slice.family = family;
  const Value ports = reader.list(object, "ports");
  const Value endpoints = reader.list(object, "endpoints");
  if (reader.failed()) return slice;
  if (slice.service.empty())
    reader.warning(object, "bears no label " + std::string(kServiceName) + "; ignored");
  if (!slice.family) {
    const Value value = object["addressType"];
    reader.warning(value, "is " + value.describe() + ", neither IPv4 nor IPv6; ignored");
  }

  for (Value value : ports)
    if (auto port = decode_port(value, FieldReader(subject)))
      slice.ports.push_back(std::move(*port));
  if (!slice.family) return slice;
  HintsOfSlice hints(slice.hints, pool);
  slice.endpoints.reserve(endpoints.size());
  for (Value value : endpoints)
    if (auto endpoint = decode_endpoint(value, *slice.family, FieldReader(subject), hints, pool))
      slice.endpoints.push_back(*endpoint);
  return slice;
}

}  // namespace kproxy::snapshot
