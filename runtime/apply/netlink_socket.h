// The seam under everything that speaks to nf_tables: datagrams to the kernel and back.
//
// nf_tables answers within the sender's own system call: when send() returns, a batch is committed
// or refused and its replies lie in the socket's queue; each receive() of a dump makes the kernel
// put the next piece there. So nothing ever waits here: "nothing to receive" means that the kernel
// has said all it will. Tests put another Transport in between, to lose and to garble.
#pragma once

#include <linux/netlink.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "compiler/types/error.h"

namespace kproxy::apply {

// Not thread-safe.
class Transport {
 public:
  virtual ~Transport() = default;

  // Sends one datagram, whole. Returns 0 or an errno. After an error it is not known whether the
  // kernel has seen the datagram.
  virtual int send(std::span<const std::uint8_t> datagram) = 0;

  // Receives one datagram. Returns its size or a negative errno: EAGAIN if there is none, EMSGSIZE
  // if the buffer was too small for it (the rest is lost), ENOBUFS if the kernel had to drop some.
  virtual ssize_t receive(std::span<std::uint8_t> buffer) = 0;

  // A fresh socket in place of this one: replies that were not received are gone, and so is a dump
  // that was not finished (a socket has one dump at a time). Returns 0 or an errno.
  virtual int reopen() = 0;

  // The kernel's number for the socket; notifications of what it caused carry it.
  virtual std::uint32_t port_id() const = 0;
};

// A netlink socket of the network namespace the calling thread is in.
class NetlinkSocket : public Transport {
 public:
  // Of a netlink family, by default netfilter's. Fails where the kernel does not have it, or
  // without the right to open such sockets.
  static Result<std::unique_ptr<NetlinkSocket>> open(int protocol = NETLINK_NETFILTER);
  ~NetlinkSocket() override;
  NetlinkSocket(const NetlinkSocket&) = delete;
  NetlinkSocket& operator=(const NetlinkSocket&) = delete;

  int send(std::span<const std::uint8_t> datagram) override;
  ssize_t receive(std::span<std::uint8_t> buffer) override;
  int reopen() override;
  std::uint32_t port_id() const override { return port_id_; }

  // Also receives the notifications of a multicast group (NFNLGRP_..). Returns 0 or an errno.
  int join(unsigned group);
  int file_descriptor() const { return fd_; }

 private:
  explicit NetlinkSocket(int protocol) : protocol_(protocol) {}

  int protocol_;
  int fd_ = -1;
  std::uint32_t port_id_ = 0;
  std::size_t send_limit_ = 0;
};

}  // namespace kproxy::apply
