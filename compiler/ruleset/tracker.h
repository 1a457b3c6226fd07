// Keeps a Ruleset in step with a Snapshot: the whole compiler as one object. Each update() resolves
// and compiles the Services that changed since the last one, and all of them only where the node's
// own zone, name or addresses did. Where nothing but slices of a Service changed, its endpoints
// alone are resolved, and where possible nothing is compiled. Not thread-safe.
#pragma once

#include <optional>

#include "compiler/options/options.h"
#include "compiler/ruleset/ruleset.h"
#include "compiler/snapshot/snapshot.h"

namespace kproxy::ruleset {

class Tracker {
 public:
  explicit Tracker(options::Options options) : options_(std::move(options)) {}

  // Makes the ruleset what the snapshot now means; `changes` are the snapshot's since the last
  // time. An Error (it is not clear which node to compile for) leaves the ruleset as it was.
  // Services that are compiled and have too many endpoints are among the warnings.
  Status update(const snapshot::Snapshot& snapshot, const snapshot::Changes& changes,
                Errors& warnings);
  Status update(snapshot::Snapshot& snapshot, Errors& warnings) {
    return update(snapshot, snapshot.take_changes(), warnings);
  }

  // Valid after the first successful update().
  Ruleset& ruleset() { return *ruleset_; }
  const Ruleset& ruleset() const { return *ruleset_; }

 private:
  options::Options options_;
  std::optional<Ruleset> ruleset_;
};

}  // namespace kproxy::ruleset
