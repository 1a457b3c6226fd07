#include "compiler/explain/walk.h"

#include <algorithm>

namespace kproxy::explain {
namespace {

using namespace ruleset;  // NOLINT: this file speaks of little else

// The element that a lookup with this key is looking for.
Element probe(const SetRef& set, const Key& key, const Packet& packet, Slot slot) {
  Element e{.set = set};
  bool first_address = set.kind != SetKind::rememberable;
  const auto put_address = [&](const Address& address) {
    (first_address ? e.address : e.other) = address;
    first_address = false;
  };
  const auto put_port = [&](Port port) {
    (set.kind == SetKind::rememberable ? e.other_port : e.port) = port;
  };
  for (Field field : key.fields) {
    switch (field) {
      case Field::ip_saddr:
      case Field::ip6_saddr:
        put_address(packet.source);
        break;
      case Field::ip_daddr:
      case Field::ip6_daddr:
        put_address(packet.destination);
        break;
      case Field::ct_original_ip_daddr:
      case Field::ct_original_ip6_daddr:
        put_address(packet.original_destination);
        break;
      case Field::l4proto:
        e.protocol = static_cast<Protocol>(packet.protocol);
        break;
      case Field::th_dport:
        put_port(packet.port);
        break;
      case Field::ct_original_proto_dst:
        put_port(packet.original_port);
        break;
      case Field::random_slot:
        e.slot = slot;
        break;
    }
  }
  return e;
}

bool fits(const Key& key, Family family) {
  return std::none_of(key.fields.begin(), key.fields.end(), [&](Field field) {
    const bool v4 = field == Field::ip_saddr || field == Field::ip_daddr;
    const bool v6 = field == Field::ip6_saddr || field == Field::ip6_daddr;
    return family == Family::ipv4 ? v6 : v4;
  });
}

// What a rule, or a chain, does with the packet.
enum class Next { next_rule, leave_chain, done };

class Walker {
 public:
  Walker(const Rules& rules, Packet packet) : rules_(rules), packet_(std::move(packet)) {}

  Walk run(std::span<const ChainKind> base_chains) {
    for (ChainKind base_chain : base_chains)
      if (run_chain(ChainRef{.kind = base_chain})) break;
    walk_.marked = packet_.marked;
    return std::move(walk_);
  }

 private:
  // True where the packet's fate is decided and nothing more is looked at.
  bool run_chain(const ChainRef& ref) {
    const Chain* chain = rules_.chain(ref);
    if (chain == nullptr) return false;
    const std::string outer = std::exchange(chain_name_, name(ref, owners()));
    for (const Rule& rule : chain->rules) {
      const Next next = run_rule(rule);
      if (next == Next::done) return true;
      if (next == Next::leave_chain) break;
    }
    chain_name_ = outer;
    return false;
  }

  Next run_rule(const Rule& rule) {
    rule_ = &rule;
    found_ = nullptr;
    for (const Statement& statement : rule) {
      if (const auto* verdict = std::get_if<Verdict>(&statement)) {
        tell();
        return run_verdict(*verdict);
      }
      if (const auto* map = std::get_if<VerdictMap>(&statement)) {
        if (!look_up(map->map, map->key)) return Next::next_rule;
        tell();
        return run_verdict(found_->element.verdict());
      }
      if (const auto* dnat = std::get_if<Dnat>(&statement)) return run_dnat(*dnat);
      if (!std::visit(*this, statement)) return Next::next_rule;
      if (ended_) {
        tell();
        return Next::done;
      }
    }
    tell();
    return Next::next_rule;
  }

  Next run_verdict(const Verdict& verdict) {
    switch (verdict.code) {
      case Verdict::Code::none:
        return Next::next_rule;
      case Verdict::Code::drop:
        walk_.end = Walk::End::drop;
        return Next::done;
      case Verdict::Code::return_:
        return Next::leave_chain;
      case Verdict::Code::jump:
        return run_chain(verdict.chain) ? Next::done : Next::next_rule;
      // Whoever comes back from a goto goes on where this chain was called.
      case Verdict::Code::goto_:
        return run_chain(verdict.chain) ? Next::done : Next::leave_chain;
    }
    return Next::next_rule;
  }

  Next run_dnat(const Dnat& dnat) {
    if (dnat.map.kind == SetKind::clients) {
      // Only the kernel knows who was here before: tell of it, and go on as a newcomer.
      walk_.sticky = true;
      tell("a client of the last while goes where it went; a new one goes on");
      return Next::next_rule;
    }
    for (std::uint32_t i = 0; i < dnat.key.slots; ++i) {
      const Slot slot{static_cast<std::uint16_t>(dnat.key.first_slot + i)};
      const auto* found = rules_.find(dnat.map, dnat.key, packet_, slot);
      if (found != nullptr) walk_.endpoints.push_back(&found->element);
    }
    if (walk_.endpoints.empty()) return Next::next_rule;
    tell(std::to_string(walk_.endpoints.size()) + " endpoints, each as likely");
    walk_.end = Walk::End::dnat;
    return Next::done;
  }

  bool look_up(const SetRef& set, const Key& key) {
    if (!fits(key, packet_.family)) return false;
    found_ = rules_.find(set, key, packet_);
    if (found_ != nullptr) walk_.hits.push_back(found_);
    return found_ != nullptr;
  }

  void tell(const std::string& remark = "") {
    std::string step = chain_name_ + ": " + to_text(*rule_, owners());
    if (found_ != nullptr) {
      step += "\n    finds " + to_text(found_->element, owners());
      if (found_->service != nullptr) {
        step += "  (" + found_->service->to_string();
        if (found_->port != nullptr && !found_->port->port_name.empty())
          step += ":" + found_->port->port_name;
        step += ")";
      }
    }
    if (!remark.empty()) step += "\n    " + remark;
    walk_.steps.push_back(std::move(step));
  }

  void end(Walk::End end) {
    walk_.end = end;
    ended_ = true;
  }

  const OwnerNames& owners() const { return rules_.ruleset().owners(); }

 public:
  // Statements: whether the packet passes on to the next one.
  bool operator()(const MatchFamily& s) { return packet_.family == s.family; }
  bool operator()(const MatchProtocol& s) {
    return packet_.protocol == static_cast<std::uint8_t>(s.protocol);
  }
  bool operator()(const MatchDnatted&) { return packet_.dnatted; }
  bool operator()(const MatchMark&) { return packet_.marked; }
  bool operator()(const MatchLocal& s) {
    return rules_.is_local(s.source ? packet_.source : packet_.destination) != s.negated;
  }
  bool operator()(const MatchNotLoopback& s) {
    return packet_.family == s.family && !packet_.destination.is_loopback();
  }
  bool operator()(const MatchInterface& s) {
    const bool same =
        s.prefix ? packet_.interface.starts_with(s.name) : packet_.interface == s.name;
    return same != s.negated;
  }
  bool operator()(const InSet& s) {
    return fits(s.key, packet_.family) && look_up(s.set, s.key) != s.negated;
  }
  bool operator()(const UpdateMap&) { return true; }
  bool operator()(const SetMark&) { return packet_.marked = true; }
  bool operator()(const ClearMark&) {
    packet_.marked = false;
    return true;
  }
  bool operator()(const Masquerade&) {
    end(Walk::End::masquerade);
    return true;
  }
  bool operator()(const RejectWithReset&) {
    end(Walk::End::reset);
    return true;
  }
  bool operator()(const RejectUnreachable&) {
    end(Walk::End::unreachable);
    return true;
  }
  bool operator()(const VerdictMap&) { return true; }  // these three: see run_rule
  bool operator()(const Dnat&) { return true; }
  bool operator()(const Verdict&) { return true; }

 private:
  const Rules& rules_;
  Packet packet_;
  Walk walk_;
  std::string chain_name_;
  const Rule* rule_ = nullptr;
  const Ruleset::Listed* found_ = nullptr;
  bool ended_ = false;
};

}  // namespace

Rules::Rules(const Ruleset& ruleset) : ruleset_(ruleset), structure_(ruleset.structure()) {
  for (const Chain& chain : structure_.chains) chains_[chain.ref] = &chain;
  elements_ = ruleset.listing();
  std::sort(elements_.begin(), elements_.end(),
            [](const auto& a, const auto& b) { return key_less(a.element, b.element); });
}

const Chain* Rules::chain(const ChainRef& ref) const {
  const auto found = chains_.find(ref);
  return found == chains_.end() ? nullptr : found->second;
}

const Ruleset::Listed* Rules::find(const SetRef& set, const Key& key, const Packet& packet,
                                   Slot slot) const {
  const Element wanted = probe(set, key, packet, slot);
  const auto same_set = [](const Ruleset::Listed& listed, const SetRef& ref) {
    return listed.element.set < ref;
  };
  auto found = elements_.end();
  if (is_prefix_set(set.kind) || set.kind == SetKind::source_ranges) {
    // Prefixes: few, and one of them must contain the address.
    found = std::lower_bound(elements_.begin(), elements_.end(), set, same_set);
    for (; found != elements_.end() && found->element.set == set; ++found) {
      const Element& e = found->element;
      if (is_prefix_set(set.kind)) {
        if (Cidr(e.address, e.prefix).contains(wanted.address)) return &*found;
      } else if (e.address == wanted.address && e.protocol == wanted.protocol &&
                 e.port == wanted.port && Cidr(e.other, e.prefix).contains(wanted.other)) {
        return &*found;
      }
    }
    return nullptr;
  }
  found = std::lower_bound(
      elements_.begin(), elements_.end(), wanted,
      [](const Ruleset::Listed& listed, const Element& e) { return key_less(listed.element, e); });
  if (found == elements_.end() || !same_key(found->element, wanted)) return nullptr;
  return &*found;
}

bool Rules::is_local(const Address& address) const {
  const auto& own = ruleset_.node().of(address.family()).addresses;
  return address.is_loopback() || std::find(own.begin(), own.end(), address) != own.end();
}

Walk walk(const Rules& rules, std::span<const ChainKind> base_chains, Packet packet) {
  return Walker(rules, std::move(packet)).run(base_chains);
}

}  // namespace kproxy::explain
