// 285 watch events recorded from a real API server, with the LISTs before and after them.
#pragma once

#include <string>
#include <vector>

#include "compiler/options/options.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/snapshot/string_pool.h"

namespace kproxy::tests {

struct Event {
  bool deleted = false;
  snapshot::Object object;
};

// In the order in which they were recorded. Fails the test if the recording cannot be read.
std::vector<Event> recorded_events(snapshot::StringPool& pool);
void apply(const Event& event, snapshot::Snapshot& snapshot);

// The cluster of a recorded LIST, "churn-begin.json" or "churn-end.json", with its Nodes.
snapshot::Snapshot recorded_cluster(snapshot::StringPool& pool, const std::string& list);
// Options of one of its nodes.
options::Options recorded_node();

}  // namespace kproxy::tests
