// What a Ruleset has at present, in canonical order: all it is, whatever changes led there.
#include <algorithm>
#include <tuple>

#include "compiler/ruleset/ruleset.h"

namespace kproxy::ruleset {

void Ruleset::CompiledPort::add_affinity_to(Structure& structure) const {
  if (affinity == nullptr) return;
  const auto& [sets, chains] = *affinity;
  structure.sets.insert(structure.sets.end(), sets.begin(), sets.end());
  structure.chains.insert(structure.chains.end(), chains.begin(), chains.end());
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
  for (const auto& [name, service] : services_)
    for (const CompiledPort& port : service.ports) port.add_affinity_to(structure);
  for (const auto& [ref, use] : random_chains_)
    if (use.created || use.elements > 0)
      structure.chains.push_back(random_chain(ref.scope, ref.family, ref.policy, ref.count));
  std::stable_sort(structure.sets.begin(), structure.sets.end(),
                   [this](const SetRef& a, const SetRef& b) { return before(a, b); });
  std::stable_sort(structure.chains.begin(), structure.chains.end(),
                   [this](const Chain& a, const Chain& b) { return before(a.ref, b.ref); });
  return structure;
}

// Elements that stand together in canonical order whatever else there is: of one set and, where it
// has frontends in its keys, of one frontend. There are fewer of them to sort than elements.
struct Ruleset::Run {
  std::uint32_t set;        // its kind, scope and family, in the order of these
  std::uint32_t size;       // elements from the first on; 0: the endpoints of that frontend
  std::uint64_t high, low;  // the address, to compare without a look at the elements
  const Element* first;
  const snapshot::ObjectName* service;
  const CompiledPort* port;

  void append_to(std::vector<Element>& elements) const {
    if (size > 0)
      elements.insert(elements.end(), first, first + size);
    else
      append_endpoints(*first, port->elements, port->endpoints, elements);
  }
};

// All of them in canonical order; of a shared element one, with the first of its Services by name.
std::vector<Ruleset::Run> Ruleset::runs() const {
  std::vector<Run> runs;
  const auto add = [&](const std::vector<Element>& elements, const snapshot::ObjectName* service,
                       const CompiledPort* port) {
    const auto frontend = [](const Element& e) {
      return std::tie(e.set, e.address, e.protocol, e.port);
    };
    for (std::size_t i = 0, end = 0; i < elements.size(); i = end) {
      const Element& e = elements[i];
      for (end = i + 1; end < elements.size() && frontend(elements[end]) == frontend(e);) ++end;
      const auto word = [&](std::size_t at) {
        std::uint64_t value = 0;
        for (std::size_t k = at; k < at + 8; ++k) value = value << 8 | e.address.bytes()[k];
        return value;
      };
      const auto set = [&](SetKind kind) {
        return static_cast<std::uint32_t>(kind) << 16 |
               static_cast<std::uint32_t>(e.set.scope) << 8 |
               static_cast<std::uint32_t>(e.set.family);
      };
      const bool of_port = !is_shared(e.set.kind);
      Run run{set(e.set.kind),
              static_cast<std::uint32_t>(end - i),
              word(0),
              word(8),
              &e,
              of_port || e.set.kind == SetKind::cluster_ips ? service : nullptr,
              of_port ? port : nullptr};
      runs.push_back(run);
      if (e.set.kind != SetKind::frontends || choice_of(e).count == 0) continue;
      run.set = set(SetKind::endpoints);
      run.size = 0;
      runs.push_back(run);
    }
  };
  runs.reserve(4 * services_.size());
  add(node_elements_, nullptr, nullptr);
  for (const auto& [name, service] : services_)
    for (const CompiledPort& port : service.ports) add(port.elements, &name, &port);
  std::sort(runs.begin(), runs.end(), [this](const Run& a, const Run& b) { return before(a, b); });
  runs.erase(std::unique(runs.begin(), runs.end(),
                         [](const Run& a, const Run& b) {
                           return a.set == b.set && a.low == b.low && same_key(*a.first, *b.first);
                         }),
             runs.end());
  return runs;
}

bool Ruleset::before(const Run& a, const Run& b) const {
  if (a.set != b.set) return a.set < b.set;
  const SetRef& x = a.first->set;
  if (a.high == 0 && a.low == 0 && x != b.first->set) return before(x, b.first->set);
  if (a.high != b.high) return a.high < b.high;
  if (a.low != b.low) return a.low < b.low;
  if (!same_key(*a.first, *b.first)) return key_less(*a.first, *b.first);
  // A shared one: where it is the Service's as a whole, the first by name counts.
  return a.service != nullptr && b.service != nullptr && *a.service < *b.service;
}

std::vector<Ruleset::Listed> Ruleset::listing() const {
  std::vector<Listed> listing;
  std::vector<Element> elements;
  for (const Run& run : runs()) {
    elements.clear();
    run.append_to(elements);
    for (const Element& element : elements) listing.push_back({element, run.service, run.port});
  }
  return listing;
}

std::vector<Element> Ruleset::elements() const {
  std::size_t size = node_elements_.size();
  for (const auto& [name, service] : services_)
    for (const CompiledPort& port : service.ports) {
      size += port.elements.size();
      for (const Element& frontend : port.elements)
        if (frontend.set.kind == SetKind::frontends || frontend.set.kind == SetKind::local_policy)
          size += choice_of(frontend).count;
    }
  std::vector<Element> elements;
  elements.reserve(size);
  for (const Run& run : runs()) run.append_to(elements);
  return elements;
}

}  // namespace kproxy::ruleset
