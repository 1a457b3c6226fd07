#include "compiler/snapshot/snapshot.h"

#include <utility>

namespace kproxy::snapshot {
namespace {

bool same(const Snapshot::Entry& a, const Snapshot::Entry& b) {
  return a.service == b.service && a.slices == b.slices;
}

// Puts or keeps; says whether that changed anything.
template <typename Value>
bool assign(std::map<std::string, Value>& values, Value value) {
  const auto [at, is_new] = values.try_emplace(value.name.name);
  if (!is_new && at->second == value) return false;
  at->second = std::move(value);
  return true;
}

}  // namespace

void Snapshot::put(Object object) {
  if (auto* service = std::get_if<Service>(&object)) {
    put_service(std::move(*service));
  } else if (auto* slice = std::get_if<EndpointSlice>(&object)) {
    put_slice(std::move(*slice));
  } else if (auto* node = std::get_if<Node>(&object)) {
    if (assign(nodes_, std::move(*node))) changes_.nodes = true;
  } else if (auto* cidr = std::get_if<ServiceCidr>(&object)) {
    if (assign(service_cidrs_, std::move(*cidr))) changes_.service_cidrs = true;
  }
}

void Snapshot::put_service(Service service) {
  Entry& entry = services_[service.name];
  if (entry.service == service) return;
  changes_.services.insert(service.name);
  entry.service = std::move(service);
}

void Snapshot::put_slice(EndpointSlice slice) {
  const auto known = service_of_slice_.find(slice.name);
  // It left its Service for another, or for none.
  if (known != service_of_slice_.end() && known->second != slice.service) erase_slice(slice.name);
  if (slice.service.empty()) return;
  const ObjectName service{slice.name.ns, slice.service};
  auto& slices = services_[service].slices;
  const auto [at, is_new] = slices.try_emplace(slice.name.name);
  if (!is_new && at->second == slice) return;
  changes_.services.insert(service);
  service_of_slice_[slice.name] = slice.service;
  at->second = std::move(slice);
}

void Snapshot::erase(std::string_view kind, const ObjectName& name) {
  if (kind == "Service") {
    const auto entry = services_.find(name);
    if (entry == services_.end() || !entry->second.service) return;
    entry->second.service.reset();
    changes_.services.insert(name);
    drop_if_empty(name);
  } else if (kind == "EndpointSlice") {
    erase_slice(name);
  } else if (kind == "Node") {
    if (nodes_.erase(name.name) > 0) changes_.nodes = true;
  } else if (kind == "ServiceCIDR") {
    if (service_cidrs_.erase(name.name) > 0) changes_.service_cidrs = true;
  }
}

void Snapshot::erase_slice(const ObjectName& name) {
  const auto known = service_of_slice_.find(name);
  if (known == service_of_slice_.end()) return;
  const ObjectName service{name.ns, known->second};
  service_of_slice_.erase(known);
  services_[service].slices.erase(name.name);
  changes_.services.insert(service);
  drop_if_empty(service);
}

void Snapshot::drop_if_empty(const ObjectName& service) {
  const auto entry = services_.find(service);
  if (entry != services_.end() && !entry->second.service && entry->second.slices.empty())
    services_.erase(entry);
}

void Snapshot::replace(std::vector<Object> objects) {
  Snapshot next;
  for (Object& object : objects) next.put(std::move(object));

  // Both maps are in order: walk them side by side.
  auto changes = std::move(changes_);
  auto before = services_.begin();
  auto after = next.services_.begin();
  while (before != services_.end() || after != next.services_.end()) {
    const bool gone = after == next.services_.end() ||
                      (before != services_.end() && before->first < after->first);
    const bool added = !gone && (before == services_.end() || after->first < before->first);
    if (gone || added || !same(before->second, after->second))
      changes.services.insert(gone ? before->first : after->first);
    if (!added) ++before;
    if (!gone) ++after;
  }
  changes.nodes = changes.nodes || nodes_ != next.nodes_;
  changes.service_cidrs = changes.service_cidrs || service_cidrs_ != next.service_cidrs_;
  *this = std::move(next);
  changes_ = std::move(changes);
}

Changes Snapshot::take_changes() {
  return std::exchange(changes_, {});
}

const Snapshot::Entry* Snapshot::find(const ObjectName& service) const {
  const auto entry = services_.find(service);
  return entry == services_.end() ? nullptr : &entry->second;
}

}  // namespace kproxy::snapshot
