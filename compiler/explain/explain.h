// A packet's way through a compiled ruleset: the rules themselves are walked, statement by
// statement, as the kernel would for the first packet of a connection, and each step is told.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/ruleset/ruleset.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/types/error.h"

namespace kproxy::explain {

struct Query {
  Address from;
  std::string interface;  // the packet comes in by it; empty: unknown, or sent by the host
  std::optional<Protocol> protocol;  // nothing: an ICMP echo request, which has no port
  Address to;
  Port port;
};

// "10.244.1.5", "10.244.1.5@cali12"; "tcp:10.96.0.10:53", "udp:[fd00::a]:53", "icmp:10.96.0.10".
Result<Query> parse_query(std::string_view from, std::string_view to);

struct Explanation {
  enum class Outcome { endpoints, reset, unreachable, drop, untouched };
  struct Choice {
    Address address;
    Port port;
    double share = 0;  // of new connections
    bool masqueraded = false;
  };

  std::string origin;              // "pod", "host" or "outside"
  std::vector<std::string> steps;  // for people: hook, rule, element, verdict
  Outcome outcome = Outcome::untouched;
  std::vector<Choice> choices;  // in order of address and port
  bool sticky = false;          // the client keeps its endpoint (session affinity)
  std::string service_port;     // "shop/web:http"; empty: none
  std::string rule;  // the row of the contract: "PKT-07 (pod): no endpoints anywhere"; empty: none
};

Explanation explain(const ruleset::Ruleset& ruleset, const Query& query);

// One line, as in flows.txt: "10.244.1.4:53 10.244.2.9:53 masq", "reset", "drop", ...
std::string summary(const Explanation& explanation);
// All of it, laid out for reading.
std::string to_text(const Query& query, const Explanation& explanation);

}  // namespace kproxy::explain
