#include "runtime/apply/batch.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

namespace kproxy::apply {
namespace {

constexpr std::size_t kHeaders = NLMSG_HDRLEN + sizeof(nfgenmsg);

}  // namespace

void Batch::begin(std::uint32_t first_sequence) {
  buffer_.clear();
  messages_ = 0;
  first_sequence_ = next_sequence_ = last_message_sequence_ = first_sequence;
  put_header(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

void Batch::put_header(std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                       std::uint16_t resource) {
  message_ = buffer_.size();
  std::uint8_t* to = buffer_.reserve(kHeaders);
  const nlmsghdr header{.nlmsg_len = kHeaders,
                        .nlmsg_type = type,
                        .nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags),
                        .nlmsg_seq = next_sequence_++,
                        .nlmsg_pid = 0};
  const nfgenmsg general{
      .nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)};
  std::memcpy(to, &header, sizeof header);
  std::memcpy(to + NLMSG_HDRLEN, &general, sizeof general);
  buffer_.advance(kHeaders);
}

void Batch::begin_message(std::uint16_t type, std::uint16_t flags, std::uint8_t family) {
  last_message_sequence_ = next_sequence_;
  ++messages_;
  put_header(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), flags, family, 0);
}

void Batch::end_message() {
  const auto size = static_cast<std::uint32_t>(buffer_.size() - message_);
  std::memcpy(buffer_.data() + message_ + offsetof(nlmsghdr, nlmsg_len), &size, sizeof size);
}

void Batch::finish() {
  if (messages_ > 0) {
    std::uint8_t* at = buffer_.data() + message_ + offsetof(nlmsghdr, nlmsg_flags);
    std::uint16_t flags;
    std::memcpy(&flags, at, sizeof flags);
    flags |= NLM_F_ACK;
    std::memcpy(at, &flags, sizeof flags);
  }
  put_header(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
}

std::optional<BatchMessage> Batch::message(std::uint32_t sequence) const {
  Bytes rest = bytes();
  while (rest.size() >= kHeaders) {
    nlmsghdr header;
    std::memcpy(&header, rest.data(), sizeof header);
    if (header.nlmsg_len < kHeaders || header.nlmsg_len > rest.size()) break;
    if (header.nlmsg_seq == sequence)
      return BatchMessage{static_cast<std::uint16_t>(header.nlmsg_type & 0xff),
                          rest.first(header.nlmsg_len),
                          rest.first(header.nlmsg_len).subspan(kHeaders)};
    rest = rest.subspan(std::min(aligned(header.nlmsg_len), rest.size()));
  }
  return std::nullopt;
}

}  // namespace kproxy::apply
