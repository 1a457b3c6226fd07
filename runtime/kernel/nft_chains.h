// kube-proxy's chains where iptables-nft has put them: in tables of nf_tables named as those of
// iptables.
#pragma once

#include "compiler/types/error.h"
#include "runtime/apply/conversation.h"

namespace kproxy::kernel {

// Removes them and the rules of base chains that jump to them, a table in one transaction. A chain
// that somebody's own chain jumps to stays, empty. Of others' rules no more is looked at than where
// they jump to, and that only in tables where there is something to remove.
Errors remove_nft_chains(apply::Conversation& conversation);

}  // namespace kproxy::kernel
