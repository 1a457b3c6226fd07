// Small files that are read whole: configurations, reviewed rulesets.
#pragma once

#include <string>

#include "compiler/types/error.h"

namespace kproxy::config {

Result<std::string> read_text(const std::string& path);

}  // namespace kproxy::config
