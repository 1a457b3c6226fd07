// Structure: the table's chains, rules, sets and maps, apart from elements. A typed description
// that render writes as nft text and apply writes as netlink messages; explain walks through it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "compiler/ruleset/element.h"
#include "compiler/ruleset/names.h"

namespace kproxy::ruleset {

// What the kernel loads into registers to look something up.
enum class Field : std::uint8_t {
  ip_saddr,  // network header; a packet of the other family does not match the rule
  ip_daddr,
  ip6_saddr,
  ip6_daddr,
  l4proto,
  th_dport,
  ct_original_ip_daddr,  // what the client sent to, before DNAT; the rule must know the family
  ct_original_ip6_daddr,
  ct_original_proto_dst,  // the rule must have matched the protocol
  random_slot,            // numgen random mod Key::slots offset Key::first_slot
};

struct Key {
  std::vector<Field> fields{};
  std::uint32_t slots = 0;
  std::uint32_t first_slot = 0;
  bool operator==(const Key&) const = default;
};

// Statements. Those called Match.. and InSet end the rule for a packet that does not match.
struct MatchFamily {
  Family family;
  bool operator==(const MatchFamily&) const = default;
};
struct MatchProtocol {
  Protocol protocol;
  bool operator==(const MatchProtocol&) const = default;
};
// ct status dnat
struct MatchDnatted {
  bool operator==(const MatchDnatted&) const = default;
};
// That bit is set.
struct MatchMark {
  std::uint32_t bit;
  bool operator==(const MatchMark&) const = default;
};
// fib saddr type local, fib daddr type local, or !=
struct MatchLocal {
  bool source;
  bool negated = false;
  bool operator==(const MatchLocal&) const = default;
};
// Destination outside the loopback prefix: 127.0.0.0/8 or ::1.
struct MatchNotLoopback {
  Family family;
  bool operator==(const MatchNotLoopback&) const = default;
};
// iifname "name", iifname "prefix*", or !=
struct MatchInterface {
  std::string name;
  bool prefix = false;
  bool negated = false;
  bool operator==(const MatchInterface&) const = default;
};
struct InSet {
  Key key{};
  SetRef set{};
  bool negated = false;
  bool operator==(const InSet&) const = default;
};
struct VerdictMap {
  Key key;
  SetRef map;
  bool operator==(const VerdictMap&) const = default;
};
// dnat ip to KEY map @MAP; a packet whose key is not in the map goes on with the next rule
struct Dnat {
  Family family;
  Key key;
  SetRef map;
  // dnat ip6 to KEY map @MAP : KEY map @PORTS, where `map` gives addresses alone
  std::optional<SetRef> ports{};
  bool operator==(const Dnat&) const = default;
};
// update @MAP { KEY timeout SECONDS : DATA }
struct UpdateMap {
  SetRef map;
  Key key;
  Key data;
  std::uint32_t seconds;
  bool operator==(const UpdateMap&) const = default;
};
struct SetMark {
  std::uint32_t bit;
  bool operator==(const SetMark&) const = default;
};
struct ClearMark {
  std::uint32_t bit;
  bool operator==(const ClearMark&) const = default;
};
// fully-random
struct Masquerade {
  bool operator==(const Masquerade&) const = default;
};
struct RejectWithReset {
  bool operator==(const RejectWithReset&) const = default;
};
struct RejectUnreachable {
  bool operator==(const RejectUnreachable&) const = default;
};

using Statement =
    std::variant<MatchFamily, MatchProtocol, MatchDnatted, MatchMark, MatchLocal, MatchNotLoopback,
                 MatchInterface, InSet, VerdictMap, Dnat, UpdateMap, SetMark, ClearMark, Masquerade,
                 RejectWithReset, RejectUnreachable, Verdict>;

using Rule = std::vector<Statement>;

struct Hook {
  enum class Point : std::uint8_t { prerouting, input, output, postrouting };
  Point point;
  int priority;  // all base chains are of type nat, policy accept
  bool operator==(const Hook&) const = default;
};

struct Chain {
  ChainRef ref;
  std::optional<Hook> hook{};  // base chains
  std::vector<Rule> rules{};
  bool operator==(const Chain&) const = default;
};

// What a set is made of follows from its kind and family alone.
struct SetTraits {
  enum class Type : std::uint8_t { ipv4_addr, ipv6_addr, inet_proto, inet_service, slot };
  std::vector<Type> key;
  std::vector<Type> data;  // maps to endpoints; empty for sets and verdict maps
  bool verdicts = false;   // a verdict map
  bool interval = false;   // flags interval
  bool dynamic = false;    // flags dynamic,timeout: written by the kernel as packets pass
  std::uint32_t size = 0;  // 0: unbounded
};
SetTraits traits(const SetRef& set);

// Canonical order: sets by kind, scope, family (owners by label last), then chains likewise.
struct Structure {
  std::vector<SetRef> sets;
  std::vector<Chain> chains;
};

// One rule, as nft text.
std::string to_text(const Rule& rule, const OwnerNames& owners);

}  // namespace kproxy::ruleset
