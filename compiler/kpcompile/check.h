// Asks the kernel whether it would take a ruleset.
#pragma once

#include <string>

#include "compiler/types/error.h"

namespace kproxy::kpcompile {

// Runs the text through libnftables without applying it, in a child process and a network namespace
// of its own: the host's tables are neither read nor in the way.
Status check_with_kernel(const std::string& text);

}  // namespace kproxy::kpcompile
