// Endpoint selection, one case a line: SEL-01 to SEL-09, EP-07, EP-09 to EP-13.
#include "compiler/service/topology.h"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <sstream>

namespace kproxy::service {
namespace {

// An endpoint is written as its state, then where it is and what it is hinted for:
//   R ready   P ready and terminating (published all the same)   T serving, terminating
//   X not ready   D terminating, not serving
//   * on this node   zA, zB hinted for a zone   nA, nB hinted for a node; z, n: without its name
// Endpoints are numbered from 1, and a result is the numbers of those that are eligible.
struct Case {
  const char* clauses;
  const char* node_zone;
  const char* endpoints;
  const char* cluster;
  const char* local;
};

constexpr Case kCases[] = {
    {"SEL-02", "A", "R R R", "123", ""},
    {"SEL-02 SEL-03", "A", "R R* R", "123", "2"},
    {"EP-11", "A", "R X D", "1", ""},
    {"EP-11", "A", "X* D*", "", ""},
    {"EP-09", "A", "P* R", "12", "1"},
    {"EP-10 SEL-13", "A", "T R", "2", ""},
    {"SEL-02", "A", "T T X", "12", ""},
    {"SEL-02 topology disregarded", "A", "TzB TzA", "12", ""},
    {"SEL-03", "A", "T* R", "2", "1"},
    {"SEL-04", "A", "T* T R", "3", "1"},
    {"SEL-03", "A", "T* R*", "2", "2"},
    {"SEL-03 no topology", "A", "R*zB RzA", "2", "1"},
    {"SEL-06b", "A", "RzA RzB RzA", "13", ""},
    {"SEL-06b several zones", "A", "RzAzB RzB", "1", ""},
    {"SEL-06c nobody for us", "A", "RzB RzB", "12", ""},
    {"SEL-07 one without hints", "A", "RzA R RzB", "123", ""},
    {"SEL-07 not ready ones do not matter", "A", "RzA X T D RzB", "1", ""},
    {"SEL-08 no zone", "", "RzA RzB", "12", ""},
    {"SEL-08 node hints need no zone", "", "RnA RnB", "1", ""},
    {"SEL-06a", "A", "RnA RnB", "1", ""},
    {"SEL-06a before b", "A", "RnBzA RnAzB", "2", ""},
    {"SEL-06a else b", "A", "RnBzA RnBzB", "1", ""},
    {"SEL-07 node hints incomplete", "A", "RnAzA RzA RzB", "12", ""},
    {"EP-13 empty", "A", "R", "1", ""},
    {"EP-13 empty names", "A", "RzA Rz", "1", ""},
    {"EP-13 empty names", "A", "Rz Rz", "12", ""},
    {"EP-13 empty names", "", "Rz RzA", "12", ""},
    {"EP-13 empty names", "A", "RnzB RnAzA", "2", ""},
    {"no endpoints", "A", "", "", ""},
};

struct Hinted {
  snapshot::Endpoint endpoint;
  snapshot::Endpoint::Hints hints;
  bool has_hints() const { return !hints.zones.empty() || !hints.nodes.empty(); }
  Candidate candidate(Port port) const { return {&endpoint, has_hints() ? &hints : nullptr, port}; }
};

std::string_view name_at(const std::string& text, std::size_t at) {
  if (text[at] == 'A') return "A";
  return text[at] == 'B' ? "B" : "";
}

Hinted parse(const std::string& text, unsigned number) {
  Hinted parsed;
  auto& [endpoint, hints] = parsed;
  endpoint.address = Address::ipv4(0x0a000000u + number);
  endpoint.ready = text[0] == 'R' || text[0] == 'P';
  endpoint.serving = endpoint.ready || text[0] == 'T';
  endpoint.terminating = text[0] == 'T' || text[0] == 'D' || text[0] == 'P';
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '*') endpoint.node = "A";
    if (text[i] == 'z') hints.zones.push_back(name_at(text, i + 1));
    if (text[i] == 'n') hints.nodes.push_back(name_at(text, i + 1));
  }
  return parsed;
}

std::string numbers(const std::vector<Endpoint>& endpoints) {
  std::string text;
  for (const Endpoint& endpoint : endpoints) text += std::to_string(endpoint.address.bytes()[15]);
  return text;
}

NodeView node_in(const std::string& zone) {
  NodeView node;
  node.name = "A";
  node.zone = zone;
  return node;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(topology)

BOOST_AUTO_TEST_CASE(selection) {
  for (const Case& c : kCases) {
    std::vector<Hinted> endpoints;
    std::istringstream words(c.endpoints);
    for (std::string word; words >> word;)
      endpoints.push_back(parse(word, static_cast<unsigned>(endpoints.size() + 1)));
    // The order in which slices give endpoints must not matter.
    for (bool reversed : {false, true}) {
      std::vector<Candidate> candidates;
      for (const Hinted& endpoint : endpoints) candidates.push_back(endpoint.candidate(Port{80}));
      if (reversed) std::reverse(candidates.begin(), candidates.end());
      const Eligible eligible = select_endpoints(candidates, node_in(c.node_zone));
      BOOST_TEST_CONTEXT(c.clauses << ": " << c.endpoints) {
        BOOST_TEST(numbers(eligible.cluster) == c.cluster);
        BOOST_TEST(numbers(eligible.local) == c.local);
      }
    }
  }
}

// EP-07: one address and port twice is one endpoint; a copy that does not terminate wins.
BOOST_AUTO_TEST_CASE(copies) {
  const Hinted leaving = parse("T*", 1), staying = parse("R*", 1);
  for (const auto& order : {std::vector<const Hinted*>{&leaving, &staying},
                            std::vector<const Hinted*>{&staying, &leaving}}) {
    std::vector<Candidate> candidates;
    for (const auto* endpoint : order) candidates.push_back(endpoint->candidate(Port{80}));
    candidates.push_back(staying.candidate(Port{81}));
    const Eligible eligible = select_endpoints(candidates, node_in("A"));
    BOOST_TEST(eligible.cluster.size() == 2u);
    BOOST_TEST(eligible.local.size() == 2u);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::service
