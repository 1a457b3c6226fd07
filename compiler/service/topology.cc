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

// Hints count only where every ready endpoint has them and one of them is meant for us; otherwise
// some endpoint would be nobody's, or we would have none.
std::vector<Candidate> near(std::vector<Candidate> ready, const NodeView& node) {
  if (std::all_of(ready.begin(), ready.end(), has_node_hints)) {
    auto chosen = filter(ready, [&](const Candidate& c) { return hinted_for_node(c, node); });
    if (!chosen.empty()) return chosen;
  }
  if (!node.zone.empty() && std::all_of(ready.begin(), ready.end(), has_zone_hints)) {
    auto chosen = filter(ready, [&](const Candidate& c) { return hinted_for_zone(c, node); });
    if (!chosen.empty()) return chosen;
  }
  return ready;
}

bool is_local(const Candidate& candidate, const NodeView& node) {
  return !candidate.endpoint->node.empty() && candidate.endpoint->node == node.name;
}

std::vector<Endpoint> endpoints(const std::vector<Candidate>& candidates, const NodeView& node) {
  std::vector<Endpoint> result;
  result.reserve(candidates.size());
  for (const Candidate& candidate : candidates)
    result.push_back({candidate.endpoint->address, candidate.port, is_local(candidate, node)});
  return result;
}

}  // namespace

Eligible select_endpoints(std::vector<Candidate> candidates, const NodeView& node) {
  const auto place = [](const Candidate& c) { return std::pair(c.endpoint->address, c.port); };
  const auto before = [&](const Candidate& a, const Candidate& b) {
    if (place(a) != place(b)) return place(a) < place(b);
    return a.endpoint->terminating < b.endpoint->terminating;
  };
  // Most often they are in order already, and all are ready: nothing is copied then.
  if (!std::is_sorted(candidates.begin(), candidates.end(), before))
    std::stable_sort(candidates.begin(), candidates.end(), before);
  candidates.erase(std::unique(candidates.begin(), candidates.end(),
                               [&](const auto& a, const auto& b) { return place(a) == place(b); }),
                   candidates.end());

  const auto here = [&](const Candidate& c) { return is_local(c, node); };
  std::vector<Candidate> ready, leaving;
  if (std::all_of(candidates.begin(), candidates.end(),
                  [](const auto& c) { return is_ready(*c.endpoint); })) {
    ready = std::move(candidates);
  } else {
    ready = filter(candidates, [](const auto& c) { return is_ready(*c.endpoint); });
    leaving = filter(candidates, [](const auto& c) { return is_serving_terminating(*c.endpoint); });
  }
  auto local = filter(ready, here);
  if (local.empty()) local = filter(leaving, here);

  Eligible eligible;
  eligible.cluster =
      endpoints(ready.empty() ? std::move(leaving) : near(std::move(ready), node), node);
  eligible.local = endpoints(local, node);
  return eligible;
}

}  // namespace kproxy::service
