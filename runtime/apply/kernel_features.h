// Whether this kernel can do what the table needs, asked before anything is changed.
//
// The running release is compared with the oldest one that has all of nf_tables that we use. Then
// a set, a base chain and a rule of each kind that wants an option of its own, in a table beside
// ours, are sent as a transaction that ends in a message the kernel must refuse: it looks at every
// expression, and then takes nothing. So an option that the kernel was built without is named
// before the first real transaction. Elements of sets are not tried.
#pragma once

#include "compiler/ruleset/names.h"
#include "compiler/types/error.h"
#include "runtime/apply/conversation.h"

namespace kproxy::apply {

// Release below 5.13: an Error, unless the environment variable
// KUBE_PROXY_NFTABLES_SKIP_KERNEL_VERSION_CHECK is set to something.
Status check_kernel_release();

// An Error that names what is missing, the capability, nf_tables itself, or an option; or says why
// else the kernel refuses.
Status probe_features(Conversation& conversation);

// Both, over a socket of its own: about a millisecond.
Status check_kernel();

}  // namespace kproxy::apply
