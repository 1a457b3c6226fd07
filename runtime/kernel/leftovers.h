// What kube-proxy in its other modes leaves on a node: rules of mode iptables (of either back end:
// nf_tables, as iptables-nft writes them, and the kernel's legacy tables), virtual servers, an
// interface and ipsets of mode ipvs, and the tables of mode nftables.
//
// Everything goes through the kernel's own interfaces; no program (iptables, ipset, ipvsadm) is
// needed. Where nothing is left it costs a few questions, loads no module and makes no table. What
// belongs to kubelet or to anybody else stays. Of the network namespace of the calling thread.
#pragma once

#include <filesystem>

#include "compiler/types/error.h"

namespace kproxy::kernel {

// Of modes iptables and ipvs. Returns what could not be removed, and why; the rest is.
// `root`: where /proc and /sys are.
Errors remove_leftovers(const std::filesystem::path& root = "/");

// Of mode nftables: `table ip kube-proxy` and `table ip6 kube-proxy`, if they are there. (A kproxy
// that starts does not use this: it replaces them in the transaction that brings its own.)
Status remove_kube_proxy_tables();

}  // namespace kproxy::kernel
