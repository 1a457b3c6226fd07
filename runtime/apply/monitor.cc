#include "runtime/apply/monitor.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

#include "compiler/ruleset/names.h"
#include "runtime/apply/message_buffer.h"

namespace kproxy::apply {
namespace {

// Notifications come in batches of at most so much (NLMSG_GOODSIZE is less).
constexpr std::size_t kLargest = 256 * 1024;
constexpr int kAtOnce = 1000;  // of them

// Every kind of object of nf_tables names its table in its first attribute type.
static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
              NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1);
constexpr std::uint16_t kTableAttribute = 1;

constexpr std::uint16_t kEndOfTransaction = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWGEN;

bool is_about_our_table(const nlmsghdr& header, Bytes payload) {
  if (header.nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || payload.size() < sizeof(nfgenmsg))
    return false;
  if (header.nlmsg_type == kEndOfTransaction ||
      payload[offsetof(nfgenmsg, nfgen_family)] != NFPROTO_INET)
    return false;
  const auto table = find(payload.subspan(sizeof(nfgenmsg)), kTableAttribute);
  return table && table->string() == ruleset::kTable;
}

// What the end of a transaction says of who sent it; the number is that of the initial namespace.
std::string author_of(Bytes payload) {
  if (payload.size() < sizeof(nfgenmsg)) return "";
  const Bytes attributes = payload.subspan(sizeof(nfgenmsg));
  const auto name = find(attributes, NFTA_GEN_PROC_NAME),
             process = find(attributes, NFTA_GEN_PROC_PID);
  if (!name || !process) return "";
  return std::string(name->string()) + ", process " + std::to_string(process->be32());
}

}  // namespace

Monitor::Monitor(std::unique_ptr<NetlinkSocket> socket)
    : socket_(std::move(socket)), received_(kLargest) {}

Result<Monitor> Monitor::open(std::uint32_t own_port) {
  auto socket = NetlinkSocket::open();
  if (!socket) return socket.error();
  Monitor monitor(std::move(*socket));
  monitor.set_own_port(own_port);
  if (const int error = monitor.socket_->join(NFNLGRP_NFTABLES); error != 0)
    return Error{"netlink", std::string("cannot listen to nf_tables: ") + std::strerror(error), ""};
  return monitor;
}

void Monitor::set_own_port(std::uint32_t own_port) {
  if (own_port == own_port_) return;
  own_port_ = own_port;
  // Drop what bears our port in its first message: a batch of notifications stems from one
  // transaction. The filter's loads are in network byte order, the header is in the host's.
  std::array<sock_filter, 4> program{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(nlmsghdr, nlmsg_pid)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(own_port), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  // Without the filter we would only look once too often.
  setsockopt(socket_->file_descriptor(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);
}

bool Monitor::touched() {
  bool touched = false;
  // Whoever writes faster than we read must not keep us here.
  for (int i = 0; i < kAtOnce; ++i) {
    const ssize_t size = socket_->receive(received_);
    if (size == -EINTR) continue;
    if (size == -EAGAIN || size == 0) return touched;
    if (size < 0) {
      touched = true;  // some were lost
      author_follows_ = false;
      author_.clear();
      if (size == -ENOBUFS || size == -EMSGSIZE) continue;
      return touched;
    }
    Bytes rest(received_.data(), static_cast<std::size_t>(size));
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_len < sizeof header || header.nlmsg_len > rest.size()) break;
      const Bytes payload = rest.subspan(sizeof header, header.nlmsg_len - sizeof header);
      if (header.nlmsg_type == kEndOfTransaction) {
        if (author_follows_) author_ = author_of(payload);
        author_follows_ = false;
      } else if (!author_follows_ && is_about_our_table(header, payload)) {
        touched = author_follows_ = true;
      }
      rest = rest.subspan(std::min(aligned(header.nlmsg_len), rest.size()));
    }
  }
  return touched;
}

}  // namespace kproxy::apply
