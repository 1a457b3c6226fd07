#include "compiler/ruleset/compile.h"

#include <algorithm>

#include "compiler/ruleset/references.h"
#include "compiler/ruleset/skeleton.h"

namespace kproxy::ruleset {
namespace {

using service::FrontendKind;
using service::ServicePort;

// Compiles one Service port; collects its elements.
class PortCompiler {
 public:
  PortCompiler(const ServicePort& port, Owner owner, const service::NodeView& node)
      : port_(port),
        owner_(owner),
        node_(node),
        cluster_count_(std::min(port.cluster.size(), kMaxEndpoints)),
        local_count_(std::min(port.local.size(), kMaxEndpoints)) {
    elements_.reserve(port.frontends.size() * (2 + cluster_count_ + local_count_));
  }

  void add(const service::Frontend& frontend) {
    frontend_ = &frontend;
    scope_ = frontend.kind == FrontendKind::node_port ? Scope::node_ports : Scope::services;
    if (frontend.kind == FrontendKind::cluster_ip) {
      add_cluster_ip();
    } else {
      add_external();
    }
    if (port_.affinity_seconds)
      add_verdict(
          SetKind::record,
          goto_({.kind = ChainKind::record_owner, .family = port_.family, .owner = owner_}));
  }

  void add_cluster_ip_address(const service::Frontend& frontend) {
    Element e{.set = of_family(SetKind::cluster_ips, port_.family)};
    e.address = frontend.address;
    elements_.push_back(e);
  }

  // What belongs to the Service port as a whole, if it serves some frontend.
  void add_common() {
    const auto endpoints_of = [&](Policy policy) -> const std::vector<service::Endpoint>& {
      return policy == Policy::cluster ? port_.cluster : port_.local;
    };
    const std::vector<Policy> policies = policies_in_use(port_);
    for (Policy policy : policies) {
      for (const service::Endpoint& endpoint : endpoints_of(policy)) {
        // Who may end up talking to himself: an endpoint of this node.
        if (endpoint.local) {
          Element pair{.set = of_family(SetKind::hairpin, port_.family)};
          pair.address = pair.other = endpoint.address;
          elements_.push_back(pair);
        }
        if (port_.affinity_seconds) {
          Element e{.set = owned(SetKind::rememberable, port_.family, policy, owner_)};
          e.other = endpoint.address;
          e.other_port = endpoint.port;
          elements_.push_back(e);
        }
      }
    }
  }

  std::vector<Element> take() {
    if (!std::is_sorted(elements_.begin(), elements_.end(), key_less))
      std::sort(elements_.begin(), elements_.end(), key_less);
    elements_.erase(std::unique(elements_.begin(), elements_.end()), elements_.end());
    elements_.shrink_to_fit();
    return std::move(elements_);
  }

 private:
  Element element(SetKind kind) const {
    Element e;
    e.set = scoped(kind, scope_, port_.family);
    if (scope_ == Scope::services) e.address = frontend_->address;
    e.protocol = port_.protocol;
    e.port = frontend_->port;
    return e;
  }

  void add_verdict(SetKind kind, Verdict verdict) {
    Element e = element(kind);
    e.set_verdict(verdict);
    elements_.push_back(e);
  }

  Verdict endpoints_verdict(Policy policy) const {
    if (!port_.any()) return goto_(kReject);
    const std::size_t n = policy == Policy::cluster ? cluster_count_ : local_count_;
    if (n == 0) return drop();
    return goto_({.kind = ChainKind::random,
                  .scope = scope_,
                  .family = port_.family,
                  .policy = policy,
                  .count = static_cast<std::uint16_t>(n)});
  }

  void add_endpoints(Policy policy) {
    const auto& endpoints = policy == Policy::cluster ? port_.cluster : port_.local;
    const std::size_t n = policy == Policy::cluster ? cluster_count_ : local_count_;
    const std::uint16_t first = policy == Policy::cluster ? 0 : kLocalSlots;
    for (std::size_t i = 0; i < n; ++i) {
      Element e = element(SetKind::endpoints);
      e.slot = Slot{static_cast<std::uint16_t>(first + i)};
      e.other = endpoints[i].address;
      e.other_port = endpoints[i].port;
      elements_.push_back(e);
    }
    if (port_.affinity_seconds && n > 0) {
      // A Local ClusterIP has one policy only, and it is asked for in the map all clients use.
      const bool outside_only =
          policy == Policy::local && frontend_->kind != FrontendKind::cluster_ip;
      add_verdict(outside_only ? SetKind::affinity_local : SetKind::affinity,
                  jump({.kind = ChainKind::affinity,
                        .family = port_.family,
                        .policy = policy,
                        .owner = owner_}));
    }
  }

  void add_cluster_ip() {
    const Policy policy = port_.internal_local ? Policy::local : Policy::cluster;
    add_verdict(SetKind::frontends, endpoints_verdict(policy));
    add_endpoints(policy);
  }

  void add_external() {
    add_verdict(SetKind::frontends, endpoints_verdict(Policy::cluster));
    add_endpoints(Policy::cluster);
    if (port_.external_local) {
      add_verdict(SetKind::external, jump(external_local(scope_, port_.family)));
      add_verdict(SetKind::local_policy, endpoints_verdict(Policy::local));
      add_endpoints(Policy::local);
    } else {
      add_verdict(SetKind::external, jump(kMarkForMasquerade));
    }
    if (frontend_->kind == FrontendKind::load_balancer && port_.source_ranges) add_source_ranges();
  }

  void add_source_ranges() {
    elements_.push_back(element(SetKind::source_guarded));
    const auto allow = [&](const Cidr& range) {
      Element e = element(SetKind::source_ranges);
      e.other = range.address();
      e.prefix = static_cast<std::uint8_t>(range.length());
      elements_.push_back(e);
    };
    const auto allowed = [&](const Address& address) {
      return std::any_of(port_.source_ranges->begin(), port_.source_ranges->end(),
                         [&](const Cidr& range) { return range.contains(address); });
    };
    for (const Cidr& range : *port_.source_ranges) allow(range);
    // A node that may use the load balancer talks to itself from the load balancer's address,
    // where that address is its own.
    const auto& own = node_.of(port_.family).addresses;
    if (std::none_of(own.begin(), own.end(), allowed)) return;
    for (const service::Frontend& vip : port_.frontends)
      if (vip.kind == FrontendKind::load_balancer && !allowed(vip.address))
        allow(Cidr::host(vip.address));
  }

  const ServicePort& port_;
  const Owner owner_;
  const service::NodeView& node_;
  const std::size_t cluster_count_;
  const std::size_t local_count_;
  const service::Frontend* frontend_ = nullptr;
  Scope scope_ = Scope::services;
  std::vector<Element> elements_;
};

// Elements in canonical order are in order of their sets' kinds.
struct KindLess {
  bool operator()(const Element& a, SetKind b) const { return a.set.kind < b; }
  bool operator()(SetKind a, const Element& b) const { return a < b.set.kind; }
};

}  // namespace

std::vector<Element> node_elements(const service::NodeView& node) {
  std::vector<Element> elements;
  const auto add = [&](SetKind kind, Family family, const std::vector<Cidr>& prefixes) {
    for (const Cidr& prefix : prefixes) {
      Element e{.set = of_family(kind, family)};
      e.address = prefix.address();
      e.prefix = static_cast<std::uint8_t>(prefix.length());
      elements.push_back(e);
    }
  };
  for (Family family : kFamilies) {
    const service::NodeFamily& view = node.of(family);
    add(SetKind::service_cidrs, family, view.service_cidrs);
    add(SetKind::pod_cidrs, family, view.detector.cidrs);
    if (!view.node_ports_everywhere)
      add(SetKind::node_port_addresses, family, view.node_port_addresses);
  }
  std::sort(elements.begin(), elements.end(), key_less);
  return elements;
}

std::vector<Element> compile(const ServicePort& port, Owner owner, const service::NodeView& node,
                             const std::function<bool(const service::Frontend&)>& owns) {
  PortCompiler compiler(port, owner, node);
  bool owns_any = false;
  for (const service::Frontend& frontend : port.frontends) {
    if (!owns(frontend)) continue;
    owns_any = true;
    compiler.add(frontend);
  }
  // The address is a ClusterIP even where an older Service has this port of it.
  for (const service::Frontend& frontend : port.frontends)
    if (frontend.kind == FrontendKind::cluster_ip) compiler.add_cluster_ip_address(frontend);
  if (owns_any) compiler.add_common();
  return compiler.take();
}

bool same_but_for_endpoints(std::span<const Element> elements, const service::Eligible& endpoints) {
  const auto endpoints_of = [&](Policy policy) -> const std::vector<service::Endpoint>& {
    return policy == Policy::cluster ? endpoints.cluster : endpoints.local;
  };
  std::array<bool, kPolicies.size()> in_use{};
  const auto same_verdict = [&](const Verdict& verdict) {
    if (verdict.code == Verdict::Code::drop)  // some endpoint, but none here
      return !endpoints.cluster.empty() && endpoints.local.empty();
    if (verdict.chain.kind != ChainKind::random) return endpoints.cluster.empty();
    const Policy policy = verdict.chain.policy;
    in_use[static_cast<std::size_t>(policy)] = true;
    return std::min(endpoints_of(policy).size(), kMaxEndpoints) == verdict.chain.count;
  };
  const auto [first, last] = std::equal_range(elements.begin(), elements.end(),
                                              SetKind::endpoints, KindLess());
  for (const Element& e : std::span(elements.begin(), first)) {
    if (e.set.kind == SetKind::record) return false;  // there is session affinity
    if ((e.set.kind == SetKind::frontends || e.set.kind == SetKind::local_policy) &&
        !same_verdict(e.verdict()))
      return false;
  }
  std::vector<Address> before, now;  // of this node's endpoints; the pairs are in order
  for (const Element& e : std::span(last, elements.end()))
    if (e.set.kind == SetKind::hairpin) before.push_back(e.address);
  for (Policy policy : kPolicies)
    if (in_use[static_cast<std::size_t>(policy)])
      for (const service::Endpoint& endpoint : endpoints_of(policy))
        if (endpoint.local) now.push_back(endpoint.address);
  std::sort(now.begin(), now.end());
  now.erase(std::unique(now.begin(), now.end()), now.end());
  return now == before;
}

std::span<Element> endpoint_elements(std::span<Element> elements) {
  const auto [first, last] = std::equal_range(elements.begin(), elements.end(),
                                              SetKind::endpoints, KindLess());
  return {first, last};
}

bool is_shared(SetKind kind) {
  return kind == SetKind::cluster_ips || kind == SetKind::hairpin;
}

}  // namespace kproxy::ruleset
