#include "tests/compiler/recorded_changes.h"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <sstream>

#include "compiler/snapshot/decode.h"
#include "tests/compiler/cluster.h"

namespace kproxy::tests {
namespace {

std::string file_text(const std::string& name) {
  std::ifstream file(std::string(SOURCE_DIR "/tests/data/") + name);
  BOOST_REQUIRE_MESSAGE(file, name);
  std::ostringstream text;
  text << file.rdbuf();
  return std::move(text).str();
}

std::vector<snapshot::Object> decode(snapshot::StringPool& pool, const std::string& text) {
  std::vector<snapshot::Object> objects;
  snapshot::Diagnostics diagnostics;
  std::size_t position = 0;
  const auto read = [&](char* buffer, std::size_t size) {
    const std::size_t n = std::min(size, text.size() - position);
    std::memcpy(buffer, text.data() + position, n);
    position += n;
    return n;
  };
  const Status status = snapshot::Decoder(pool).decode(
      "churn", read, [&](snapshot::Object object) { objects.push_back(std::move(object)); },
      diagnostics);
  BOOST_REQUIRE(status.ok());
  BOOST_REQUIRE(diagnostics.errors.empty());
  return objects;
}

}  // namespace

std::vector<Event> recorded_events(snapshot::StringPool& pool) {
  std::vector<Event> result;
  std::istringstream lines(file_text("churn.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const std::string key = "\"object\":";
    const std::size_t object = line.find(key);
    BOOST_REQUIRE(object != std::string::npos);
    std::string text = line.substr(object + key.size());
    // The event's own closing brace; what else follows the object stands before it in the line.
    text.erase(text.rfind('}'));
    const bool deleted = line.find("\"type\":\"DELETED\"") != std::string::npos ||
                         line.find("\"type\": \"DELETED\"") != std::string::npos;
    const auto objects = decode(pool, text);
    BOOST_REQUIRE(objects.size() == 1);
    result.push_back({deleted, objects.front()});
  }
  return result;
}

void apply(const Event& event, snapshot::Snapshot& snapshot) {
  if (event.deleted)
    snapshot.erase(snapshot::kind_of(event.object), snapshot::name_of(event.object));
  else
    snapshot.put(event.object);
}

snapshot::Snapshot recorded_cluster(snapshot::StringPool& pool, const std::string& list) {
  snapshot::Snapshot snapshot;
  for (auto& object : decode(pool, file_text("realistic-cluster.json")))
    if (std::holds_alternative<snapshot::Node>(object) ||
        std::holds_alternative<snapshot::ServiceCidr>(object))
      snapshot.put(std::move(object));
  BOOST_REQUIRE(snapshot.nodes().size() == 4);
  for (auto& object : decode(pool, file_text(list))) snapshot.put(std::move(object));
  return snapshot;
}

options::Options recorded_node() {
  options::Options options = node_a();
  options.node = "worker-2";
  return options;
}

}  // namespace kproxy::tests
