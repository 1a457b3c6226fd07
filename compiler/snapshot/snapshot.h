// The cluster as last heard: all objects by name, with each Service's EndpointSlices beside it.
//
// Every change says which Services it touches, so that the stages after it compile those and no
// others. A change of the own Node or of a ServiceCIDR is reported apart: the node's view, which
// all Services share, has to be formed again. Cost of a change: logarithmic in the number of
// objects plus the size of the Service's own slices. Not thread-safe; owned by one thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "compiler/snapshot/objects.h"

namespace kproxy::snapshot {

// What changed since the last take_changes().
struct Changes {
  std::set<ObjectName> services;  // Services (or their slices) added, changed or removed
  bool nodes = false;             // some Node
  bool service_cidrs = false;     // some ServiceCIDR
  bool empty() const { return services.empty() && !nodes && !service_cidrs; }
};

class Snapshot {
 public:
  // Everything known about the Service of one name: it may have slices before it exists.
  struct Entry {
    std::optional<Service> service;
    std::map<std::string, EndpointSlice> slices;  // by slice name
  };

  // Adds the object or replaces the one of its kind and name.
  void put(Object object);
  // Removes the object of that kind ("Service", ...) and name; nothing happens if it is not there.
  void erase(std::string_view kind, const ObjectName& name);
  // Makes the snapshot hold exactly these objects. What is equal to what it held is no change.
  void replace(std::vector<Object> objects);

  Changes take_changes();

  const std::map<ObjectName, Entry>& services() const { return services_; }
  // Null where neither the Service nor a slice of it is known.
  const Entry* find(const ObjectName& service) const;
  const std::map<std::string, Node>& nodes() const { return nodes_; }
  const std::map<std::string, ServiceCidr>& service_cidrs() const { return service_cidrs_; }

 private:
  void put_service(Service service);
  void put_slice(EndpointSlice slice);
  void erase_slice(const ObjectName& name);
  void drop_if_empty(const ObjectName& service);

  std::map<ObjectName, Entry> services_;
  std::map<ObjectName, std::string> service_of_slice_;  // slice name -> its Service's name
  std::map<std::string, Node> nodes_;
  std::map<std::string, ServiceCidr> service_cidrs_;
  Changes changes_;
};

}  // namespace kproxy::snapshot
