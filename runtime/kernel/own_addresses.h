// The node's own addresses, as packets meet them.
#pragma once

#include <vector>

#include "compiler/types/address.h"
#include "compiler/types/error.h"

namespace kproxy::kernel {

// Those that the network namespace's table of local routes has for the family: the addresses of its
// interfaces, and prefixes that it was told are its own. The kernel lists no other route.
Result<std::vector<Cidr>> own_addresses(Family family);

}  // namespace kproxy::kernel
