// What kube-proxy in mode ipvs leaves beside chains of iptables: virtual servers of IPVS, the
// interface kube-ipvs0 that bears their addresses, and ipsets named KUBE-...
#pragma once

#include <filesystem>

#include "compiler/types/error.h"

namespace kproxy::kernel {

// Removes them. Virtual servers go, all of them, only where the interface or a set tells that they
// are kube-proxy's. No part of the kernel is asked that is not loaded already. To be called when
// the chains are gone, whose rules refer to the sets.
Errors remove_ipvs(const std::filesystem::path& root);

}  // namespace kproxy::kernel
