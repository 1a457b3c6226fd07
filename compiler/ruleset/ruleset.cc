#include "compiler/ruleset/ruleset.h"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace kproxy::ruleset {
namespace {

std::vector<Element> sorted_elements(const std::vector<Ruleset::CompiledPort>& ports) {
  std::vector<Element> elements;
  for (const auto& port : ports)
    elements.insert(elements.end(), port.elements.begin(), port.elements.end());
  if (ports.size() > 1) std::sort(elements.begin(), elements.end(), key_less);
  return elements;
}

// Members of `a` that have no equal in `b`, counting how often each occurs; both sorted by <.
template <typename T>
std::vector<T> without(const std::vector<T>& a, const std::vector<T>& b) {
  std::vector<T> result;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result));
  return result;
}

bool points_at_random_chain(const Element& element) {
  return element.verdict.code == Verdict::Code::goto_ &&
         element.verdict.chain.kind == ChainKind::random;
}

const Chain* find(const std::vector<Chain>& chains, const ChainRef& ref) {
  const auto found = std::find_if(chains.begin(), chains.end(),
                                  [&](const Chain& chain) { return chain.ref == ref; });
  return found == chains.end() ? nullptr : &*found;
}

}  // namespace

Ruleset::Ruleset(service::NodeView node) : node_(std::move(node)) {
  skeleton_ = skeleton(node_);
  node_elements_ = node_elements(node_);
  pending_.add_sets = skeleton_.sets;
  pending_.add_chains = skeleton_.chains;
  pending_.insert = node_elements_;
}

void Ruleset::set_node(service::NodeView node) {
  node_ = std::move(node);
  Structure next = skeleton(node_);  // the same sets and chains always; rules may differ
  for (Chain& chain : next.chains)
    if (const Chain* old = find(skeleton_.chains, chain.ref); old != nullptr && *old != chain)
      pending_.replace_rules.push_back(chain);
  skeleton_ = std::move(next);
  std::vector<Element> elements = node_elements(node_);
  for (const Element& e : without(node_elements_, elements)) pending_.erase.push_back(e);
  for (const Element& e : without(elements, node_elements_)) pending_.insert.push_back(e);
  node_elements_ = std::move(elements);
}

void Ruleset::update(std::vector<ServiceState> services, const Resolve& resolve) {
  // First all claims, so that each Service is compiled once, knowing what is finally its own.
  std::set<snapshot::ObjectName> others;
  for (const ServiceState& service : services) {
    std::vector<FrontendKey> keys;
    for (const service::ServicePort& port : service.ports)
      for (const service::Frontend& frontend : port.frontends)
        keys.push_back(frontend_key(port, frontend));
    others.merge(frontends_.claim({service.created, service.name}, std::move(keys)));
  }
  for (const ServiceState& service : services) others.erase(service.name);
  for (const ServiceState& service : services) compile_service(service);
  for (const snapshot::ObjectName& other : others) compile_service(resolve(other));
}

void Ruleset::compile_service(const ServiceState& service) {
  std::vector<CompiledPort> compiled;
  compiled.reserve(service.ports.size());
  for (const service::ServicePort& port : service.ports) {
    CompiledPort out;
    out.port_name = port.port_name;
    if (port.affinity_seconds) {
      out.owner = owners_.intern(service::label(service.name, port));
      out.affinity = affinity_structure(port, out.owner);
    }
    out.elements = compile(port, out.owner, node_, [&](const service::Frontend& frontend) {
      return frontends_.owns(service.name, frontend_key(port, frontend));
    });
    compiled.push_back(std::move(out));
  }
  const auto known = services_.find(service.name);
  if (known == services_.end()) {
    note({}, compiled);
    if (!compiled.empty()) services_.emplace(service.name, std::move(compiled));
    return;
  }
  note(known->second, compiled);
  if (compiled.empty())
    services_.erase(known);
  else
    known->second = std::move(compiled);
}

void Ruleset::note(const std::vector<CompiledPort>& before,
                   const std::vector<CompiledPort>& after) {
  note_affinity(before, after);
  const std::vector<Element> old_elements = sorted_elements(before);
  const std::vector<Element> new_elements = sorted_elements(after);
  for (const Element& element : without(old_elements, new_elements)) remove(element);
  for (const Element& element : without(new_elements, old_elements)) add(element);
}

void Ruleset::note_affinity(const std::vector<CompiledPort>& before,
                            const std::vector<CompiledPort>& after) {
  Structure old_objects, new_objects;
  const auto gather = [](const std::vector<CompiledPort>& ports, Structure& into) {
    for (const CompiledPort& port : ports) {
      into.sets.insert(into.sets.end(), port.affinity.sets.begin(), port.affinity.sets.end());
      into.chains.insert(into.chains.end(), port.affinity.chains.begin(),
                         port.affinity.chains.end());
    }
    std::sort(into.sets.begin(), into.sets.end());
  };
  gather(before, old_objects);
  gather(after, new_objects);
  for (const SetRef& set : without(new_objects.sets, old_objects.sets))
    pending_.add_sets.push_back(set);
  for (const SetRef& set : without(old_objects.sets, new_objects.sets))
    pending_.remove_sets.push_back(set);
  for (const Chain& chain : new_objects.chains) {
    const Chain* old = find(old_objects.chains, chain.ref);
    if (old == nullptr)
      pending_.add_chains.push_back(chain);
    else if (*old != chain)
      pending_.replace_rules.push_back(chain);
  }
  for (const Chain& chain : old_objects.chains)
    if (find(new_objects.chains, chain.ref) == nullptr) pending_.remove_chains.push_back(chain.ref);
}

void Ruleset::add(const Element& element) {
  if (is_shared(element.set.kind) && shared_[element]++ > 0) return;
  if (points_at_random_chain(element)) ++random_chains_[element.verdict.chain].elements;
  pending_.insert.push_back(element);
}

void Ruleset::remove(const Element& element) {
  if (is_shared(element.set.kind)) {
    const auto count = shared_.find(element);
    if (--count->second > 0) return;
    shared_.erase(count);
  }
  if (points_at_random_chain(element)) --random_chains_[element.verdict.chain].elements;
  pending_.erase.push_back(element);
}

bool Ruleset::collect() {
  bool any = false;
  for (auto entry = random_chains_.begin(); entry != random_chains_.end();) {
    if (entry->second.elements > 0) {
      ++entry;
      continue;
    }
    if (entry->second.created) pending_.remove_chains.push_back(entry->first);
    any = any || entry->second.created;
    entry = random_chains_.erase(entry);
  }
  return any;
}

Change Ruleset::take_change() {
  Change change = std::move(pending_);
  pending_ = Change();

  // What came and went since the last call was no change; each element is in at most once net.
  std::sort(change.erase.begin(), change.erase.end());
  std::sort(change.insert.begin(), change.insert.end());
  std::vector<Element> erase = without(change.erase, change.insert);
  change.insert = without(change.insert, change.erase);
  change.erase = std::move(erase);

  std::vector<SetRef>& added = change.add_sets;
  std::vector<SetRef>& removed = change.remove_sets;
  std::sort(added.begin(), added.end());
  std::sort(removed.begin(), removed.end());
  std::vector<SetRef> still_removed = without(removed, added);
  added = without(added, removed);
  removed = std::move(still_removed);

  for (auto& [ref, use] : random_chains_) {
    if (use.created || use.elements == 0) continue;
    use.created = true;
    change.add_chains.push_back(random_chain(ref.scope, ref.family, ref.policy, ref.count));
  }
  for (const Element& element : change.erase) {
    if (element.set.kind != SetKind::rememberable) continue;
    SetRef clients = element.set;
    clients.kind = SetKind::clients;
    if (std::find(removed.begin(), removed.end(), clients) != removed.end()) continue;
    Element forget = element;
    forget.set = clients;
    change.forget.push_back(forget);
  }
  const auto by_ref = [this](const Chain& a, const Chain& b) { return before(a.ref, b.ref); };
  std::stable_sort(change.add_chains.begin(), change.add_chains.end(), by_ref);
  return change;
}

bool Ruleset::before(const SetRef& a, const SetRef& b) const {
  const auto constant = [](const SetRef& s) { return std::tuple(s.kind, s.scope, s.family); };
  if (constant(a) != constant(b)) return constant(a) < constant(b);
  if (a.owner != b.owner) return owners_.label(a.owner) < owners_.label(b.owner);
  return a.policy < b.policy;
}

bool Ruleset::before(const ChainRef& a, const ChainRef& b) const {
  const auto constant = [](const ChainRef& c) { return std::tuple(c.kind, c.scope, c.family); };
  if (constant(a) != constant(b)) return constant(a) < constant(b);
  if (a.owner != b.owner) return owners_.label(a.owner) < owners_.label(b.owner);
  return std::tuple(a.policy, a.count) < std::tuple(b.policy, b.count);
}

Structure Ruleset::structure() const {
  Structure structure = skeleton_;
  for (const auto& [name, ports] : services_)
    for (const CompiledPort& port : ports) {
      structure.sets.insert(structure.sets.end(), port.affinity.sets.begin(),
                            port.affinity.sets.end());
      structure.chains.insert(structure.chains.end(), port.affinity.chains.begin(),
                              port.affinity.chains.end());
    }
  for (const auto& [ref, use] : random_chains_)
    if (use.created || use.elements > 0)
      structure.chains.push_back(random_chain(ref.scope, ref.family, ref.policy, ref.count));
  std::stable_sort(structure.sets.begin(), structure.sets.end(),
                   [this](const SetRef& a, const SetRef& b) { return before(a, b); });
  std::stable_sort(structure.chains.begin(), structure.chains.end(),
                   [this](const Chain& a, const Chain& b) { return before(a.ref, b.ref); });
  return structure;
}

std::vector<Ruleset::Listed> Ruleset::listing() const {
  std::vector<Listed> listing;
  std::size_t size = node_elements_.size() + shared_.size();
  for (const auto& [name, ports] : services_)
    for (const CompiledPort& port : ports) size += port.elements.size();
  listing.reserve(size);
  for (const Element& element : node_elements_) listing.push_back({&element, nullptr, nullptr});
  for (const auto& [element, count] : shared_)
    if (element.set.kind != SetKind::cluster_ips) listing.push_back({&element, nullptr, nullptr});
  for (const auto& [name, ports] : services_)
    for (const CompiledPort& port : ports)
      for (const Element& element : port.elements) {
        if (element.set.kind == SetKind::cluster_ips)
          listing.push_back({&element, &name, nullptr});
        else if (!is_shared(element.set.kind))
          listing.push_back({&element, &name, &port});
      }
  std::stable_sort(listing.begin(), listing.end(), [this](const Listed& a, const Listed& b) {
    const SetRef& x = a.element->set;
    const SetRef& y = b.element->set;
    return x == y ? key_less(*a.element, *b.element) : before(x, y);
  });
  listing.erase(std::unique(listing.begin(), listing.end(),
                            [](const Listed& a, const Listed& b) {
                              return same_key(*a.element, *b.element);
                            }),
                listing.end());
  return listing;
}

std::vector<Element> Ruleset::elements() const {
  std::vector<Element> elements;
  const std::vector<Listed> all = listing();
  elements.reserve(all.size());
  for (const Listed& listed : all) elements.push_back(*listed.element);
  return elements;
}

Errors Ruleset::conflicts() const {
  Errors errors;
  for (const auto& [key, claimants] : frontends_.contested()) {
    std::string losers;
    for (auto claimant = std::next(claimants.begin()); claimant != claimants.end(); ++claimant)
      losers += (losers.empty() ? "" : ", ") + claimant->service.to_string();
    errors.push_back({"Service " + losers,
                      "does not get " + to_string(key) + ", which the older Service " +
                          claimants.begin()->service.to_string() + " has",
                      ""});
  }
  return errors;
}

}  // namespace kproxy::ruleset
