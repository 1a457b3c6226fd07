// A snapshot's whole ruleset in one call.
#pragma once

#include "compiler/options/options.h"
#include "compiler/ruleset/ruleset.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/types/error.h"

namespace kproxy::ruleset {

// The Service of that name as the node sees it: what Ruleset::update() is given, and asks for. The
// snapshot need not know it.
Ruleset::ServiceState state_of(const snapshot::Snapshot& snapshot, const service::NodeView& node,
                               const snapshot::ObjectName& service);

// An Error where the options do not tell which of the snapshot's Nodes this is.
Result<Ruleset> build(const options::Options& options, const snapshot::Snapshot& snapshot,
                      Errors& warnings);

}  // namespace kproxy::ruleset
