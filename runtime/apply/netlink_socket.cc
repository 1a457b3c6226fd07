#include "runtime/apply/netlink_socket.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kproxy::apply {
namespace {

// Room for the replies to one batch (an error for each message at worst) and for notifications.
constexpr int kReceiveBuffer = 4 * 1024 * 1024;

bool set_option(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

}  // namespace

Result<std::unique_ptr<NetlinkSocket>> NetlinkSocket::open(int protocol) {
  std::unique_ptr<NetlinkSocket> socket(new NetlinkSocket(protocol));
  if (const int error = socket->reopen(); error != 0)
    return Error{"netlink", std::string("cannot open a socket: ") + std::strerror(error),
                 error == EPROTONOSUPPORT && protocol == NETLINK_NETFILTER
                     ? "the kernel needs CONFIG_NETFILTER_NETLINK"
                     : ""};
  return socket;
}

NetlinkSocket::~NetlinkSocket() {
  if (fd_ >= 0) close(fd_);
}

int NetlinkSocket::reopen() {
  if (fd_ >= 0) close(fd_);
  send_limit_ = 0;
  fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol_);
  if (fd_ < 0) return errno;
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  socklen_t size = sizeof address;
  if (bind(fd_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    return errno;
  port_id_ = address.nl_pid;
  // To the kernel: what another process sends to our address is then refused to it.
  const sockaddr_nl kernel{.nl_family = AF_NETLINK, .nl_pad = 0, .nl_pid = 0, .nl_groups = 0};
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) != 0) return errno;

  // Say in words what is wrong and where in the message; do not send the message back.
  set_option(fd_, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  set_option(fd_, SOL_NETLINK, NETLINK_CAP_ACK, 1);
  // Beyond the limit of net.core.rmem_max where the capability allows it.
  if (!set_option(fd_, SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer))
    set_option(fd_, SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  return 0;
}

int NetlinkSocket::send(std::span<const std::uint8_t> datagram) {
  // The kernel takes no datagram larger than the send buffer; it doubles what it is told.
  if (datagram.size() > send_limit_) {
    const std::size_t limit = std::max<std::size_t>(datagram.size(), 128 * 1024);
    const int value = static_cast<int>(std::min<std::size_t>(limit, 1 << 30));
    if (!set_option(fd_, SOL_SOCKET, SO_SNDBUFFORCE, value))
      set_option(fd_, SOL_SOCKET, SO_SNDBUF, value);
    send_limit_ = limit;
  }
  const ssize_t sent = ::send(fd_, datagram.data(), datagram.size(), 0);
  if (sent < 0) return errno;
  return static_cast<std::size_t>(sent) == datagram.size() ? 0 : EMSGSIZE;
}

ssize_t NetlinkSocket::receive(std::span<std::uint8_t> buffer) {
  const ssize_t size = recv(fd_, buffer.data(), buffer.size(), MSG_TRUNC);  // tells the whole size
  if (size < 0) return -errno;
  return static_cast<std::size_t>(size) <= buffer.size() ? size : -EMSGSIZE;
}

int NetlinkSocket::join(unsigned group) {
  return set_option(fd_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, static_cast<int>(group)) ? 0 : errno;
}

}  // namespace kproxy::apply
