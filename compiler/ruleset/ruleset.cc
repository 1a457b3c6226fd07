#include "compiler/ruleset/ruleset.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <utility>

#include "compiler/types/prefetch.h"
#include "compiler/types/replace.h"

namespace kproxy::ruleset {
namespace {

// All elements of the ports in order.
std::vector<Element> in_order(const std::vector<Ruleset::CompiledPort>& ports) {
  std::vector<Element> all;
  for (const Ruleset::CompiledPort& port : ports) {
    const std::vector<Element>& elements = port.elements;
    const auto after_endpoints =
        std::find_if(elements.begin(), elements.end(),
                     [](const Element& e) { return e.set.kind > SetKind::endpoints; });
    all.insert(all.end(), elements.begin(), after_endpoints);
    for (const Element& frontend : frontends_of(elements))
      append_endpoints(frontend, elements, port.endpoints, all);
    all.insert(all.end(), after_endpoints, elements.end());
  }
  if (!std::is_sorted(all.begin(), all.end(), key_less))
    std::sort(all.begin(), all.end(), key_less);
  return all;
}

// Takes off what both begin and end with: of a change that is most of it.
void trim_common(std::span<const Element>& a, std::span<const Element>& b) {
  const auto front = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  a = {front.first, a.end()};
  b = {front.second, b.end()};
  while (!a.empty() && !b.empty() && a.back() == b.back()) {
    a = a.first(a.size() - 1);
    b = b.first(b.size() - 1);
  }
}

// Calls for members of `a` that have no equal in `b`, counting how often each occurs; both sorted
// by <. Of those in another order it calls for some that have, but then does so the other way, too.
template <typename Range, typename Call>
void each_without(const Range& a, const Range& b, Call call) {
  auto next = b.begin();
  for (const auto& member : a) {
    while (next != b.end() && *next < member) ++next;
    if (next == b.end() || member < *next)
      call(member);
    else
      ++next;
  }
}

// The same, as a list.
template <typename Range>
Range without(const Range& a, const Range& b) {
  Range result;
  each_without(a, b, [&](const auto& member) { result.push_back(member); });
  return result;
}

// Whether some member is in both; both sorted by <.
bool intersect(const std::vector<Element>& a, const std::vector<Element>& b) {
  auto one = a.begin(), other = b.begin();
  while (one != a.end() && other != b.end()) {
    if (*one < *other)
      ++one;
    else if (*other < *one)
      ++other;
    else
      return true;
  }
  return false;
}

// The chain of random choice that an element points at, if it does.
std::optional<ChainRef> random_chain_of(const Element& element) {
  const Verdict verdict = element.verdict();
  if (verdict.code != Verdict::Code::goto_ || verdict.chain.kind != ChainKind::random)
    return std::nullopt;
  return verdict.chain;
}

const Chain* find(const std::vector<Chain>& chains, const ChainRef& ref) {
  const auto found = std::find_if(chains.begin(), chains.end(),
                                  [&](const Chain& chain) { return chain.ref == ref; });
  return found == chains.end() ? nullptr : &*found;
}

}  // namespace

void Ruleset::expect(std::size_t services) {
  services_.reserve(services);
  shared_.reserve(services);
  frontends_.expect(services);
}

Ruleset::Ruleset(service::NodeView node) : node_(std::move(node)) {
  skeleton_ = skeleton(node_);
  node_elements_ = node_elements(node_);
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
  std::vector<Services::value_type*> known;
  known.reserve(services.size());
  for (const ServiceState& service : services) {
    std::vector<FrontendKey> keys;
    for (const service::ServicePort& port : service.ports)
      for (const service::Frontend& frontend : port.frontends)
        keys.push_back(frontend_key(port, frontend));
    auto at = services_.find(service.name);
    if (at == services_.end() && !keys.empty()) at = services_.try_emplace(service.name).first;
    known.push_back(at == services_.end() ? nullptr : &*at);
    if (at == services_.end()) continue;
    at->second.claims.service = &at->first;
    others.merge(frontends_.claim(at->second.claims, service.created, std::move(keys)));
  }
  for (const ServiceState& service : services) others.erase(service.name);
  for (std::size_t i = 0; i < services.size(); ++i)
    if (known[i] != nullptr) compile_service(services[i], *known[i]);
  for (const snapshot::ObjectName& other : others)
    compile_service(resolve(other), *services_.find(other));
}

bool Ruleset::update_endpoints(const snapshot::ObjectName& service,
                               const snapshot::Snapshot::Entry& entry) {
  const auto known = services_.find(service);
  if (known == services_.end()) return false;
  std::vector<CompiledPort>& ports = known->second.ports;
  for (const CompiledPort& port : ports) {
    if (port.affinity != nullptr) return false;
    prefetch(port.endpoints.cluster);
    prefetch(port.elements);
  }
  // Verdicts tell how many endpoints there are, hairpin pairs the addresses on this node.
  const auto replacements =
      service::replacements(entry, node_, [&](std::size_t i) -> const service::Eligible* {
        return i < ports.size() ? &ports[i].endpoints : nullptr;
      });
  if (!replacements) return false;
  for (const service::Replacement& replacement : *replacements)
    replace_endpoint(ports[replacement.port], replacement);
  return true;
}

// Those of policy Local stay: they are this node's.
void Ruleset::replace_endpoint(CompiledPort& port, const service::Replacement& replacement) {
  service::Endpoint& held = port.endpoints.cluster[replacement.index];
  for (const Element& frontend : frontends_of(port.elements)) {
    const auto [policy, count] = choice_of(frontend);
    if (policy != Policy::cluster || replacement.index >= count) continue;
    remove(endpoint_element(frontend, replacement.index, held));
    add(endpoint_element(frontend, replacement.index, replacement.endpoint));
  }
  held = replacement.endpoint;
}

void Ruleset::compile_service(const ServiceState& service, Services::value_type& known) {
  const Claims& claims = known.second.claims;
  std::vector<CompiledPort>& ports = known.second.ports;
  std::vector<CompiledPort> compiled;
  compiled.reserve(service.ports.size());
  for (const service::ServicePort& port : service.ports) {
    CompiledPort out;
    out.port_name = port.port_name;
    Owner owner = kNoOwner;
    if (port.affinity_seconds) {
      owner = owners_.intern(service::label(service.name, port));
      out.affinity = std::make_unique<const Structure>(affinity_structure(port, owner));
    }
    out.elements = compile(port, owner, node_, [&](const service::Frontend& frontend) {
      return frontends_.owns(claims, frontend_key(port, frontend));
    });
    out.endpoints = port.endpoints;
    compiled.push_back(std::move(out));
  }
  note(ports, compiled);
  if (compiled.empty() && claims.keys.empty()) {
    services_.erase(known.first);
  } else if (compiled.size() != ports.size()) {
    ports = std::move(compiled);
  } else {
    for (std::size_t i = 0; i < ports.size(); ++i) {
      ports[i].port_name = std::move(compiled[i].port_name);
      ports[i].affinity = std::move(compiled[i].affinity);
      replace(ports[i].elements, std::move(compiled[i].elements));
      replace(ports[i].endpoints.cluster, std::move(compiled[i].endpoints.cluster));
      replace(ports[i].endpoints.local, std::move(compiled[i].endpoints.local));
    }
  }
}

void Ruleset::note(const std::vector<CompiledPort>& before,
                   const std::vector<CompiledPort>& after) {
  note_affinity(before, after);
  if (all_pending_) {  // nobody asks for the difference
    for (const CompiledPort& port : before)
      for (const Element& element : port.elements) remove(element);
    for (const CompiledPort& port : after)
      for (const Element& element : port.elements) add(element);
    return;
  }
  const std::vector<Element> old_all = in_order(before), new_all = in_order(after);
  std::span<const Element> old_elements = old_all, new_elements = new_all;
  trim_common(old_elements, new_elements);
  // All that goes before what comes: what is shared may do both.
  each_without(old_elements, new_elements, [this](const Element& element) { remove(element); });
  each_without(new_elements, old_elements, [this](const Element& element) { add(element); });
}

void Ruleset::note_affinity(const std::vector<CompiledPort>& before,
                            const std::vector<CompiledPort>& after) {
  const auto without_affinity = [](const CompiledPort& port) { return port.affinity == nullptr; };
  if (std::all_of(before.begin(), before.end(), without_affinity) &&
      std::all_of(after.begin(), after.end(), without_affinity))
    return;
  Structure old_objects, new_objects;
  const auto gather = [](const std::vector<CompiledPort>& ports, Structure& into) {
    for (const CompiledPort& port : ports) port.add_affinity_to(into);
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
  if (is_shared(element.set.kind) && shared_[{element.set.kind, element.address}]++ > 0) return;
  if (const auto chain = random_chain_of(element)) ++random_chains_[*chain].elements;
  if (!all_pending_) pending_.insert.push_back(element);
}

void Ruleset::remove(const Element& element) {
  if (is_shared(element.set.kind)) {
    const auto count = shared_.find({element.set.kind, element.address});
    if (--count->second > 0) return;
    shared_.erase(count);
  }
  if (const auto chain = random_chain_of(element)) --random_chains_[*chain].elements;
  if (!all_pending_) pending_.erase.push_back(element);
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

void Ruleset::skip_change() {
  for (auto& [ref, use] : random_chains_) use.created = use.created || use.elements > 0;
  pending_ = Change();
  all_pending_ = false;
}

Change Ruleset::take_change() {
  if (all_pending_) {
    skip_change();
    Structure all = structure();
    Change change;
    change.add_sets = std::move(all.sets);
    change.add_chains = std::move(all.chains);
    change.insert = elements();
    return change;
  }
  Change change = std::exchange(pending_, Change());

  // What came and went since the last call was no change; each element is in at most once net.
  std::sort(change.erase.begin(), change.erase.end());
  std::sort(change.insert.begin(), change.insert.end());
  if (intersect(change.erase, change.insert)) {
    std::vector<Element> erase = without(change.erase, change.insert);
    change.insert = without(change.insert, change.erase);
    change.erase = std::move(erase);
  }

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

Errors Ruleset::conflicts() const {
  Errors errors;
  for (const auto& [key, claimants] : frontends_.contested()) {
    std::string losers;
    for (auto claimant = std::next(claimants.begin()); claimant != claimants.end(); ++claimant)
      losers += (losers.empty() ? "" : ", ") + (*claimant)->service->to_string();
    errors.push_back({"Service " + losers,
                      "does not get " + to_string(key) + ", which the older Service " +
                          (*claimants.begin())->service->to_string() + " has",
                      ""});
  }
  return errors;
}

}  // namespace kproxy::ruleset
