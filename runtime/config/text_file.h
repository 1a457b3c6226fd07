// Small files that are read whole: configurations, reviewed rulesets.
#pragma once

#include <string>

#include "compiler/types/error.h"

namespace kproxy::config {

Result<std::string> read_text(const std::string& path);

// In place, so that what is not a plain file can be written as well; what /dev/stdout and its like
// stand for goes on where it is.
Status write_text(const std::string& path, const std::string& text);

}  // namespace kproxy::config
