// The whole ruleset of a node, kept up to date Service by Service.
//
// A Ruleset is the skeleton plus the union of what each Service port compiles to. update() compiles
// the Service ports of the Services it is given, settles who owns a frontend that several claim,
// and notes what changed, as one Change for one transaction. Its cost grows with those Services,
// not with the cluster. The same Services and node give the same ruleset, in whatever order they
// came.
//
// Memory: about 500 bytes a Service port and 20 an endpoint. Not thread-safe; owned by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/ruleset/change.h"
#include "compiler/ruleset/compile.h"
#include "compiler/ruleset/frontends.h"
#include "compiler/ruleset/skeleton.h"
#include "compiler/service/service_port.h"
#include "compiler/types/error.h"

namespace kproxy::ruleset {

class Ruleset {
 public:
  // A Service as resolved on this node; no ports: it is not served, or gone.
  struct ServiceState {
    snapshot::ObjectName name;
    std::int64_t created = 0;  // Unix seconds: the older Service wins a frontend
    std::vector<service::ServicePort> ports;
  };
  using Resolve = std::function<ServiceState(const snapshot::ObjectName&)>;

  // A Service port that has been compiled, with all that stems from it.
  struct CompiledPort {
    std::string port_name;
    std::unique_ptr<const Structure> affinity;  // null: none
    std::vector<Element> elements;              // as compile() gives them
    service::Eligible endpoints;                // that it was compiled with: append_endpoints()

    void add_affinity_to(Structure& structure) const;
  };

  // One element and where it stems from; the latter valid until the Ruleset changes.
  struct Listed {
    Element element;
    const snapshot::ObjectName* service;  // null: the node's own, or several Services'
    const CompiledPort* port;             // null: of the Service as a whole
  };

  // Forms the skeleton; the first Change creates it.
  explicit Ruleset(service::NodeView node);

  // Makes room for that many Services at once: they come faster then.
  void expect(std::size_t services);

  // The Services become these. `resolve` is asked for Services not among them whose claim to a
  // frontend is won or lost by this: they are compiled again too.
  void update(std::vector<ServiceState> services, const Resolve& resolve);

  // The slices of a Service became these, and nothing else of it changed. Costs the number of its
  // endpoints, and for each that is another one the number of frontends. False, and nothing is
  // done, if more follows than where endpoints' elements lead, since there are more or fewer, or
  // others on this node, or session affinity: update() it then.
  bool update_endpoints(const snapshot::ObjectName& service,
                        const snapshot::Snapshot::Entry& entry);

  // The node's view changed: the skeleton and the node's own elements become the new one's. All
  // Services must be given to update() afterwards, since what they mean may depend on it.
  void set_node(service::NodeView node);
  const service::NodeView& node() const { return node_; }

  // What changed since the last call, in canonical order; the first time it is the whole ruleset.
  // Chains of random choice that nothing points at any more stay until collect().
  Change take_change();
  // The same for those who do not want to see it, since they apply the present state as a whole.
  void skip_change();
  // Lets go of those chains: the next Change removes them. Returns whether there are any.
  bool collect();

  // The present state, in canonical order. n log n in its size.
  Structure structure() const;
  std::vector<Element> elements() const;
  std::vector<Listed> listing() const;
  // Services that have Service ports.
  std::size_t service_count() const { return services_.size(); }

  OwnerNames& owners() { return owners_; }
  const OwnerNames& owners() const { return owners_; }

  // Frontends that more than one Service claims: one Error each, naming who has it and who not.
  Errors conflicts() const;

 private:
  struct ChainUse {
    std::size_t elements = 0;  // that point at it
    bool created = false;      // by an earlier Change
  };
  // An element that several Service ports may give is told by its set's kind and its address.
  struct SharedKey {
    SetKind kind;
    Address address;
    bool operator==(const SharedKey&) const = default;
  };
  struct SharedHash {
    std::size_t operator()(const SharedKey& key) const {
      return std::hash<Address>()(key.address) ^ static_cast<std::size_t>(key.kind);
    }
  };
  struct Run;

  struct CompiledService {
    Claims claims;
    std::vector<CompiledPort> ports;
  };
  using Services =
      std::unordered_map<snapshot::ObjectName, CompiledService, snapshot::ObjectNameHash>;

  void compile_service(const ServiceState& service, Services::value_type& known);
  void note(const std::vector<CompiledPort>& before, const std::vector<CompiledPort>& after);
  void replace_endpoint(CompiledPort& port, const service::Replacement& replacement);
  void note_affinity(const std::vector<CompiledPort>& before,
                     const std::vector<CompiledPort>& after);
  void add(const Element& element);
  void remove(const Element& element);
  std::vector<Run> runs() const;
  bool before(const Run& a, const Run& b) const;            // canonical order
  bool before(const SetRef& a, const SetRef& b) const;      // likewise
  bool before(const ChainRef& a, const ChainRef& b) const;  // likewise

  service::NodeView node_;
  Structure skeleton_;
  std::vector<Element> node_elements_;
  OwnerNames owners_;
  FrontendOwners frontends_;
  Services services_;
  // How many Service ports give a shared element.
  std::unordered_map<SharedKey, std::uint32_t, SharedHash> shared_;
  std::map<ChainRef, ChainUse> random_chains_;
  bool all_pending_ = true;  // nobody has taken a Change yet: the next one is everything
  Change pending_;           // of no meaning until then
};

}  // namespace kproxy::ruleset
