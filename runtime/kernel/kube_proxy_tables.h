// What kube-proxy in mode nftables leaves on a node: its tables, which must go in the transaction
// that brings ours, so that never two rule sets, nor none, are in force for a frontend.
#pragma once

#include <vector>

#include "runtime/apply/conversation.h"
#include "runtime/apply/encode_structure.h"

namespace kproxy::kernel {

// Those of `table ip kube-proxy` and `table ip6 kube-proxy` that are there. Two questions to the
// kernel, each asked three times before its silence is an Error; nothing of the tables' content is
// read.
Result<std::vector<apply::TableName>> kube_proxy_tables(apply::Conversation& conversation);

}  // namespace kproxy::kernel
