#include "compiler/service/topology.h"

#include <algorithm>

namespace kproxy::service {
namespace {

bool is_ready(const snapshot::Endpoint& endpoint) {
  return endpoint.ready;
}

// Not ready, but still answers while it goes: the fallback when nobody is ready.
bool is_serving_terminating(const snapshot::Endpoint& endpoint) {
  return !endpoint.ready && endpoint.serving && endpoint.terminating;
}

bool names(const std::vector<std::string_view>& hints, std::string_view name) {
  return std::find(hints.begin(), hints.end(), name) != hints.end();
}

bool hinted_for_node(const Candidate& candidate, const NodeView& node) {
  return candidate.hints != nullptr && names(candidate.hints->nodes, node.name);
}
bool hinted_for_zone(const Candidate& candidate, const NodeView& node) {
  return candidate.hints != nullptr && names(candidate.hints->zones, node.zone);
}
bool has_node_hints(const Candidate& candidate) {
  return candidate.hints != nullptr && !candidate.hints->nodes.empty();
}
bool has_zone_hints(const Candidate& candidate) {
  return candidate.hints != nullptr && !candidate.hints->zones.empty();
}

template <typename Predicate>
std::vector<Candidate> filter(const std::vector<Candidate>& candidates, Predicate wanted) {
  std::vector<Candidate> result;
  std::copy_if(candidates.begin(), candidates.end(), std::back_inserter(result), wanted);
  return result;
}

// Those that hints choose; none: hints choose nothing. They count only where every ready endpoint
// has them and one of them is meant for us; otherwise some endpoint would be nobody's, or we would
// have none.
std::vector<Candidate> near(const std::vector<Candidate>& ready, const NodeView& node) {
  if (std::all_of(ready.begin(), ready.end(), has_node_hints)) {
    auto chosen = filter(ready, [&](const Candidate& c) { return hinted_for_node(c, node); });
    if (!chosen.empty()) return chosen;
  }
  if (!node.zone.empty() && std::all_of(ready.begin(), ready.end(), has_zone_hints))
    return filter(ready, [&](const Candidate& c) { return hinted_for_zone(c, node); });
  return {};
}

std::vector<Endpoint> endpoints(const std::vector<Candidate>& candidates, const NodeView& node) {
  std::vector<Endpoint> result;
  result.reserve(candidates.size());
  for (const Candidate& candidate : candidates)
    result.push_back(
        {candidate.endpoint->address, candidate.port, is_local(*candidate.endpoint, node)});
  return result;
}

// By address and port.
std::strong_ordering order_of_places(const Candidate& a, const Candidate& b) {
  const auto addresses = a.endpoint->address <=> b.endpoint->address;
  return addresses != 0 ? addresses : a.port <=> b.port;
}

void sort_by_place(std::vector<Candidate>& candidates) {
  // Most often they are in order.
  const auto not_before = [](const auto& a, const auto& b) { return order_of_places(a, b) >= 0; };
  if (std::adjacent_find(candidates.begin(), candidates.end(), not_before) == candidates.end())
    return;
  std::stable_sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    const auto places = order_of_places(a, b);
    return places != 0 ? places < 0 : a.endpoint->terminating < b.endpoint->terminating;
  });
  const auto same_place = [](const auto& a, const auto& b) { return order_of_places(a, b) == 0; };
  candidates.erase(std::unique(candidates.begin(), candidates.end(), same_place), candidates.end());
}

}  // namespace

std::vector<Endpoint> local_of(const std::vector<Endpoint>& endpoints) {
  std::vector<Endpoint> result;
  std::copy_if(endpoints.begin(), endpoints.end(), std::back_inserter(result),
               [](const Endpoint& endpoint) { return endpoint.local; });
  return result;
}

Eligible select_endpoints(std::vector<Candidate> candidates, const NodeView& node) {
  sort_by_place(candidates);
  std::vector<Candidate> ready, leaving;
  if (std::all_of(candidates.begin(), candidates.end(),
                  [](const auto& c) { return is_ready(*c.endpoint); })) {
    ready = std::move(candidates);
  } else {
    ready = filter(candidates, [](const auto& c) { return is_ready(*c.endpoint); });
    leaving = filter(candidates, [](const auto& c) { return is_serving_terminating(*c.endpoint); });
  }
  Eligible eligible;
  eligible.cluster = endpoints(ready.empty() ? leaving : ready, node);
  eligible.local = local_of(eligible.cluster);
  if (eligible.local.empty() && !ready.empty()) eligible.local = local_of(endpoints(leaving, node));
  if (const auto chosen = near(ready, node); !chosen.empty())
    eligible.cluster = endpoints(chosen, node);
  return eligible;
}

}  // namespace kproxy::service
