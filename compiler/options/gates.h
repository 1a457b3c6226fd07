// The feature gates that a Kubernetes release knows, and what setting them means here.
//
// Few have an effect on a Service proxy; the others are accepted, so that one configuration suits
// all components of a cluster. A gate that the release does not know is an error, as it has always
// been: a misspelt gate would otherwise be one that silently is not set.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "compiler/options/fields.h"
#include "compiler/types/error.h"

namespace kproxy::options {

struct Gate {
  std::string_view stage;  // "ALPHA", "BETA", "DEPRECATED", or "" when generally available
  bool on = false;
  bool operator==(const Gate&) const = default;
};

// By name: every gate with an effect. AllAlpha and AllBeta are taken into account.
using Gates = std::map<std::string, Gate, std::less<>>;

// `given` as in a configuration: NAME and whether it is on. Unknown names and locked gates that
// are switched off are added to `errors`.
Gates judge_gates(const std::map<std::string, bool>& given, const Where& where, Errors& errors);

}  // namespace kproxy::options
