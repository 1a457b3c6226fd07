// The messages of one datagram that the kernel sent, one after the other.
//
// Nothing that a message says of its size is believed beyond the datagram's own: what does not fit
// ends the walk, and broken() tells.
#pragma once

#include <linux/netlink.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>

#include "runtime/apply/message_buffer.h"

namespace kproxy::apply {

struct Received {
  nlmsghdr header;
  Bytes bytes;  // with the header

  Bytes payload() const { return bytes.subspan(NLMSG_HDRLEN); }
};

class MessageReader {
 public:
  explicit MessageReader(Bytes datagram) : rest_(datagram) {}
  std::optional<Received> next() {
    if (rest_.size() < sizeof(nlmsghdr)) return std::nullopt;
    Received message;
    std::memcpy(&message.header, rest_.data(), sizeof message.header);
    const std::size_t size = message.header.nlmsg_len;
    if (size < sizeof(nlmsghdr) || size > rest_.size()) return std::nullopt;
    message.bytes = rest_.first(size);
    rest_ = rest_.subspan(std::min(aligned(size), rest_.size()));
    return message;
  }
  // Whether something is left that is not a whole message: a datagram that was cut short.
  bool broken() const { return !rest_.empty(); }

 private:
  Bytes rest_;
};

// The errno (positive) of a NLMSG_ERROR or NLMSG_DONE, or an ipset's number, which are above those;
// EPROTO where it is neither.
inline int error_of(const Received& message) {
  std::int32_t error = 0;
  if (message.payload().size() >= sizeof error)
    std::memcpy(&error, message.payload().data(), sizeof error);
  return error > 0 || error == std::numeric_limits<std::int32_t>::min() ? EPROTO : -error;
}

}  // namespace kproxy::apply
