#include "compiler/explain/explain.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "compiler/explain/walk.h"

namespace kproxy::explain {
namespace {

using ruleset::ChainKind;
using ruleset::SetKind;
using ruleset::Verdict;
using service::LocalDetector;

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIcmpv6 = 58;

Error unreadable(std::string_view option, std::string_view text, std::string_view expected) {
  return Error{std::string(option), "\"" + std::string(text) + "\" cannot be read",
               "expected " + std::string(expected)};
}

bool is_pod(const LocalDetector& detector, const Query& query) {
  switch (detector.kind) {
    case LocalDetector::Kind::none:
      return false;
    case LocalDetector::Kind::cidr:
      return std::any_of(detector.cidrs.begin(), detector.cidrs.end(),
                         [&](const Cidr& cidr) { return cidr.contains(query.from); });
    case LocalDetector::Kind::interface:
      return query.interface == detector.interface;
    case LocalDetector::Kind::interface_prefix:
      return !query.interface.empty() && query.interface.starts_with(detector.interface);
  }
  return false;
}

Packet first_packet(const Query& query) {
  Packet packet;
  packet.family = query.to.family();
  packet.source = query.from;
  packet.destination = query.to;
  packet.interface = query.interface;
  if (query.protocol) {
    packet.protocol = static_cast<std::uint8_t>(*query.protocol);
    packet.port = query.port;
  } else {
    packet.protocol = packet.family == Family::ipv4 ? kIcmp : kIcmpv6;
  }
  return packet;
}

Packet after_dnat(Packet packet, const ruleset::Element& endpoint, bool marked) {
  packet.dnatted = true;
  packet.marked = marked;
  packet.original_destination = packet.destination;
  packet.original_port = packet.port;
  packet.destination = endpoint.other;
  packet.port = endpoint.other_port;
  return packet;
}

const ruleset::Ruleset::Listed* hit(const Walk& walk, SetKind kind) {
  const auto found = std::find_if(walk.hits.begin(), walk.hits.end(), [&](const auto* listed) {
    return listed->element.set.kind == kind;
  });
  return found == walk.hits.end() ? nullptr : *found;
}

bool goes_to(const ruleset::Ruleset::Listed* listed, ChainKind kind) {
  if (listed == nullptr) return false;
  const Verdict verdict = listed->element.verdict();
  return verdict.chain.kind == kind &&
         (verdict.code == Verdict::Code::jump || verdict.code == Verdict::Code::goto_);
}

// Which row of the contract the walk went by, as its hits show.
std::string contract_rule(const Walk& walk, const service::NodeView& node, Family family) {
  const auto* frontend = hit(walk, SetKind::frontends);
  const auto* external = hit(walk, SetKind::external);
  const auto* local = hit(walk, SetKind::local_policy);
  const bool no_detector = node.of(family).detector.kind == LocalDetector::Kind::none;
  if (frontend == nullptr && local == nullptr) {
    if (hit(walk, SetKind::source_guarded) != nullptr && walk.end == Walk::End::drop)
      return "LBR-01";
    if (walk.end == Walk::End::drop) return "CIP-02";
    if (walk.end == Walk::End::reset || walk.end == Walk::End::unreachable) return "CIP-01";
    return "";
  }
  const auto* decided = local != nullptr ? local : frontend;
  if (goes_to(decided, ChainKind::reject)) return "PKT-07";
  if (external == nullptr) {  // a ClusterIP
    const bool drops = decided->element.verdict().code == Verdict::Code::drop;
    if (drops) return "PKT-03";
    if (node.masquerade_all) return "PKT-10";
    if (no_detector) return "PKT-08";
    return decided->element.verdict().chain.policy == ruleset::Policy::local ? "PKT-02" : "PKT-01";
  }
  if (!goes_to(external, ChainKind::external_local)) return "PKT-04";
  // Whether this node has endpoints under policy Local shows in its elements.
  if (no_detector) return "PKT-09";
  if (local != nullptr) return walk.end == Walk::End::drop ? "PKT-06" : "PKT-05";
  return "";
}

// PKT-05 or PKT-06 for those who are not from outside: is there an endpoint under policy Local?
std::string short_circuit_rule(const Rules& rules, const Walk& walk) {
  const ruleset::Element& frontend = hit(walk, SetKind::external)->element;
  for (const auto& listed : rules.ruleset().listing()) {
    const ruleset::Element& e = listed.element;
    if (e.set.kind == SetKind::local_policy && e.set.scope == frontend.set.scope &&
        e.set.family == frontend.set.family && e.address == frontend.address &&
        e.protocol == frontend.protocol && e.port == frontend.port)
      return e.verdict().code == Verdict::Code::drop ? "PKT-06" : "PKT-05";
  }
  return "";
}

// What a row of the contract says, for those who do not know it by heart.
std::string_view in_words(std::string_view row) {
  struct Row {
    std::string_view id;
    std::string_view words;
  };
  constexpr Row kRows[] = {
      {"PKT-01", "ClusterIP, policy Cluster"},
      {"PKT-02", "ClusterIP, policy Local, with endpoints on this node"},
      {"PKT-03", "ClusterIP, policy Local, without endpoints on this node"},
      {"PKT-04", "external address or node port, policy Cluster"},
      {"PKT-05", "external address or node port, policy Local, with endpoints on this node"},
      {"PKT-06", "external address or node port, policy Local, without endpoints on this node"},
      {"PKT-07", "no endpoints anywhere"},
      {"PKT-08", "ClusterIP, where pods cannot be told from others"},
      {"PKT-09", "policy Local, where pods cannot be told from others"},
      {"PKT-10", "ClusterIP, everything masqueraded"},
      {"CIP-01", "a ClusterIP, but no port of its Service"},
      {"CIP-02", "in a ServiceCIDR, but nobody's ClusterIP"},
      {"LBR-01", "outside the Service's loadBalancerSourceRanges"},
  };
  for (const Row& known : kRows)
    if (known.id == row) return known.words;
  return "";
}

std::string service_port_name(const Walk& walk) {
  for (const auto* listed : walk.hits) {
    if (listed->service == nullptr) continue;
    std::string name = listed->service->to_string();
    if (listed->port != nullptr && !listed->port->port_name.empty())
      name += ":" + listed->port->port_name;
    if (listed->element.set.kind != SetKind::cluster_ips) return name;
  }
  return "";
}

void follow_choices(const Rules& rules, const Packet& packet, bool from_host, const Walk& walk,
                    Explanation& explanation) {
  const double share = 1.0 / static_cast<double>(walk.endpoints.size());
  bool told = false;
  for (const ruleset::Element* endpoint : walk.endpoints) {
    Explanation::Choice choice;
    choice.address = endpoint->other;
    choice.port = endpoint->other_port;
    choice.share = share;
    // What arrived from elsewhere and is delivered to this very node never meets postrouting.
    const bool delivered = !from_host && rules.is_local(endpoint->other);
    const ChainKind base_chain = delivered ? ChainKind::input : ChainKind::postrouting;
    const Walk leaving =
        explain::walk(rules, {&base_chain, 1}, after_dnat(packet, *endpoint, walk.marked));
    choice.masqueraded = leaving.end == Walk::End::masquerade;
    const bool hairpin = choice.masqueraded && hit(leaving, SetKind::hairpin) != nullptr;
    if (!told || hairpin) {
      for (const std::string& step : leaving.steps)
        explanation.steps.push_back(step + (hairpin ? "\n    for " +
                                                          to_string(choice.address, choice.port) +
                                                          ", which is the client itself"
                                                    : ""));
    }
    told = true;
    if (hairpin && explanation.rule.find("PKT-16") == std::string::npos)
      explanation.rule += "; PKT-16: who reaches himself is masqueraded";
    explanation.choices.push_back(choice);
  }
  std::sort(explanation.choices.begin(), explanation.choices.end(),
            [](const auto& a, const auto& b) {
              return std::tie(a.address, a.port) < std::tie(b.address, b.port);
            });
}

std::string_view outcome_name(Explanation::Outcome outcome) {
  switch (outcome) {
    case Explanation::Outcome::endpoints:
      return "endpoints";
    case Explanation::Outcome::reset:
      return "reset";
    case Explanation::Outcome::unreachable:
      return "unreachable";
    case Explanation::Outcome::drop:
      return "drop";
    case Explanation::Outcome::untouched:
      return "untouched";
  }
  return "";
}

std::string_view meaning(Explanation::Outcome outcome) {
  switch (outcome) {
    case Explanation::Outcome::endpoints:
      return "goes to an endpoint";
    case Explanation::Outcome::reset:
      return "is refused with a TCP reset";
    case Explanation::Outcome::unreachable:
      return "is refused with ICMP port unreachable";
    case Explanation::Outcome::drop:
      return "is dropped without an answer";
    case Explanation::Outcome::untouched:
      return "is none of kproxy's business and stays as it is";
  }
  return "";
}

}  // namespace

Result<Query> parse_query(std::string_view from, std::string_view to) {
  Query query;
  const std::size_t at = from.find('@');
  const auto source = Address::parse(from.substr(0, at));
  if (!source) return unreadable("--from", from, "IP or IP@INTERFACE");
  query.from = *source;
  if (at != std::string_view::npos) query.interface = from.substr(at + 1);

  constexpr std::string_view kExpected =
      "PROTOCOL:IP:PORT, such as tcp:10.96.0.10:53 or udp:[fd00::a]:53, or icmp:IP";
  const std::size_t colon = to.find(':');
  if (colon == std::string_view::npos) return unreadable("--to", to, kExpected);
  const std::string_view protocol = to.substr(0, colon);
  std::string_view place = to.substr(colon + 1);
  if (protocol != "icmp") {
    query.protocol = parse_protocol(protocol);
    const std::size_t last = place.rfind(':');
    if (!query.protocol || last == std::string_view::npos) return unreadable("--to", to, kExpected);
    const std::string_view digits = place.substr(last + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), query.port.value);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.empty())
      return unreadable("--to", to, kExpected);
    place = place.substr(0, last);
  }
  if (place.starts_with('[') && place.ends_with(']')) place = place.substr(1, place.size() - 2);
  const auto destination = Address::parse(place);
  if (!destination) return unreadable("--to", to, kExpected);
  query.to = *destination;
  if (query.to.family() != query.from.family())
    return Error{"--to", "\"" + std::string(to) + "\" is of another family than --from",
                 "no packet has addresses of both"};
  return query;
}

Explanation explain(const ruleset::Ruleset& ruleset, const Query& query) {
  const Rules rules(ruleset);
  const Family family = query.to.family();
  const bool from_host = query.interface.empty() && rules.is_local(query.from);

  Explanation explanation;
  explanation.origin = is_pod(ruleset.node().of(family).detector, query) ? "pod"
                       : rules.is_local(query.from)                      ? "host"
                                                                         : "outside";
  const Packet packet = first_packet(query);
  const std::array base_chains =
      from_host ? std::array{ChainKind::output, ChainKind::unserved_output}
                : std::array{ChainKind::prerouting, ChainKind::unserved_prerouting};
  const Walk arriving = walk(rules, base_chains, packet);
  explanation.steps = arriving.steps;
  explanation.service_port = service_port_name(arriving);
  explanation.sticky = arriving.sticky && arriving.end == Walk::End::dnat;
  explanation.rule = contract_rule(arriving, ruleset.node(), family);
  if (explanation.rule.empty() && hit(arriving, SetKind::external) != nullptr)
    explanation.rule = short_circuit_rule(rules, arriving);
  if (!explanation.rule.empty()) {
    const std::string_view words = in_words(explanation.rule);
    explanation.rule += " (" + explanation.origin + "): " + std::string(words);
  }

  switch (arriving.end) {
    case Walk::End::drop:
      explanation.outcome = Explanation::Outcome::drop;
      break;
    case Walk::End::reset:
      explanation.outcome = Explanation::Outcome::reset;
      break;
    case Walk::End::unreachable:
      explanation.outcome = Explanation::Outcome::unreachable;
      break;
    case Walk::End::dnat:
      explanation.outcome = Explanation::Outcome::endpoints;
      follow_choices(rules, packet, from_host, arriving, explanation);
      break;
    case Walk::End::accept:
    case Walk::End::masquerade:
      break;
  }
  return explanation;
}

std::string summary(const Explanation& explanation) {
  if (explanation.outcome != Explanation::Outcome::endpoints)
    return std::string(outcome_name(explanation.outcome));
  std::string text;
  const auto& choices = explanation.choices;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    text += to_string(choices[i].address, choices[i].port);
    const bool last = i + 1 == choices.size();
    if (last || choices[i + 1].masqueraded != choices[i].masqueraded)
      text += choices[i].masqueraded ? " masq" : " plain";
    if (!last) text += choices[i + 1].masqueraded != choices[i].masqueraded ? ", " : " ";
  }
  if (explanation.sticky) text += " sticky";
  return text;
}

std::string to_text(const Query& query, const Explanation& explanation) {
  std::string text = "A new connection from " + query.from.to_string();
  if (!query.interface.empty()) text += " (in by " + query.interface + ")";
  text += ", which counts as " + explanation.origin + ",\nto ";
  text += query.protocol
              ? std::string(to_string(*query.protocol)) + " " + to_string(query.to, query.port)
              : "an echo request to " + query.to.to_string();
  text += " " + std::string(meaning(explanation.outcome)) + ".\n";
  if (!explanation.service_port.empty()) text += "Service:  " + explanation.service_port + "\n";
  if (!explanation.rule.empty()) text += "Rule:     " + explanation.rule + "\n";
  if (!explanation.steps.empty()) text += "\nThe way it takes:\n";
  for (const std::string& step : explanation.steps) text += "  " + step + "\n";
  if (explanation.choices.empty()) return text;
  text += "\nEndpoints:\n";
  for (const auto& choice : explanation.choices) {
    char share[16];
    std::snprintf(share, sizeof share, "%5.1f %%", 100 * choice.share);
    std::string place = to_string(choice.address, choice.port);
    if (place.size() < 24) place.resize(24, ' ');
    text += "  " + place + " " + share + "  " +
            (choice.masqueraded ? "source masqueraded" : "source kept") + "\n";
  }
  if (explanation.sticky) text += "Session affinity: the client keeps the endpoint it was given.\n";
  return text;
}

}  // namespace kproxy::explain
