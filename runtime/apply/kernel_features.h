// Whether this kernel can do what the table needs, asked before anything is changed.
//
// The running release is compared with the oldest one that has all of nf_tables that we use. Then
// the skeleton and a chain of each further kind are sent as a transaction that ends in a message
// the kernel must refuse: it looks at every expression, and then takes nothing. So a missing
// feature is named by its CONFIG_ option before the first real transaction, which is then not
// refused for want of it.
#pragma once

#include "compiler/ruleset/names.h"
#include "compiler/types/error.h"
#include "runtime/apply/conversation.h"

namespace kproxy::apply {

// Release below 5.13: an Error, unless the environment variable
// KUBE_PROXY_NFTABLES_SKIP_KERNEL_VERSION_CHECK is set to something.
Status check_kernel_release();

// An Error that names what is missing: the capability, nf_tables itself, or an option.
Status probe_features(Conversation& conversation);

}  // namespace kproxy::apply
