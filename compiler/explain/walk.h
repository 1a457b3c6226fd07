// Walks the rules of a compiled ruleset for the first packet of a connection, as the kernel would:
// statement by statement, through jumps, gotos and returns. Random choices are followed in every
// direction at once. Explains nothing; says what matched and what came of it.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "compiler/ruleset/ruleset.h"

namespace kproxy::explain {

// The packet as rules see it.
struct Packet {
  Family family = Family::ipv4;
  Address source;
  Address destination;
  std::uint8_t protocol = 0;  // IP protocol number
  Port port;                  // destination port; 0 for protocols without
  std::string interface;      // it came in by; empty: sent by the host, or unknown
  bool marked = false;        // bears the masquerade bit
  bool dnatted = false;
  Address original_destination;  // before DNAT
  Port original_port;
};

// Compiled rules and elements, arranged for looking up. Holds views into the Ruleset.
class Rules {
 public:
  explicit Rules(const ruleset::Ruleset& ruleset);

  const ruleset::Chain* chain(const ruleset::ChainRef& ref) const;
  // The element of that set that the packet's key finds; null if none. Slot: of endpoints maps.
  const ruleset::Ruleset::Listed* find(const ruleset::SetRef& set, const ruleset::Key& key,
                                       const Packet& packet, ruleset::Slot slot = {}) const;
  const ruleset::Ruleset& ruleset() const { return ruleset_; }
  bool is_local(const Address& address) const;  // an address of this node, or loopback

 private:
  const ruleset::Ruleset& ruleset_;
  ruleset::Structure structure_;
  std::map<ruleset::ChainRef, const ruleset::Chain*> chains_;
  std::vector<ruleset::Ruleset::Listed> elements_;  // by key_less
};

// Where a packet went. Its elements are those of the Rules.
struct Walk {
  enum class End { accept, drop, reset, unreachable, dnat, masquerade };

  End end = End::accept;
  bool marked = false;                                // leaves with the masquerade bit
  bool sticky = false;                                // passed a map of remembered clients
  std::vector<const ruleset::Element*> endpoints;     // end == dnat: one for each slot
  std::vector<const ruleset::Ruleset::Listed*> hits;  // elements found, in order
  std::vector<std::string> steps;                     // rules that matched, in order, for people
};

// Runs the packet through base chains, one after the other until its fate is decided.
Walk walk(const Rules& rules, std::span<const ruleset::ChainKind> base_chains, Packet packet);

}  // namespace kproxy::explain
