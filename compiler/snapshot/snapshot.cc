#include "compiler/snapshot/snapshot.h"

#include <algorithm>
#include <utility>

#include "compiler/types/prefetch.h"
#include "compiler/types/replace.h"

namespace kproxy::snapshot {
namespace {

bool name_less(const EndpointSlice* a, const EndpointSlice* b) {
  return a->name < b->name;
}

constexpr const char* kKinds[] = {"Service", "EndpointSlice", "Node", "ServiceCIDR"};

// Puts or keeps; `changed` if that changed anything. Returns what put() does.
template <typename Value>
bool assign(std::map<std::string, Value>& values, std::set<std::string>& listed, bool& changed,
            Value value) {
  const bool is_listed = !listed.insert(value.name.name).second;
  const auto [at, is_new] = values.try_emplace(value.name.name);
  if (!is_new && at->second == value) return false;
  at->second = std::move(value);
  changed = true;
  return !is_new && is_listed;
}

// All but the name and the Service, which are the same. Whether that changes anything.
bool replace_fields(EndpointSlice& held, EndpointSlice fresh) {
  bool changed = std::exchange(held.headless, fresh.headless) != fresh.headless;
  changed |= std::exchange(held.family, fresh.family) != fresh.family;
  changed |= replace(held.ports, std::move(fresh.ports));
  changed |= replace(held.endpoints, std::move(fresh.endpoints));
  changed |= replace(held.hints, std::move(fresh.hints));
  return changed;
}

template <typename Value>
bool erase_unlisted(std::map<std::string, Value>& values, const std::set<std::string>& listed) {
  return std::erase_if(values, [&](const auto& each) { return !listed.contains(each.first); }) > 0;
}

}  // namespace

bool Snapshot::put(Object object) {
  if (auto* service = std::get_if<Service>(&object)) return put_service(std::move(*service));
  if (auto* slice = std::get_if<EndpointSlice>(&object)) return put_slice(std::move(*slice));
  if (auto* node = std::get_if<Node>(&object))
    return assign(nodes_, listed_nodes_, changes_.nodes, std::move(*node));
  return assign(service_cidrs_, listed_service_cidrs_, changes_.service_cidrs,
                std::get<ServiceCidr>(std::move(object)));
}

bool Snapshot::put_service(Service service) {
  auto& at = *services_.try_emplace(service.name).first;
  Entry& entry = at.second;
  const bool is_listed = entry.service && entry.listed == service_lists_;
  entry.listed = service_lists_;
  if (entry.service == service) return false;
  mark(at, Extent::service);
  entry.service = std::move(service);
  return is_listed;
}

bool Snapshot::put_slice(EndpointSlice slice) {
  bool twice = false;
  const auto known = slices_.find(slice.name);
  if (known != slices_.end()) {
    prefetch(known->service, 1);
    prefetch(known->slice.ports);
    prefetch(known->slice.endpoints);
    twice = known->listed == slice_lists_;
    if (known->slice.service == slice.service) {
      known->listed = slice_lists_;
      if (!replace_fields(known->slice, std::move(slice))) return false;
      mark(*known->service, Extent::slices);
      return twice;
    }
    erase_slice(known);  // it left its Service for another, or for none
  }
  if (slice.service.empty()) return twice;
  auto& service = *services_.try_emplace({slice.name.ns, slice.service}).first;
  mark(service, Extent::slices);
  const Held& held = *slices_.insert({std::move(slice), &service, slice_lists_}).first;
  auto& slices = service.second.slices;
  slices.insert(std::lower_bound(slices.begin(), slices.end(), &held.slice, name_less),
                &held.slice);
  return twice;
}

void Snapshot::erase(std::string_view kind, const ObjectName& name) {
  if (kind == "Service") {
    const auto service = services_.find(name);
    if (service != services_.end() && service->second.service) erase_service(*service);
  } else if (kind == "EndpointSlice") {
    const auto slice = slices_.find(name);
    if (slice != slices_.end()) erase_slice(slice);
  } else if (kind == "Node") {
    if (nodes_.erase(name.name) > 0) changes_.nodes = true;
  } else if (kind == "ServiceCIDR") {
    if (service_cidrs_.erase(name.name) > 0) changes_.service_cidrs = true;
  }
}

void Snapshot::erase_service(Services::value_type& service) {
  service.second.service.reset();
  mark(service, Extent::service);
  drop_if_empty(service);
}

void Snapshot::erase_slice(Slices::iterator held) {
  Services::value_type& service = *held->service;
  mark(service, Extent::slices);
  std::erase(service.second.slices, &held->slice);
  slices_.erase(held);
  drop_if_empty(service);
}

void Snapshot::mark(Services::value_type& service, Extent extent) {
  Extent& changed = service.second.changed;
  if (!service.second.service) extent = Extent::service;
  if (changed == Extent::nothing) changes_.services.push_back({&service, extent});
  changed = std::max(changed, extent);
}

void Snapshot::drop_if_empty(Services::value_type& service) {
  if (service.second.service || !service.second.slices.empty()) return;
  std::erase_if(changes_.services, [&](const auto& change) { return change.service == &service; });
  changes_.gone.push_back(service.first);
  services_.erase(service.first);
}

void Snapshot::begin_list(std::string_view kind) {
  if (kind == "Service")
    ++service_lists_;
  else if (kind == "EndpointSlice")
    ++slice_lists_;
  else if (kind == "Node")
    listed_nodes_.clear();
  else if (kind == "ServiceCIDR")
    listed_service_cidrs_.clear();
}

void Snapshot::end_list(std::string_view kind) {
  if (kind == "Service") {
    for (auto next = services_.begin(); next != services_.end();) {
      const auto service = next++;
      if (service->second.service && service->second.listed != service_lists_)
        erase_service(*service);
    }
  } else if (kind == "EndpointSlice") {
    for (auto next = slices_.begin(); next != slices_.end();) {
      const auto slice = next++;
      if (slice->listed != slice_lists_) erase_slice(slice);
    }
  } else if (kind == "Node") {
    if (erase_unlisted(nodes_, listed_nodes_)) changes_.nodes = true;
  } else if (kind == "ServiceCIDR") {
    if (erase_unlisted(service_cidrs_, listed_service_cidrs_)) changes_.service_cidrs = true;
  }
}

void Snapshot::begin_lists() {
  for (const char* kind : kKinds) begin_list(kind);
}

void Snapshot::end_lists() {
  for (const char* kind : kKinds) end_list(kind);
}

void Snapshot::replace(std::vector<Object> objects) {
  begin_lists();
  for (Object& object : objects) put(std::move(object));
  end_lists();
}

Changes Snapshot::take_changes() {
  Changes changes = std::exchange(changes_, {});
  // One that was dropped may be known again, or have been dropped twice.
  auto& gone = changes.gone;
  std::sort(gone.begin(), gone.end());
  gone.erase(std::unique(gone.begin(), gone.end()), gone.end());
  std::erase_if(gone, [this](const ObjectName& name) { return services_.contains(name); });
  for (auto& [service, extent] : changes.services)
    extent = std::exchange(service->second.changed, Extent::nothing);
  return changes;
}

const Snapshot::Entry* Snapshot::find(const ObjectName& service) const {
  const auto entry = services_.find(service);
  return entry == services_.end() ? nullptr : &entry->second;
}

const EndpointSlice* Snapshot::find_slice(const ObjectName& slice) const {
  const auto held = slices_.find(slice);
  return held == slices_.end() ? nullptr : &held->slice;
}

}  // namespace kproxy::snapshot
