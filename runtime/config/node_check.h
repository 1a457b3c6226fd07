// Whether the configuration suits this node: its address families, its podCIDRs, its addresses.
// What can be judged only once the node is known; the rest has been when the command line was read.
// A pure function.
#pragma once

#include <vector>

#include "compiler/types/address.h"
#include "compiler/types/error.h"
#include "runtime/config/command_line.h"

namespace kproxy::config {

struct NodeFacts {
  Family primary = Family::ipv4;   // of the node's first address, or of bindAddress
  bool dual_stack = true;          // the kernel has both families
  std::vector<Cidr> pod_cidrs;     // the Node's; looked at where detectLocalMode is NodeCIDR
  std::vector<Address> addresses;  // of the interfaces
};

struct Findings {
  Errors fatal;     // the process must not go on
  Errors errors;    // to be logged as errors
  Errors warnings;  // to be logged as warnings
};

Findings check_node(const CommandLine& line, const NodeFacts& node);

}  // namespace kproxy::config
