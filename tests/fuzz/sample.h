// A small cluster with something of everything, and what it compiles to.
#pragma once

#include "compiler/ruleset/tracker.h"
#include "runtime/apply/desired.h"

namespace kproxy::fuzz {

ruleset::Tracker sample();
apply::Desired desired(const ruleset::Ruleset& ruleset);

}  // namespace kproxy::fuzz
