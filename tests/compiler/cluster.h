// Small clusters for tests: objects made by hand or at random, and rulesets compiled from them.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "compiler/ruleset/tracker.h"
#include "compiler/snapshot/snapshot.h"

namespace kproxy::tests {

// A Snapshot of these objects.
snapshot::Snapshot snapshot_of(const std::vector<snapshot::Object>& objects);

// Options for node-a of node_objects(): pods in 10.244.0.0/16 and fd00:10:244::/56.
options::Options node_a();
// node-a in zone-a, node-b in zone-b, and the ServiceCIDR 10.96.0.0/12, fd00:10:96::/108.
std::vector<snapshot::Object> node_objects();

// A Service (and slices) with everything drawn at random: type, policies, families, affinity,
// ranges, external addresses from a small range so that Services collide, endpoints in all states.
std::vector<snapshot::Object> random_service(std::mt19937& random, unsigned number);

// The canonical text that the snapshot compiles to.
std::string text_of(const snapshot::Snapshot& snapshot, const options::Options& options);
std::string text_of(const ruleset::Ruleset& ruleset);

}  // namespace kproxy::tests
