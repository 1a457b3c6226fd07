#include "compiler/ruleset/element.h"

#include <array>
#include <charconv>
#include <cstring>

namespace kproxy::ruleset {
namespace {

// Where `other` is not data but a part of the key.
bool other_is_key(SetKind kind) {
  return kind == SetKind::rememberable || kind == SetKind::source_ranges ||
         kind == SetKind::hairpin;
}

}  // namespace

bool same_key(const Element& a, const Element& b) {
  return a.set == b.set && a.address == b.address && a.protocol == b.protocol && a.port == b.port &&
         a.slot == b.slot && a.prefix == b.prefix &&
         (!other_is_key(a.set.kind) || (a.other == b.other && a.other_port == b.other_port));
}

bool key_less(const Element& a, const Element& b) {
  if (a.set != b.set) return a.set < b.set;
  if (a.address != b.address) return a.address < b.address;
  if (a.protocol != b.protocol) return a.protocol < b.protocol;
  if (a.port != b.port) return a.port < b.port;
  if (a.slot != b.slot) return a.slot < b.slot;
  if (other_is_key(a.set.kind)) {
    if (a.other != b.other) return a.other < b.other;
    if (a.other_port != b.other_port) return a.other_port < b.other_port;
  }
  return a.prefix < b.prefix;
}

// Byte by byte, as Verdict has gaps between its members.
void Element::set_verdict(const Verdict& verdict) {
  std::array<std::uint8_t, 16> bytes{};
  const ChainRef& chain = verdict.chain;
  bytes[0] = static_cast<std::uint8_t>(verdict.code);
  bytes[1] = static_cast<std::uint8_t>(chain.kind);
  bytes[2] = static_cast<std::uint8_t>(chain.scope);
  bytes[3] = static_cast<std::uint8_t>(chain.family);
  bytes[4] = static_cast<std::uint8_t>(chain.policy);
  std::memcpy(&bytes[8], &chain.owner, sizeof chain.owner);
  std::memcpy(&bytes[12], &chain.count, sizeof chain.count);
  other = Address(bytes);
}

Verdict Element::verdict() const {
  Verdict verdict;
  if (!is_verdict_map(set.kind)) return verdict;
  const auto& bytes = other.bytes();
  ChainRef& chain = verdict.chain;
  verdict.code = static_cast<Verdict::Code>(bytes[0]);
  chain.kind = static_cast<ChainKind>(bytes[1]);
  chain.scope = static_cast<Scope>(bytes[2]);
  chain.family = static_cast<Family>(bytes[3]);
  chain.policy = static_cast<Policy>(bytes[4]);
  std::memcpy(&chain.owner, &bytes[8], sizeof chain.owner);
  std::memcpy(&chain.count, &bytes[12], sizeof chain.count);
  return verdict;
}

bool is_map(SetKind kind) {
  return is_verdict_map(kind) || kind == SetKind::endpoints || is_written_by_kernel(kind);
}

bool is_verdict_map(SetKind kind) {
  switch (kind) {
    case SetKind::frontends:
    case SetKind::external:
    case SetKind::local_policy:
    case SetKind::affinity:
    case SetKind::affinity_local:
    case SetKind::record:
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

std::string to_text(const Element& element, const OwnerNames& owners) {
  std::string text;
  append_text(element, owners, text);
  return text;
}

void append_text(const Element& e, const OwnerNames& owners, std::string& text) {
  const auto number = [&](std::uint16_t value) {
    char digits[8];
    text.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  };
  const auto frontend = [&] {
    if (e.set.scope == Scope::services) {
      e.address.append_to(text);
      text += " . ";
    }
    text += to_string(e.protocol);
    text += " . ";
    number(e.port.value);
  };
  const auto endpoint = [&] {
    e.other.append_to(text);
    text += " . ";
    number(e.other_port.value);
  };
  switch (e.set.kind) {
    case SetKind::frontends:
    case SetKind::external:
    case SetKind::local_policy:
    case SetKind::affinity:
    case SetKind::affinity_local:
    case SetKind::record:
      frontend();
      text += " : ";
      text += to_text(e.verdict(), owners);
      break;
    case SetKind::endpoints:
      frontend();
      text += " . ";
      number(e.slot.value);
      text += " : ";
      endpoint();
      break;
    case SetKind::cluster_ips:
      e.address.append_to(text);
      break;
    case SetKind::service_cidrs:
    case SetKind::pod_cidrs:
    case SetKind::node_port_addresses:
      text += Cidr(e.address, e.prefix).to_string();
      break;
    case SetKind::source_guarded:
      frontend();
      break;
    case SetKind::source_ranges:
      frontend();
      text += " . " + Cidr(e.other, e.prefix).to_string();
      break;
    case SetKind::hairpin:
      e.address.append_to(text);
      text += " . ";
      e.other.append_to(text);
      break;
    case SetKind::clients:
    case SetKind::client_ports:
      e.address.append_to(text);
      text += " : ";
      if (e.set.kind == SetKind::client_ports)
        number(e.other_port.value);
      else if (e.set.family == Family::ipv4)
        endpoint();
      else
        e.other.append_to(text);
      break;
    case SetKind::rememberable:
      endpoint();
      break;
  }
}

}  // namespace kproxy::ruleset
