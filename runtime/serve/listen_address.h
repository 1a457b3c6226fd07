// Where a server listens.
#pragma once

#include <string>

#include "compiler/types/address.h"

namespace kproxy::serve {

struct ListenAddress {
  Address address;             // may be unspecified: every address of the family
  Port port;                   // 0: any that is free
  bool both_families = false;  // "::" only: IPv4 as well

  std::string to_string() const { return kproxy::to_string(address, port); }
  auto operator<=>(const ListenAddress&) const = default;
};

}  // namespace kproxy::serve
