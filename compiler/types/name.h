// What names of Kubernetes objects are made of.
#pragma once

#include <cstddef>
#include <string_view>

namespace kproxy {

inline constexpr std::size_t kLongestLabel = 63;       // namespaces, Services, ports, zones
inline constexpr std::size_t kLongestSubdomain = 253;  // the other objects

// Whether nothing but letters, digits, '-', '_' and '.' is in it: then it can stand in an nft
// ruleset and in a file name.
bool is_plain(std::string_view name);

inline constexpr std::string_view kPlain = "letters, digits, '-', '_' and '.' may be in it";

}  // namespace kproxy
