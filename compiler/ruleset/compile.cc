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
      : port_(port), owner_(owner), node_(node) {
    elements_.reserve(port.frontends.size() * 3);
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
    const std::vector<Policy> policies = policies_in_use(port_);
    for (Policy policy : policies) {
      for (const service::Endpoint& endpoint : endpoints_of(port_.endpoints, policy)) {
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

  std::size_t count(Policy policy) const {
    return std::min(endpoints_of(port_.endpoints, policy).size(), kMaxEndpoints);
  }

  Verdict endpoints_verdict(Policy policy) const {
    if (!port_.any()) return goto_(kReject);
    const std::size_t n = count(policy);
    if (n == 0) return drop();
    return goto_({.kind = ChainKind::random,
                  .scope = scope_,
                  .family = port_.family,
                  .policy = policy,
                  .count = static_cast<std::uint16_t>(n)});
  }

  void add_affinity(Policy policy) {
    if (!port_.affinity_seconds || count(policy) == 0) return;
    // A Local ClusterIP has one policy only, and it is asked for in the map all clients use.
    const bool outside_only =
        policy == Policy::local && frontend_->kind != FrontendKind::cluster_ip;
    add_verdict(outside_only ? SetKind::affinity_local : SetKind::affinity,
                jump({.kind = ChainKind::affinity,
                      .family = port_.family,
                      .policy = policy,
                      .owner = owner_}));
  }

  void add_cluster_ip() {
    const Policy policy = port_.internal_local ? Policy::local : Policy::cluster;
    add_verdict(SetKind::frontends, endpoints_verdict(policy));
    add_affinity(policy);
  }

  void add_external() {
    add_verdict(SetKind::frontends, endpoints_verdict(Policy::cluster));
    add_affinity(Policy::cluster);
    if (port_.external_local) {
      add_verdict(SetKind::external, jump(external_local(scope_, port_.family)));
      add_verdict(SetKind::local_policy, endpoints_verdict(Policy::local));
      add_affinity(Policy::local);
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
  const service::Frontend* frontend_ = nullptr;
  Scope scope_ = Scope::services;
  std::vector<Element> elements_;
};

}  // namespace

const std::vector<service::Endpoint>& endpoints_of(const service::Eligible& endpoints,
                                                   Policy policy) {
  return policy == Policy::cluster ? endpoints.cluster : endpoints.local;
}

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

Choice choice_of(const Element& chooser) {
  const ChainRef& chain = chooser.verdict().chain;
  if (chain.kind != ChainKind::random) return {};
  return {chain.policy, chain.count};
}

Element endpoint_element(const Element& chooser, std::size_t index,
                         const service::Endpoint& endpoint) {
  const std::size_t first = choice_of(chooser).policy == Policy::cluster ? 0 : kLocalSlots;
  Element e = chooser;
  e.set.kind = SetKind::endpoints;
  e.slot = Slot{static_cast<std::uint16_t>(first + index)};
  e.other = endpoint.address;
  e.other_port = endpoint.port;
  return e;
}

void append_endpoints(const Element& frontend, std::span<const Element> elements,
                      const service::Eligible& endpoints, std::vector<Element>& to) {
  const auto append = [&](const Element& chooser) {
    const auto [policy, count] = choice_of(chooser);
    const auto& list = endpoints_of(endpoints, policy);
    for (std::size_t i = 0; i < count; ++i) to.push_back(endpoint_element(chooser, i, list[i]));
  };
  append(frontend);
  Element local = frontend;
  local.set.kind = SetKind::local_policy;
  const auto found = std::lower_bound(elements.begin(), elements.end(), local, key_less);
  if (found != elements.end() && same_key(*found, local)) append(*found);
}

std::span<const Element> frontends_of(std::span<const Element> elements) {
  const auto end = std::find_if(elements.begin(), elements.end(),
                                [](const Element& e) { return e.set.kind != SetKind::frontends; });
  return {elements.begin(), end};
}

bool is_shared(SetKind kind) {
  return kind == SetKind::cluster_ips || kind == SetKind::hairpin;
}

}  // namespace kproxy::ruleset
