// kube-proxy's chains in the kernel's legacy tables, those of iptables without nf_tables.
//
// Such a table is one block of memory: entries (rules, and marks where chains begin) one after the
// other, which point at each other by their distance from its start. It is read, and replaced, as a
// whole; the kernel checks it. Only tables that are in use are looked at
// (/proc/net/ip_tables_names): asking for another one would make it.
#pragma once

#include <filesystem>

#include "compiler/types/error.h"

namespace kproxy::kernel {

// Removes them and the rules that jump to them from the built-in chains. A chain that somebody's
// own chain jumps to stays, empty.
Errors remove_legacy_chains(const std::filesystem::path& root);

}  // namespace kproxy::kernel
