#include "compiler/ruleset/compile.h"

#include <algorithm>

namespace kproxy::ruleset {
namespace {

using service::FrontendKind;
using service::LocalDetector;
using service::ServicePort;

constexpr int kDnatPriority = -100;
constexpr int kSnatPriority = 100;

Field source(Family family) {
  return family == Family::ipv4 ? Field::ip_saddr : Field::ip6_saddr;
}
Field destination(Family family) {
  return family == Family::ipv4 ? Field::ip_daddr : Field::ip6_daddr;
}

Key key(std::vector<Field> fields) {
  return Key{.fields = std::move(fields)};
}

// The frontend a packet was sent to, before DNAT.
Key frontend_key(Scope scope, Family family) {
  if (scope == Scope::node_ports) return key({Field::l4proto, Field::th_dport});
  return key({destination(family), Field::l4proto, Field::th_dport});
}

// The same after DNAT, from the connection's original direction.
Key original_frontend_key(Scope scope, Family family) {
  if (scope == Scope::node_ports) return key({Field::l4proto, Field::ct_original_proto_dst});
  return key({family == Family::ipv4 ? Field::ct_original_ip_daddr : Field::ct_original_ip6_daddr,
              Field::l4proto, Field::ct_original_proto_dst});
}

Key endpoint_key(Family family) {
  return key({destination(family), Field::th_dport});
}

SetRef scoped(SetKind kind, Scope scope, Family family) {
  return SetRef{.kind = kind, .scope = scope, .family = family};
}
SetRef of_family(SetKind kind, Family family) {
  return SetRef{.kind = kind, .family = family};
}
SetRef owned(SetKind kind, Family family, Policy policy, Owner owner) {
  return SetRef{.kind = kind, .family = family, .policy = policy, .owner = owner};
}

Verdict drop() {
  return Verdict{.code = Verdict::Code::drop};
}
Verdict return_() {
  return Verdict{.code = Verdict::Code::return_};
}
Verdict jump(ChainRef chain) {
  return Verdict{.code = Verdict::Code::jump, .chain = chain};
}
Verdict goto_(ChainRef chain) {
  return Verdict{.code = Verdict::Code::goto_, .chain = chain};
}

constexpr ChainRef kMarkForMasquerade{.kind = ChainKind::mark_for_masquerade};
constexpr ChainRef kMasquerade{.kind = ChainKind::masquerade};
constexpr ChainRef kReject{.kind = ChainKind::reject};

ChainRef lookup(Scope scope, Family family) {
  return ChainRef{.kind = ChainKind::lookup, .scope = scope, .family = family};
}
ChainRef external_local(Scope scope, Family family) {
  return ChainRef{.kind = ChainKind::external_local, .scope = scope, .family = family};
}
ChainRef record(Family family) {
  return ChainRef{.kind = ChainKind::record, .family = family};
}

// The statement that matches packets from pods (or, negated, all others).
Statement from_pod(const LocalDetector& detector, Family family, bool negated) {
  if (detector.kind == LocalDetector::Kind::cidr)
    return InSet{key({source(family)}), of_family(SetKind::pod_cidrs, family), negated};
  return MatchInterface{.name = detector.interface,
                        .prefix = detector.kind == LocalDetector::Kind::interface_prefix,
                        .negated = negated};
}

// ClusterIP traffic is masqueraded unless it comes from a pod, whose address the network knows.
void add_cluster_ip_masquerade(const service::NodeView& node, Family family, Chain& chain) {
  const InSet to_cluster_ip{key({destination(family)}), of_family(SetKind::cluster_ips, family)};
  const LocalDetector& detector = node.of(family).detector;
  if (node.masquerade_all)
    chain.rules.push_back({to_cluster_ip, jump(kMarkForMasquerade)});
  else if (detector.kind != LocalDetector::Kind::none)
    chain.rules.push_back(
        {to_cluster_ip, from_pod(detector, family, true), jump(kMarkForMasquerade)});
}

Chain lookup_chain(Scope scope, Family family, const service::NodeView& node) {
  Chain chain{.ref = lookup(scope, family)};
  const Key frontend = frontend_key(scope, family);
  const Key to = key({destination(family)});
  if (scope == Scope::services) {
    Key frontend_and_source = frontend;
    frontend_and_source.fields.push_back(source(family));
    chain.rules.push_back(
        {InSet{frontend, of_family(SetKind::source_guarded, family)},
         InSet{frontend_and_source, of_family(SetKind::source_ranges, family), true}, drop()});
  }
  chain.rules.push_back({VerdictMap{frontend, scoped(SetKind::external, scope, family)}});
  if (scope == Scope::services) add_cluster_ip_masquerade(node, family, chain);
  chain.rules.push_back({VerdictMap{frontend, scoped(SetKind::affinity, scope, family)}});
  chain.rules.push_back({VerdictMap{frontend, scoped(SetKind::frontends, scope, family)}});
  if (scope == Scope::node_ports) return chain;

  chain.rules.push_back({InSet{to, of_family(SetKind::cluster_ips, family)}, goto_(kReject)});
  chain.rules.push_back({InSet{to, of_family(SetKind::service_cidrs, family)}, drop()});
  Rule to_node_ports{MatchNotLoopback{family}};
  if (!node.of(family).node_ports_everywhere)
    to_node_ports.push_back(InSet{to, of_family(SetKind::node_port_addresses, family)});
  to_node_ports.push_back(MatchLocal{.source = false});
  to_node_ports.push_back(goto_(lookup(Scope::node_ports, family)));
  chain.rules.push_back(std::move(to_node_ports));
  return chain;
}

// Entered by jump: who returns goes on to the endpoints of policy Cluster.
Chain external_local_chain(Scope scope, Family family, const service::NodeView& node) {
  Chain chain{.ref = external_local(scope, family)};
  const LocalDetector& detector = node.of(family).detector;
  const Key frontend = frontend_key(scope, family);
  if (detector.kind != LocalDetector::Kind::none)
    chain.rules.push_back({from_pod(detector, family, false), return_()});
  chain.rules.push_back({MatchLocal{.source = true}, goto_(kMarkForMasquerade)});
  chain.rules.push_back({VerdictMap{frontend, scoped(SetKind::affinity_local, scope, family)}});
  chain.rules.push_back({VerdictMap{frontend, scoped(SetKind::local_policy, scope, family)}});
  return chain;
}

Chain record_chain(Family family) {
  Chain chain{.ref = record(family)};
  for (Scope scope : kScopes)
    for (Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
      chain.rules.push_back(
          {MatchProtocol{protocol}, VerdictMap{original_frontend_key(scope, family),
                                               scoped(SetKind::record, scope, family)}});
  return chain;
}

Chain base_chain(ChainKind kind, Hook::Point point, int priority) {
  return Chain{.ref = {.kind = kind}, .hook = Hook{point, priority}, .rules = {}};
}

void add_base_chains(const service::NodeView& node, std::vector<Chain>& chains) {
  const std::uint32_t bit = 1u << node.masquerade_bit;
  Chain prerouting = base_chain(ChainKind::prerouting, Hook::Point::prerouting, kDnatPriority);
  Chain input = base_chain(ChainKind::input, Hook::Point::input, kSnatPriority);
  Chain output = base_chain(ChainKind::output, Hook::Point::output, kDnatPriority);
  Chain postrouting = base_chain(ChainKind::postrouting, Hook::Point::postrouting, kSnatPriority);
  for (Family family : kFamilies) {
    const Rule to_lookup{MatchFamily{family}, goto_(lookup(Scope::services, family))};
    prerouting.rules.push_back(to_lookup);
    output.rules.push_back(to_lookup);
    const Rule to_record{MatchDnatted{}, MatchFamily{family}, jump(record(family))};
    input.rules.push_back(to_record);
    postrouting.rules.push_back(to_record);
  }
  // What is delivered here never meets postrouting: its mark ends here.
  input.rules.push_back({MatchMark{bit}, ClearMark{bit}});
  postrouting.rules.push_back({MatchMark{bit}, goto_(kMasquerade)});
  for (Family family : kFamilies)
    postrouting.rules.push_back(
        {MatchDnatted{},
         InSet{key({source(family), destination(family)}), of_family(SetKind::hairpin, family)},
         Masquerade{}});
  for (Chain* chain : {&prerouting, &input, &output, &postrouting})
    chains.push_back(std::move(*chain));
}

std::vector<Policy> policies_in_use(const ServicePort& port) {
  bool cluster = false, local = false;
  for (const service::Frontend& frontend : port.frontends) {
    const bool internal = frontend.kind == FrontendKind::cluster_ip;
    // Pods and the host go to all endpoints even where clients from outside may not.
    cluster = cluster || !internal || !port.internal_local;
    local = local || (internal ? port.internal_local : port.external_local);
  }
  std::vector<Policy> policies;
  if (cluster) policies.push_back(Policy::cluster);
  if (local) policies.push_back(Policy::local);
  return policies;
}

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

}  // namespace

Structure skeleton(const service::NodeView& node) {
  Structure structure;
  for (SetKind kind :
       {SetKind::frontends, SetKind::external, SetKind::local_policy, SetKind::affinity,
        SetKind::affinity_local, SetKind::record, SetKind::endpoints})
    for (Scope scope : kScopes)
      for (Family family : kFamilies) structure.sets.push_back(scoped(kind, scope, family));
  for (SetKind kind : {SetKind::cluster_ips, SetKind::service_cidrs, SetKind::pod_cidrs,
                       SetKind::node_port_addresses, SetKind::source_guarded,
                       SetKind::source_ranges, SetKind::hairpin})
    for (Family family : kFamilies) structure.sets.push_back(of_family(kind, family));

  auto& chains = structure.chains;
  add_base_chains(node, chains);
  for (Scope scope : kScopes)
    for (Family family : kFamilies) chains.push_back(lookup_chain(scope, family, node));
  for (Scope scope : kScopes)
    for (Family family : kFamilies) chains.push_back(external_local_chain(scope, family, node));
  const std::uint32_t bit = 1u << node.masquerade_bit;
  chains.push_back({.ref = kMarkForMasquerade, .rules = {{SetMark{bit}}}});
  chains.push_back({.ref = kMasquerade, .rules = {{ClearMark{bit}}, {Masquerade{}}}});
  chains.push_back(
      {.ref = kReject,
       .rules = {{MatchProtocol{Protocol::tcp}, RejectWithReset{}}, {RejectUnreachable{}}}});
  for (Family family : kFamilies) chains.push_back(record_chain(family));
  return structure;
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

Chain random_chain(Scope scope, Family family, Policy policy, std::uint16_t n) {
  Key slot_key = frontend_key(scope, family);
  slot_key.fields.push_back(Field::random_slot);
  slot_key.slots = n;
  slot_key.first_slot = policy == Policy::cluster ? 0 : kLocalSlots;
  return Chain{.ref = {.kind = ChainKind::random,
                       .scope = scope,
                       .family = family,
                       .policy = policy,
                       .count = n},
               .rules = {{Dnat{family, slot_key, scoped(SetKind::endpoints, scope, family)}}}};
}

Structure affinity_structure(const ServicePort& port, Owner owner) {
  Structure structure;
  if (!port.affinity_seconds) return structure;
  const Family family = port.family;
  const std::vector<Policy> policies = policies_in_use(port);
  // nft 1.0.6 cannot write an update whose data takes more than 16 bytes (it dies on the text): an
  // IPv6 address and a port go into two maps.
  const bool apart = family == Family::ipv6;
  std::vector<SetKind> kinds{SetKind::clients, SetKind::rememberable};
  if (apart) kinds.insert(kinds.begin() + 1, SetKind::client_ports);
  for (SetKind kind : kinds)
    for (Policy policy : policies) structure.sets.push_back(owned(kind, family, policy, owner));

  const Key client = key({source(family)});
  Chain remember{.ref = {.kind = ChainKind::record_owner, .family = family, .owner = owner}};
  for (Policy policy : policies) {
    const SetRef clients = owned(SetKind::clients, family, policy, owner);
    const SetRef ports = owned(SetKind::client_ports, family, policy, owner);
    Dnat to_known{family, client, clients};
    if (apart) to_known.ports = ports;
    // The protocol is known by the verdict that led here; nft wants to see it before a port is set.
    structure.chains.push_back(
        {.ref = {.kind = ChainKind::affinity, .family = family, .policy = policy, .owner = owner},
         .rules = {{MatchProtocol{port.protocol}, to_known}}});
    Rule update{InSet{endpoint_key(family), owned(SetKind::rememberable, family, policy, owner)}};
    const std::uint32_t seconds = *port.affinity_seconds;
    if (apart) {
      update.push_back(UpdateMap{clients, client, key({destination(family)}), seconds});
      update.push_back(UpdateMap{ports, client, key({Field::th_dport}), seconds});
    } else {
      update.push_back(UpdateMap{clients, client, endpoint_key(family), seconds});
    }
    remember.rules.push_back(std::move(update));
  }
  if (!policies.empty()) structure.chains.push_back(std::move(remember));
  return structure;
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

bool is_shared(SetKind kind) {
  return kind == SetKind::cluster_ips || kind == SetKind::hairpin;
}

}  // namespace kproxy::ruleset
