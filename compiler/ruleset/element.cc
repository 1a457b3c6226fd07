#include "compiler/ruleset/element.h"

#include <tuple>

namespace kproxy::ruleset {
namespace {

auto key_of(const Element& e) {
  // Only endpoints of `rememberable` sets, source ranges and hairpin pairs have `other` in the key.
  const bool other_is_key = e.set.kind == SetKind::rememberable ||
                            e.set.kind == SetKind::source_ranges || e.set.kind == SetKind::hairpin;
  return std::make_tuple(e.address, e.protocol, e.port, e.slot, other_is_key ? e.other : Address(),
                         other_is_key ? e.other_port : Port(), e.prefix);
}

}  // namespace

bool same_key(const Element& a, const Element& b) {
  return a.set == b.set && key_of(a) == key_of(b);
}

bool key_less(const Element& a, const Element& b) {
  if (a.set != b.set) return a.set < b.set;
  return key_of(a) < key_of(b);
}

bool is_map(SetKind kind) {
  switch (kind) {
    case SetKind::frontends:
    case SetKind::external:
    case SetKind::local_policy:
    case SetKind::affinity:
    case SetKind::affinity_local:
    case SetKind::record:
    case SetKind::endpoints:
    case SetKind::clients:
    case SetKind::client_ports:
      return true;
    default:
      return false;
  }
}

bool is_written_by_kernel(SetKind kind) {
  return kind == SetKind::clients || kind == SetKind::client_ports;
}

bool is_prefix_set(SetKind kind) {
  return kind == SetKind::service_cidrs || kind == SetKind::pod_cidrs ||
         kind == SetKind::node_port_addresses;
}

std::string to_text(const Verdict& verdict, const OwnerNames& owners) {
  switch (verdict.code) {
    case Verdict::Code::none:
      return "";
    case Verdict::Code::drop:
      return "drop";
    case Verdict::Code::return_:
      return "return";
    case Verdict::Code::jump:
      return "jump " + name(verdict.chain, owners);
    case Verdict::Code::goto_:
      return "goto " + name(verdict.chain, owners);
  }
  return "";
}

std::string to_text(const Element& e, const OwnerNames& owners) {
  const auto frontend = [&] {
    std::string text;
    if (e.set.scope == Scope::services) text = e.address.to_string() + " . ";
    text += to_string(e.protocol);
    text += " . ";
    text += std::to_string(e.port.value);
    return text;
  };
  const auto endpoint = [&] {
    return e.other.to_string() + " . " + std::to_string(e.other_port.value);
  };
  switch (e.set.kind) {
    case SetKind::frontends:
    case SetKind::external:
    case SetKind::local_policy:
    case SetKind::affinity:
    case SetKind::affinity_local:
    case SetKind::record:
      return frontend() + " : " + to_text(e.verdict, owners);
    case SetKind::endpoints:
      return frontend() + " . " + std::to_string(e.slot.value) + " : " + endpoint();
    case SetKind::cluster_ips:
      return e.address.to_string();
    case SetKind::service_cidrs:
    case SetKind::pod_cidrs:
    case SetKind::node_port_addresses:
      return Cidr(e.address, e.prefix).to_string();
    case SetKind::source_guarded:
      return frontend();
    case SetKind::source_ranges:
      return frontend() + " . " + Cidr(e.other, e.prefix).to_string();
    case SetKind::hairpin:
      return e.address.to_string() + " . " + e.other.to_string();
    case SetKind::clients:
      return e.address.to_string() + " : " +
             (e.set.family == Family::ipv4 ? endpoint() : e.other.to_string());
    case SetKind::client_ports:
      return e.address.to_string() + " : " + std::to_string(e.other_port.value);
    case SetKind::rememberable:
      return endpoint();
  }
  return {};
}

}  // namespace kproxy::ruleset
