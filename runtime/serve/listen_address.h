// Where a server listens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "compiler/types/address.h"

namespace kproxy::serve {

struct ListenAddress {
  Address address;             // may be unspecified: every address of the family
  Port port;                   // 0: any that is free
  bool both_families = false;  // "::" only: IPv4 as well

  // "0.0.0.0:10256" (IPv4 only), "[::]:10256" (both families), "[fd00::1]:80".
  static std::optional<ListenAddress> parse(std::string_view text);
  std::string to_string() const { return kproxy::to_string(address, port); }
  auto operator<=>(const ListenAddress&) const = default;
};

}  // namespace kproxy::serve
