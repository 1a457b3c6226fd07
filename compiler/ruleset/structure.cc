#include "compiler/ruleset/structure.h"

namespace kproxy::ruleset {
namespace {

std::string_view to_text(Field field) {
  switch (field) {
    case Field::ip_saddr:
      return "ip saddr";
    case Field::ip_daddr:
      return "ip daddr";
    case Field::ip6_saddr:
      return "ip6 saddr";
    case Field::ip6_daddr:
      return "ip6 daddr";
    case Field::l4proto:
      return "meta l4proto";
    case Field::th_dport:
      return "th dport";
    case Field::ct_original_ip_daddr:
      return "ct original ip daddr";
    case Field::ct_original_ip6_daddr:
      return "ct original ip6 daddr";
    case Field::ct_original_proto_dst:
      return "ct original proto-dst";
    case Field::random_slot:
      return "";  // see below
  }
  return "";
}

std::string to_text(const Key& key) {
  std::string text;
  for (Field field : key.fields) {
    if (!text.empty()) text += " . ";
    if (field != Field::random_slot) {
      text += to_text(field);
      continue;
    }
    text += "numgen random mod " + std::to_string(key.slots);
    if (key.first_slot != 0) text += " offset " + std::to_string(key.first_slot);
  }
  return text;
}

std::string_view ip(Family family) {
  return family == Family::ipv4 ? "ip" : "ip6";
}

std::string hexadecimal(std::uint32_t value) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += digits[value >> shift & 15];
  return text;
}

struct StatementText {
  const OwnerNames& owners;

  std::string set(const SetRef& ref) const { return "@" + name(ref, owners); }

  std::string operator()(const MatchFamily& s) const {
    return s.family == Family::ipv4 ? "meta nfproto ipv4" : "meta nfproto ipv6";
  }
  std::string operator()(const MatchProtocol& s) const {
    return "meta l4proto " + std::string(to_string(s.protocol));
  }
  std::string operator()(const MatchDnatted&) const { return "ct status dnat"; }
  std::string operator()(const MatchMark& s) const {
    return "meta mark & " + hexadecimal(s.bit) + " != 0";
  }
  std::string operator()(const MatchLocal& s) const {
    return std::string(s.source ? "fib saddr type " : "fib daddr type ") +
           (s.negated ? "!= local" : "local");
  }
  std::string operator()(const MatchNotLoopback& s) const {
    return s.family == Family::ipv4 ? "ip daddr != 127.0.0.0/8" : "ip6 daddr != ::1";
  }
  std::string operator()(const MatchInterface& s) const {
    return std::string("iifname ") + (s.negated ? "!= " : "") + "\"" + s.name +
           (s.prefix ? "*" : "") + "\"";
  }
  std::string operator()(const InSet& s) const {
    return to_text(s.key) + (s.negated ? " != " : " ") + set(s.set);
  }
  std::string operator()(const VerdictMap& s) const {
    return to_text(s.key) + " vmap " + set(s.map);
  }
  std::string operator()(const Dnat& s) const {
    std::string text =
        "dnat " + std::string(ip(s.family)) + " to " + to_text(s.key) + " map " + set(s.map);
    if (s.ports) text += " : " + to_text(s.key) + " map " + set(*s.ports);
    return text;
  }
  std::string operator()(const UpdateMap& s) const {
    return "update " + set(s.map) + " { " + to_text(s.key) + " timeout " +
           std::to_string(s.seconds) + "s : " + to_text(s.data) + " }";
  }
  std::string operator()(const SetMark& s) const {
    return "meta mark set meta mark | " + hexadecimal(s.bit);
  }
  std::string operator()(const ClearMark& s) const {
    return "meta mark set meta mark & " + hexadecimal(~s.bit);
  }
  std::string operator()(const Masquerade&) const { return "masquerade fully-random"; }
  std::string operator()(const RejectWithReset&) const { return "reject with tcp reset"; }
  std::string operator()(const RejectUnreachable&) const {
    return "reject with icmpx type port-unreachable";
  }
  std::string operator()(const Verdict& s) const { return ruleset::to_text(s, owners); }
};

}  // namespace

SetTraits traits(const SetRef& set) {
  using Type = SetTraits::Type;
  const Type address = set.family == Family::ipv4 ? Type::ipv4_addr : Type::ipv6_addr;
  std::vector<Type> frontend;
  if (set.scope == Scope::services) frontend.push_back(address);
  frontend.insert(frontend.end(), {Type::inet_proto, Type::inet_service});

  SetTraits result;
  switch (set.kind) {
    case SetKind::frontends:
    case SetKind::external:
    case SetKind::local_policy:
    case SetKind::affinity:
    case SetKind::affinity_local:
    case SetKind::record:
      result.key = frontend;
      result.verdicts = true;
      break;
    case SetKind::endpoints:
      result.key = frontend;
      result.key.push_back(Type::slot);
      result.data = {address, Type::inet_service};
      break;
    case SetKind::cluster_ips:
      result.key = {address};
      break;
    case SetKind::service_cidrs:
    case SetKind::pod_cidrs:
    case SetKind::node_port_addresses:
      result.key = {address};
      result.interval = true;
      break;
    case SetKind::source_guarded:
      result.key = frontend;
      break;
    case SetKind::source_ranges:
      result.key = frontend;
      result.key.push_back(address);
      result.interval = true;
      break;
    case SetKind::hairpin:
      result.key = {address, address};
      break;
    case SetKind::clients:
    case SetKind::client_ports:
      result.key = {address};
      if (set.kind == SetKind::clients) result.data.push_back(address);
      if (set.kind == SetKind::client_ports || set.family == Family::ipv4)
        result.data.push_back(Type::inet_service);
      result.dynamic = true;
      result.size = 262144;  // clients remembered at once; the kernel allocates as they come
      break;
    case SetKind::rememberable:
      result.key = {address, Type::inet_service};
      break;
  }
  return result;
}

std::string to_text(const Rule& rule, const OwnerNames& owners) {
  std::string text;
  for (const Statement& statement : rule) {
    if (!text.empty()) text += " ";
    text += std::visit(StatementText{owners}, statement);
  }
  return text;
}

}  // namespace kproxy::ruleset
