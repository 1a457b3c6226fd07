// Elements: all that the cluster says. One Element is one member of a set or one entry of a map.
//
// The struct is flat and has room for every kind's fields; which of them an element uses follows
// from its set's kind (see the table in the text). Fields that a kind does not use keep their
// defaults, so elements compare as values.
//
//   kind                                 key                                   data
//   frontends .. record                  [address] protocol port               verdict
//   endpoints                            [address] protocol port slot          other:other_port
//   cluster_ips                          address
//   service_cidrs, pod_cidrs,            address/prefix
//     node_port_addresses
//   source_guarded                       address protocol port
//   source_ranges                        address protocol port other/prefix
//   hairpin                              address other (both the same)
//   clients (the kernel alone writes)    address                               other[:other_port]
//   client_ports (likewise)              address                               other_port
//   rememberable                         other:other_port
//
// [address]: absent in scope node_ports. [:other_port]: absent for IPv6, see affinity_structure().
#pragma once

#include <compare>
#include <cstdint>
#include <string>

#include "compiler/ruleset/names.h"
#include "compiler/types/address.h"

namespace kproxy::ruleset {

// Position of an endpoint in its frontend's part of an endpoints map. Policy Cluster counts from 0,
// policy Local from kLocalSlots.
struct Slot {
  std::uint16_t value = 0;
  auto operator<=>(const Slot&) const = default;
};
inline constexpr std::uint16_t kLocalSlots = 32768;
inline constexpr std::size_t kMaxEndpoints = 32768;  // of one Service port under one policy

struct Verdict {
  enum class Code : std::uint8_t { none, drop, return_, jump, goto_ };
  Code code = Code::none;
  ChainRef chain{};  // of jump and goto_
  auto operator<=>(const Verdict&) const = default;
};

struct Element {
  SetRef set{};
  Address address{};
  Protocol protocol{};
  std::uint8_t prefix = 0;  // length in bits, of the kinds that have one
  Port port{};
  Slot slot{};
  Port other_port{};
  Address other{};  // of a verdict map: the verdict, so that hundreds of thousands stay small
  auto operator<=>(const Element&) const = default;

  // Of a verdict map; elements of others have none.
  Verdict verdict() const;
  void set_verdict(const Verdict& verdict);
};

// Whether the elements are of one set and one key (their data may differ).
bool same_key(const Element& a, const Element& b);
// Orders by set, then by key; data does not count. Canonical order within a set.
bool key_less(const Element& a, const Element& b);

bool is_map(SetKind kind);
bool is_verdict_map(SetKind kind);
// The kernel itself writes the elements, as packets pass: they are not compiled.
bool is_written_by_kernel(SetKind kind);
// Sets of prefixes, which the kernel keeps as an ordered tree of interval ends: they change rarely
// and are written whole.
bool is_prefix_set(SetKind kind);

// "drop", "goto services4-random-2", as nft writes a verdict.
std::string to_text(const Verdict& verdict, const OwnerNames& owners);
// "10.96.0.1 . tcp . 443 . 0 : 10.0.0.1 . 6443", as nft writes an element.
std::string to_text(const Element& element, const OwnerNames& owners);
// The same, added to a text: for elements by the hundred thousand.
void append_text(const Element& element, const OwnerNames& owners, std::string& text);

}  // namespace kproxy::ruleset
