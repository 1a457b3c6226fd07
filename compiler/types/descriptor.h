// Paths that stand for files a process has open already.
#pragma once

#include <optional>
#include <string_view>

namespace kproxy {

// 1 for /dev/stdout, N for /dev/fd/N and /proc/self/fd/N; nothing for any other path. To open such
// a path is to open the file behind it once more, from its beginning: what was written to it, as to
// a log, would be overwritten.
std::optional<int> own_descriptor(std::string_view path);

}  // namespace kproxy
