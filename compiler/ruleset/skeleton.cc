#include "compiler/ruleset/skeleton.h"

#include "compiler/ruleset/references.h"

namespace kproxy::ruleset {
namespace {

using service::FrontendKind;
using service::LocalDetector;
using service::ServicePort;

constexpr int kDnatPriority = -100;
// Other proxies' and the host's own DNAT comes first: whom they redirect never gets here.
constexpr int kUnservedPriority = -90;
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

// Leads to `chain` what goes to an address at which this node has its node ports.
Rule to_node_port_address(const service::NodeView& node, Family family, ChainRef chain) {
  const MatchLocal to_us{.source = false};
  if (node.of(family).node_ports_everywhere) return {MatchNotLoopback{family}, to_us, goto_(chain)};
  const InSet to{key({destination(family)}), of_family(SetKind::node_port_addresses, family)};
  return {MatchNotLoopback{family}, to, to_us, goto_(chain)};
}

Chain lookup_chain(Scope scope, Family family, const service::NodeView& node) {
  Chain chain{.ref = lookup(scope, family)};
  const Key frontend = frontend_key(scope, family);
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

  chain.rules.push_back(to_node_port_address(node, family, lookup(Scope::node_ports, family)));
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

// An endpoint may have the very address and port of its frontend: DNAT changes nothing then, and
// the kernel does not call such a connection translated. Who asked for the frontend is recorded all
// the same. A node port is told by its number alone, which others may use on addresses of their
// own: what is not translated must still go to an address with node ports.
Chain record_chain(Scope scope, Family family, const service::NodeView& node) {
  Chain chain{.ref = record(scope, family)};
  for (Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp})
    chain.rules.push_back(
        {MatchProtocol{protocol},
         VerdictMap{original_frontend_key(scope, family), scoped(SetKind::record, scope, family)}});
  if (scope == Scope::services) {
    const ChainRef node_ports = record(Scope::node_ports, family);
    chain.rules.push_back({MatchDnatted{}, goto_(node_ports)});
    chain.rules.push_back(to_node_port_address(node, family, node_ports));
  }
  return chain;
}

// Nobody took what went to a ClusterIP, or to an address that none has. What is delivered to this
// node is its own affair, where it comes from elsewhere: the address may be the node's, too.
void add_unserved(bool from_elsewhere, Chain& chain) {
  for (Family family : kFamilies) {
    const auto add = [&](SetKind kind, const Verdict& verdict) {
      const InSet to{key({destination(family)}), of_family(kind, family)};
      const MatchLocal not_here{.source = false, .negated = true};
      chain.rules.push_back(from_elsewhere ? Rule{to, not_here, verdict} : Rule{to, verdict});
    };
    add(SetKind::cluster_ips, goto_(kReject));
    add(SetKind::service_cidrs, drop());
  }
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
    const Rule to_record{MatchFamily{family}, jump(record(Scope::services, family))};
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
  Chain unserved_prerouting =
      base_chain(ChainKind::unserved_prerouting, Hook::Point::prerouting, kUnservedPriority);
  Chain unserved_output =
      base_chain(ChainKind::unserved_output, Hook::Point::output, kUnservedPriority);
  add_unserved(true, unserved_prerouting);
  add_unserved(false, unserved_output);
  for (Chain* chain :
       {&prerouting, &input, &output, &postrouting, &unserved_prerouting, &unserved_output})
    chains.push_back(std::move(*chain));
}

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
  for (Scope scope : kScopes)
    for (Family family : kFamilies) chains.push_back(record_chain(scope, family, node));
  return structure;
}

Chain random_chain(Scope scope, Family family, Policy policy, std::uint16_t n) {
  Key slot_key = frontend_key(scope, family);
  slot_key.fields.push_back(Field::random_slot);
  slot_key.slots = n;
  slot_key.first_slot = policy == Policy::cluster ? 0 : kLocalSlots;
  const SetRef endpoints = scoped(SetKind::endpoints, scope, family);
  Chain chain{.ref = {.kind = ChainKind::random,
                      .scope = scope,
                      .family = family,
                      .policy = policy,
                      .count = n},
              .rules = {{Dnat{family, slot_key, endpoints}}}};
  // The kernel looks up the verdict that led here and then the slot, and between the two a
  // transaction may be committed after which the Service has fewer slots. Who then finds nothing in
  // his takes the first one, which is there as long as any; if none is, he is refused.
  slot_key.slots = 1;
  if (n > 1) chain.rules.push_back({Dnat{family, slot_key, endpoints}});
  chain.rules.push_back({goto_(kReject)});
  return chain;
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
    const InSet is_rememberable{endpoint_key(family),
                                owned(SetKind::rememberable, family, policy, owner)};
    const std::uint32_t seconds = *port.affinity_seconds;
    if (apart)
      remember.rules.push_back({is_rememberable,
                                UpdateMap{clients, client, key({destination(family)}), seconds},
                                UpdateMap{ports, client, key({Field::th_dport}), seconds}});
    else
      remember.rules.push_back(
          {is_rememberable, UpdateMap{clients, client, endpoint_key(family), seconds}});
  }
  if (!policies.empty()) structure.chains.push_back(std::move(remember));
  return structure;
}

}  // namespace kproxy::ruleset
