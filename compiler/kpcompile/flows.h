// Tables of flows (flows.txt): what is expected to become of packets, one line each.
//
//   # comment
//   10.244.1.5    tcp:10.96.0.10:53    10.244.1.4:53 10.244.2.9:53 plain
#pragma once

#include <string>
#include <string_view>

#include "compiler/ruleset/ruleset.h"
#include "compiler/types/error.h"

namespace kproxy::kpcompile {

struct CheckedFlows {
  std::string text;    // the table, with what becomes of the packets in place of what was expected
  Errors differences;  // a line whose expectation is not met, or that cannot be read; none at all
};

// `input` names the table in differences.
CheckedFlows check_flows(const ruleset::Ruleset& ruleset, std::string_view input,
                         std::string_view table);

}  // namespace kproxy::kpcompile
