// What libcurl says of a request that failed, fit to be compared: a trouble that comes again is
// known by its text.
#pragma once

#include <string>

namespace kproxy::source {

// The text without how long something took or how many bytes it was, which is another each time.
std::string without_measures(std::string text);

}  // namespace kproxy::source
