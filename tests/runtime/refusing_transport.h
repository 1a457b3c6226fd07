// A kernel that refuses what it took before.
#pragma once

#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "runtime/apply/message_reader.h"
#include "runtime/apply/netlink_socket.h"

namespace kproxy::tests {

// Passes everything on, but for one batch: that the kernel does not get, and one of its messages is
// answered with an error, of its last attribute. So a kernel answers that has changed its mind, or
// somebody in between.
class RefusingTransport : public apply::Transport {
 public:
  explicit RefusingTransport(apply::Transport& below) : below_(below) {}

  using Which = std::function<bool(int number, const apply::Received& message)>;
  // Of the next batch that has such a message, counted from its begin, that one is refused so. So
  // are those of the batches after it, as many as times says.
  void arm(Which which, int error, int times = 1) {
    which_ = std::move(which);
    error_ = error;
    times_ = times;
    struck_ = false;
  }
  void arm(int message, int error, int times = 1) {
    arm([message](int number, const apply::Received&) { return number == message; }, error, times);
  }
  void disarm() { which_ = nullptr; }
  bool struck() const { return struck_; }

  int send(std::span<const std::uint8_t> datagram) override {
    const auto refused = which_ ? find(datagram) : std::nullopt;
    if (!refused) return below_.send(datagram);
    struct {
      nlmsghdr header;
      nlmsgerr error;
      nlattr attribute;
      std::uint32_t offset;
    } answer{{sizeof answer, NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, refused->nlmsg_seq, 0},
             {-error_, *refused},
             {NLA_HDRLEN + sizeof answer.offset, NLMSGERR_ATTR_OFFS},
             static_cast<std::uint32_t>(refused->nlmsg_len - NLA_HDRLEN)};
    answer_.resize(sizeof answer);
    std::memcpy(answer_.data(), &answer, sizeof answer);
    if (--times_ == 0) disarm();
    struck_ = true;
    return 0;
  }
  ssize_t receive(std::span<std::uint8_t> buffer) override {
    if (answer_.empty()) return below_.receive(buffer);
    std::copy(answer_.begin(), answer_.end(), buffer.begin());
    return static_cast<ssize_t>(std::exchange(answer_, {}).size());
  }
  int reopen() override {
    answer_.clear();
    return below_.reopen();
  }
  std::uint32_t port_id() const override { return below_.port_id(); }

 private:
  std::optional<nlmsghdr> find(std::span<const std::uint8_t> datagram) const {
    apply::MessageReader reader(datagram);
    for (int i = 0; const auto message = reader.next(); ++i) {
      const auto type = message->header.nlmsg_type;
      if (i == 0 && type != NFNL_MSG_BATCH_BEGIN) break;
      if (type != NFNL_MSG_BATCH_END && which_(i, *message)) return message->header;
    }
    return std::nullopt;
  }

  apply::Transport& below_;
  std::vector<std::uint8_t> answer_;
  Which which_;
  int error_ = 0;
  int times_ = 0;
  bool struck_ = false;
};

}  // namespace kproxy::tests
