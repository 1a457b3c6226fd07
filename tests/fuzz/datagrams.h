// A kernel that answers what the fuzzer says: datagrams, each behind two bytes of its size.
// Sequence numbers become those of the question, since nothing else is looked at.
#pragma once

#include <cerrno>
#include <cstring>

#include "runtime/apply/message_buffer.h"
#include "runtime/apply/netlink_socket.h"

namespace kproxy::fuzz {

class Datagrams : public apply::Transport {
 public:
  explicit Datagrams(apply::Bytes input) : input_(input) {}

  int send(std::span<const std::uint8_t> datagram) override {
    // The last message of several: its answer is what is waited for.
    for (std::size_t at = 0; at + sizeof(nlmsghdr) <= datagram.size();) {
      nlmsghdr header;
      std::memcpy(&header, datagram.data() + at, sizeof header);
      sequence_ = header.nlmsg_seq;
      if (header.nlmsg_len < sizeof header) break;
      at += apply::aligned(header.nlmsg_len);
    }
    return 0;
  }

  ssize_t receive(std::span<std::uint8_t> buffer) override {
    if (input_.size() < 2) return -EAGAIN;
    const std::size_t size = std::min<std::size_t>(input_[0] | input_[1] << 8, input_.size() - 2);
    if (size > buffer.size()) return -EMSGSIZE;
    if (size > 0) std::memcpy(buffer.data(), input_.data() + 2, size);
    input_ = input_.subspan(2 + size);
    for (std::size_t at = 0; at + sizeof(nlmsghdr) <= size;) {
      nlmsghdr header;
      std::memcpy(&header, buffer.data() + at, sizeof header);
      header.nlmsg_seq = sequence_;
      std::memcpy(buffer.data() + at, &header, sizeof header);
      if (header.nlmsg_len < sizeof header) break;
      at += apply::aligned(header.nlmsg_len);
    }
    return static_cast<ssize_t>(size);
  }

  int reopen() override { return 0; }
  std::uint32_t port_id() const override { return 1; }

 private:
  apply::Bytes input_;
  std::uint32_t sequence_ = 0;
};

}  // namespace kproxy::fuzz
