// The cluster as last heard: all objects by name, with each Service's EndpointSlices beside it.
//
// Every change says which Services it touches, so that the stages after it compile those and no
// others. A change of the own Node or of a ServiceCIDR is reported apart: the node's view, which
// all Services share, has to be formed again. Cost of a change: constant on average, plus the size
// of the Service's own slices. Not thread-safe; owned by one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/snapshot/objects.h"

namespace kproxy::snapshot {

class Snapshot {
 public:
  // What changed of a Service: nothing but slices, where it was there before and is still, or more.
  enum class Extent : std::uint8_t { nothing, slices, service };

  // Everything known about the Service of one name: it may have slices before it exists.
  struct Entry {
    std::optional<Service> service;
    std::vector<const EndpointSlice*> slices;  // in order of their names
    mutable Extent changed = Extent::nothing;  // since the last take_changes()
    std::uint32_t listed = 0;                  // the Service, by which list
  };
  // In no order: whoever prints them sorts.
  using Services = std::unordered_map<ObjectName, Entry, ObjectNameHash>;

  // What changed since the last take_changes().
  struct Changes {
    // A Service that was added or changed, or removed while slices remain, or whose slices changed.
    // Valid until the snapshot changes again.
    struct OfService {
      const Services::value_type* service;
      Extent extent;
    };
    std::vector<OfService> services;  // each once, in no order
    std::vector<ObjectName> gone;     // of which neither the Service nor a slice is known any more
    bool nodes = false;               // some Node
    bool service_cidrs = false;       // some ServiceCIDR
    bool empty() const { return services.empty() && gone.empty() && !nodes && !service_cidrs; }

    // Calls for each Service with its name and its Entry, null of those that are gone.
    template <typename Call>
    void each_service(Call call) const {
      for (const ObjectName& name : gone) call(name, static_cast<const Entry*>(nullptr));
      for (const OfService& change : services) call(change.service->first, &change.service->second);
    }
  };

  Snapshot() = default;
  Snapshot(Snapshot&&) = default;
  Snapshot& operator=(Snapshot&&) = default;

  // Adds the object or replaces the one of its kind and name; an equal one is no change. Returns
  // whether the one replaced was put after the list began (begin_list), and is another: a list that
  // has it twice.
  bool put(Object object);
  // Removes the object of that kind ("Service", ...) and name; nothing happens if it is not there.
  void erase(std::string_view kind, const ObjectName& name);

  // Between begin_list() and end_list() all objects of that kind are put, in any number of steps;
  // then those that were not are removed. Lists of different kinds may overlap.
  void begin_list(std::string_view kind);
  void end_list(std::string_view kind);
  // Lists of all kinds.
  void begin_lists();
  void end_lists();
  // Makes the snapshot hold exactly these objects: all lists in one.
  void replace(std::vector<Object> objects);

  bool has_changes() const { return !changes_.empty(); }
  Changes take_changes();

  const Services& services() const { return services_; }
  // Null where neither the Service nor a slice of it is known.
  const Entry* find(const ObjectName& service) const;
  // Null where it is not known, or belongs to no Service.
  const EndpointSlice* find_slice(const ObjectName& slice) const;
  const std::map<std::string, Node>& nodes() const { return nodes_; }
  const std::map<std::string, ServiceCidr>& service_cidrs() const { return service_cidrs_; }

 private:
  // A slice, found by its name. Its Service points to it and it to its Service, so that both stay
  // where they are; all but the name may be written in place.
  struct Held {
    mutable EndpointSlice slice;
    Services::value_type* service;
    mutable std::uint32_t listed = 0;
  };
  struct HeldHash {
    using is_transparent = void;
    std::size_t operator()(const Held& held) const { return ObjectNameHash()(held.slice.name); }
    std::size_t operator()(const ObjectName& name) const { return ObjectNameHash()(name); }
  };
  struct HeldEqual {
    using is_transparent = void;
    bool operator()(const Held& a, const Held& b) const { return a.slice.name == b.slice.name; }
    bool operator()(const ObjectName& a, const Held& b) const { return a == b.slice.name; }
    bool operator()(const Held& a, const ObjectName& b) const { return a.slice.name == b; }
  };
  using Slices = std::unordered_set<Held, HeldHash, HeldEqual>;

  bool put_service(Service service);
  bool put_slice(EndpointSlice slice);
  void erase_service(Services::value_type& service);
  void erase_slice(Slices::iterator held);
  void mark(Services::value_type& service, Extent extent);
  void drop_if_empty(Services::value_type& service);

  Services services_;
  Slices slices_;
  std::map<std::string, Node> nodes_;
  std::map<std::string, ServiceCidr> service_cidrs_;
  Changes changes_;  // how much of a Service changed is noted with the Service
  // How many lists of the kind have begun; an object bears the number of the last that named it.
  std::uint32_t service_lists_ = 0, slice_lists_ = 0;
  std::set<std::string> listed_nodes_, listed_service_cidrs_;  // likewise, of the few
};

using Changes = Snapshot::Changes;

}  // namespace kproxy::snapshot
