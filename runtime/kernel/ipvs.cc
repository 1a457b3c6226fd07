#include "runtime/kernel/ipvs.h"

#include <linux/genetlink.h>
#include <linux/ip_vs.h>
#include <linux/netfilter.h>
#include <linux/netfilter/ipset/ip_set.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "runtime/kernel/exchange.h"

namespace kproxy::kernel {
namespace {

using apply::Bytes;
using apply::MessageBuffer;

constexpr std::string_view kInterface = "kube-ipvs0";
constexpr std::string_view kSetPrefix = "KUBE-";
// The kernel lets go of a set some time after the last rule that refers to it has gone.
constexpr auto kSetPatience = std::chrono::seconds(2);

template <typename Header>
void put_header(MessageBuffer& to, const Header& header) {
  std::memcpy(to.reserve(sizeof header), &header, sizeof header);
  to.advance(apply::aligned(sizeof header));
}

Error failure(std::string_view where, std::string_view what, int error) {
  return {std::string(where), std::string(what) + ": " + std::strerror(error),
          error == EPERM ? "kproxy needs CAP_NET_ADMIN" : ""};
}

// --- the interface

// By name, through netlink: to ask for an interface's number by ioctl may load a module.
int on_interface(Exchange& exchange, std::uint16_t type, std::uint16_t flags) {
  MessageBuffer request;
  put_header(request, ifinfomsg{});
  request.put_string(IFLA_IFNAME, kInterface);
  return exchange.run(type, flags, request.bytes(), [](const nlmsghdr&, Bytes) {});
}

// --- ipsets

std::uint16_t ipset_type(int command) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_IPSET << 8 | command);
}

void put_ipset_header(MessageBuffer& to) {
  put_header(to, nfgenmsg{.nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0, .res_id = 0});
  const std::uint8_t protocol = IPSET_PROTOCOL_MIN;
  to.put(IPSET_ATTR_PROTOCOL, {&protocol, 1});
}

int list_sets(Exchange& exchange, std::vector<std::string>& names) {
  MessageBuffer request;
  put_ipset_header(request);
  request.put_be32(IPSET_ATTR_FLAGS, IPSET_FLAG_LIST_SETNAME);
  return exchange.run(
      ipset_type(IPSET_CMD_LIST), NLM_F_DUMP, request.bytes(), [&](const nlmsghdr&, Bytes payload) {
        if (payload.size() < sizeof(nfgenmsg)) return;
        const auto name = apply::find(payload.subspan(sizeof(nfgenmsg)), IPSET_ATTR_SETNAME);
        if (name && name->string().starts_with(kSetPrefix)) names.emplace_back(name->string());
      });
}

int destroy_set(Exchange& exchange, const std::string& name) {
  MessageBuffer request;
  put_ipset_header(request);
  request.put_string(IPSET_ATTR_SETNAME, name);
  const auto end = std::chrono::steady_clock::now() + kSetPatience;
  for (;;) {
    const int error = exchange.run(ipset_type(IPSET_CMD_DESTROY), NLM_F_ACK, request.bytes(),
                                   [](const nlmsghdr&, Bytes) {});
    if (error != IPSET_ERR_BUSY) return error == ENOENT ? 0 : error;
    if (std::chrono::steady_clock::now() >= end) return EBUSY;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

// --- virtual servers

int flush_servers(Exchange& exchange) {
  MessageBuffer request;
  put_header(request, genlmsghdr{.cmd = CTRL_CMD_GETFAMILY, .version = 1, .reserved = 0});
  request.put_string(CTRL_ATTR_FAMILY_NAME, IPVS_GENL_NAME);
  std::uint16_t family = 0;
  const auto read = [&](const nlmsghdr&, Bytes payload) {
    if (payload.size() < sizeof(genlmsghdr)) return;
    const auto id = apply::find(payload.subspan(sizeof(genlmsghdr)), CTRL_ATTR_FAMILY_ID);
    if (id && id->value.size() == sizeof family)
      std::memcpy(&family, id->value.data(), sizeof family);
  };
  if (const int error = exchange.run(GENL_ID_CTRL, 0, request.bytes(), read); error != 0)
    return error;
  request.clear();
  put_header(request,
             genlmsghdr{.cmd = IPVS_CMD_FLUSH, .version = IPVS_GENL_VERSION, .reserved = 0});
  return exchange.run(family, NLM_F_ACK, request.bytes(), [](const nlmsghdr&, Bytes) {});
}

}  // namespace

Errors remove_ipvs(const std::filesystem::path& root) {
  auto route = apply::NetlinkSocket::open(NETLINK_ROUTE);
  if (!route) return {route.error()};
  Exchange links(**route);
  const bool interface = on_interface(links, RTM_GETLINK, 0) == 0;

  std::error_code ignored;
  Errors errors;
  std::vector<std::string> sets;
  auto netfilter = apply::NetlinkSocket::open();
  if (!netfilter) return {netfilter.error()};
  Exchange ipset(**netfilter);
  if (std::filesystem::exists(root / "sys/module/ip_set", ignored))
    if (const int error = list_sets(ipset, sets); error != 0)
      errors.push_back(failure("ipset", "cannot list sets", error));

  // The interface last: as long as it is there, a new attempt knows what to do.
  if ((interface || !sets.empty()) && std::filesystem::exists(root / "proc/net/ip_vs", ignored)) {
    auto generic = apply::NetlinkSocket::open(NETLINK_GENERIC);
    if (!generic) return {generic.error()};
    Exchange ipvs(**generic);
    if (const int error = flush_servers(ipvs); error != 0)
      errors.push_back(failure("ipvs", "virtual servers cannot be removed", error));
  }
  for (const std::string& name : sets)
    if (const int error = destroy_set(ipset, name); error != 0)
      errors.push_back(failure("ipset " + name, "cannot be destroyed", error));
  if (interface)
    if (const int error = on_interface(links, RTM_DELLINK, NLM_F_ACK); error != 0)
      errors.push_back(failure(kInterface, "cannot be removed", error));
  return errors;
}

}  // namespace kproxy::kernel
