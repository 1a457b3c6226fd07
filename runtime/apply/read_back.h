// What the kernel holds under our table: its chains with their rules, its sets and their elements.
//
// Everything is asked for by the table's name; only the list of chains comes for all tables of
// family inet (the kernel has no narrower one), and of others' chains nothing but the table's name
// is looked at.
//
// A list of elements costs the kernel more than linear time, since it walks a map from its
// beginning for each 32 KiB of it: a second for 150,000. Where it is known what should be there,
// and the kernel tells how many elements a map has (since 6.16 or so), those are asked for by their
// keys instead, at 1.3 us each: if all are there and there are no more, the map is as it should be.
//
// Any transaction in the network namespace, also a foreign one, makes the kernel say that a list
// was interrupted. And a map that grows is rehashed in the background: elements may be listed twice
// or left out. What is listed is therefore a hint until it is read the same twice, unless the
// numbers agree (KernelState::exact).
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/ruleset/element.h"
#include "compiler/ruleset/structure.h"
#include "compiler/types/error.h"
#include "runtime/apply/conversation.h"
#include "runtime/apply/decode_elements.h"
#include "runtime/apply/desired.h"
#include "runtime/apply/set_attributes.h"

namespace kproxy::apply {

struct KernelSet {
  std::string name;
  std::optional<ruleset::SetRef> ref;  // nothing: a name that is not of ours
  SetAttributes attributes;
  std::optional<std::uint32_t> count;  // of elements, where the kernel tells
  bool operator==(const KernelSet&) const = default;
};

struct KernelHook {
  std::uint32_t number = 0;  // NF_INET_..
  std::int32_t priority = 0;
  std::string type;
  std::uint32_t policy = 0;  // NF_ACCEPT, NF_DROP
  bool operator==(const KernelHook&) const = default;
};

struct KernelChain {
  std::string name;
  std::optional<ruleset::ChainRef> ref;  // nothing: a name that is not of ours
  std::optional<KernelHook> hook;
  std::vector<std::string> rules;  // canonical_text() of each
};

struct KernelState {
  bool present = false;         // there is such a table
  std::uint32_t flags = 0;      // of the table; a dormant one does nothing
  std::vector<KernelSet> sets;  // in the kernel's order
  std::vector<KernelChain> chains;
  // Of all sets but those the kernel writes itself (`clients`) and the confirmed ones; in the order
  // of key_less().
  std::vector<ruleset::Element> elements;
  std::vector<ForeignElement> foreign;
  // Sets that have what is desired and nothing else, but for what is lacking (as desired) and what
  // has other data (as in the kernel; the desired element is then lacking, too).
  std::set<ruleset::SetRef> confirmed;
  std::vector<ruleset::Element> lacking;
  std::vector<ruleset::Element> differing;
  bool exact = true;  // elements are certainly so
};

// Labels of owners that are not known yet are interned. With `desired`, sets are confirmed rather
// than listed where that can be done. With `before`, read a moment ago, elements that were certain
// then are taken from it, if the sets have as many still; there are then none left in it.
Result<KernelState> read_table(Conversation& conversation, ruleset::OwnerNames& owners,
                               const Desired* desired = nullptr, KernelState* before = nullptr);

// An entry of a `clients` map.
struct Client {
  ruleset::Element element;
  std::uint64_t remaining_ms = 0;
};

// Nothing if the map is not there.
Result<std::vector<Client>> read_clients(Conversation& conversation, const ruleset::SetRef& map,
                                         ruleset::OwnerNames& owners);

}  // namespace kproxy::apply
