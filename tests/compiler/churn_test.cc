// 285 recorded watch events, from a real API server: followed event by event, the ruleset is at
// every moment what a full compile gives, and at the end what the final LIST compiles to.
#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <sstream>

#include "compiler/snapshot/decode.h"
#include "tests/compiler/cluster.h"

namespace kproxy::ruleset {
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

struct Event {
  bool deleted;
  snapshot::Object object;
};

std::vector<Event> events(snapshot::StringPool& pool) {
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

}  // namespace

BOOST_AUTO_TEST_SUITE(churn)

BOOST_AUTO_TEST_CASE(replay) {
  snapshot::StringPool pool;
  options::Options options = tests::node_a();
  options.node = "worker-2";
  std::vector<snapshot::Object> common;
  for (auto& object : decode(pool, file_text("realistic-cluster.json")))
    if (std::holds_alternative<snapshot::Node>(object) ||
        std::holds_alternative<snapshot::ServiceCidr>(object))
      common.push_back(object);
  BOOST_REQUIRE(common.size() == 5);
  const auto cluster = [&](const char* name) {
    snapshot::Snapshot snapshot = tests::snapshot_of(common);
    for (auto& object : decode(pool, file_text(name))) snapshot.put(object);
    return snapshot;
  };
  const std::string end = tests::text_of(cluster("churn-end.json"), options);
  BOOST_TEST(end != tests::text_of(cluster("churn-begin.json"), options));

  // Services and slices come in two streams with no order between them.
  for (const std::string order : {"as recorded", "Services first", "slices first"}) {
    std::vector<Event> stream = events(pool);
    BOOST_REQUIRE(stream.size() == 285);
    const auto is_service = [](const Event& event) {
      return std::holds_alternative<snapshot::Service>(event.object);
    };
    if (order != "as recorded")
      std::stable_partition(stream.begin(), stream.end(), [&](const Event& event) {
        return is_service(event) == (order == "Services first");
      });

    snapshot::Snapshot snapshot = cluster("churn-begin.json");
    Tracker tracker(options);
    Errors warnings;
    BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
    for (const Event& event : stream) {
      if (event.deleted)
        snapshot.erase(snapshot::kind_of(event.object), snapshot::name_of(event.object));
      else
        snapshot.put(event.object);
      BOOST_REQUIRE(tracker.update(snapshot, warnings).ok());
      tracker.ruleset().take_change();
      tracker.ruleset().collect();
      tracker.ruleset().take_change();
      const bool same = tests::text_of(tracker.ruleset()) == tests::text_of(snapshot, options);
      BOOST_REQUIRE_MESSAGE(same,
                            order << ": after " << snapshot::name_of(event.object).to_string());
    }
    BOOST_TEST((tests::text_of(tracker.ruleset()) == end), order);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::ruleset
