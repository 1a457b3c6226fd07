// The whole ruleset of a node, kept up to date Service by Service.
//
// A Ruleset is the skeleton plus the union of what each Service port compiles to. update() compiles
// the Service ports of the Services it is given, settles who owns a frontend that several claim (the
// oldest Service, then the first by name), and says what changed, as one Change for one
// transaction. Its cost grows with those Services, not with the cluster. The same Services and node
// give the same ruleset, in whatever order they came.
//
// Memory: about 64 bytes an element. Not thread-safe; owned by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/ruleset/change.h"
#include "compiler/ruleset/compile.h"
#include "compiler/service/service_port.h"
#include "compiler/types/error.h"

namespace kproxy::ruleset {

class Ruleset {
 public:
  // A Service as resolved on this node.
  struct ServiceState {
    snapshot::ObjectName name;
    std::int64_t created = 0;  // Unix seconds: the older Service wins a frontend
    std::vector<service::ServicePort> ports;
  };

  // Forms the skeleton. The first Change (see take_change) creates it.
  explicit Ruleset(service::NodeView node);

  // The Services become these (no ports: it is gone). `resolve` gives the state of a Service whose
  // frontends another one released or took: it is compiled again too.
  void update(const std::vector<ServiceState>& services,
              const std::function<ServiceState(const snapshot::ObjectName&)>& resolve);

  // The node's view changed: the skeleton and the node's own elements become the new one's. All
  // Services must be given to update() afterwards, since their endpoints may depend on it.
  void set_node(service::NodeView node);
  const service::NodeView& node() const { return node_; }

  // Everything that changed since the last call, in canonical order. Chains that nothing points at
  // any more are kept until collect().
  Change take_change();
  // Lets go of chains (and, by the next take_change(), removes them) that no element points at.
  void collect();

  // The present state, in canonical order. Linear in its size.
  Structure structure() const;
  std::vector<Element> elements() const;
  // The Service port an element stems from, "shop/web:http", as comments name it; empty for the
  // node's own elements.
  std::vector<std::string> element_origins() const;

  OwnerNames& owners() { return owners_; }
  const OwnerNames& owners() const { return owners_; }

  // Frontends that more than one Service claims: one Error each, naming winner and losers.
  Errors conflicts() const;
};

}  // namespace kproxy::ruleset
