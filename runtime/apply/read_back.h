// What the kernel holds under our table: its chains with their rules, its sets and their elements.
//
// Everything is asked for by the table's name; only the list of chains comes for all tables of
// family inet (the kernel has no narrower one), and of others' chains nothing but the table's name
// is looked at. The cost is the kernel's: some 1 us an element, and more than linear beyond a
// hundred thousand, since it walks a map from its beginning for each 32 KiB it lists. Memory: what
// Elements take.
//
// Any transaction in the network namespace, also a foreign one, makes the kernel say that a list
// was interrupted. And a map that grows is rehashed in the background: elements may be listed twice
// or left out. What is read is therefore a hint until it is read the same twice; see Engine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compiler/ruleset/element.h"
#include "compiler/ruleset/structure.h"
#include "compiler/types/error.h"
#include "runtime/apply/conversation.h"
#include "runtime/apply/decode_elements.h"
#include "runtime/apply/set_attributes.h"

namespace kproxy::apply {

struct KernelSet {
  std::string name;
  std::optional<ruleset::SetRef> ref;  // nothing: a name that is not of ours
  SetAttributes attributes;
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
  // Of all sets but those the kernel writes itself (`clients`); in the order of key_less().
  std::vector<ruleset::Element> elements;
  std::vector<ForeignElement> foreign;
};

// Labels of owners that are not known yet are interned.
Result<KernelState> read_table(Conversation& conversation, ruleset::OwnerNames& owners);

// An entry of a `clients` map.
struct Client {
  ruleset::Element element;
  std::uint64_t remaining_ms = 0;
};

// Nothing if the map is not there.
Result<std::vector<Client>> read_clients(Conversation& conversation, const ruleset::SetRef& map,
                                         ruleset::OwnerNames& owners);

}  // namespace kproxy::apply
