// Answers of the kernel that are not what they say: nothing beyond the datagram is read, and the
// list ends with an error.
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>

#include "runtime/kernel/exchange.h"

namespace kproxy::kernel {
namespace {

// Answers each question with one datagram.
class OneDatagram : public apply::Transport {
 public:
  OneDatagram(std::uint32_t says, std::size_t size) : says_(says), size_(size) {}

  int send(std::span<const std::uint8_t> datagram) override {
    std::memcpy(&header_, datagram.data(), sizeof header_);
    return 0;
  }
  // A message of that length, as it says, and 0xff up to the datagram's end.
  ssize_t receive(std::span<std::uint8_t> buffer) override {
    if (given_) return -EAGAIN;
    given_ = true;
    header_.nlmsg_len = says_;
    header_.nlmsg_type = NLMSG_MIN_TYPE;
    header_.nlmsg_flags = NLM_F_MULTI;
    std::memset(buffer.data(), 0xff, size_);
    std::memcpy(buffer.data(), &header_, std::min(size_, sizeof header_));
    return static_cast<ssize_t>(size_);
  }
  int reopen() override { return 0; }
  std::uint32_t port_id() const override { return 1; }

 private:
  const std::uint32_t says_;
  const std::size_t size_;
  nlmsghdr header_{};
  bool given_ = false;
};

// clang-format off
struct Case {
  std::uint32_t says;  // the message, of its length
  std::size_t size;    // of the datagram
  int error;
  std::size_t payload;  // bytes that were handed over
};
constexpr Case kCases[] = {
    {32, 32, EAGAIN, 16},  // as it should be; the list goes on
    {16, 16, EAGAIN, 0},
    {33, 36, EAGAIN, 17},  // padded
    {33, 33, EAGAIN, 17},  // or not, at the end
    {0, 32, EPROTO, 0},
    {15, 32, EPROTO, 0},
    {33, 32, EPROTO, 0},
    {32, 40, EPROTO, 16},  // rubbish behind it
    {32, 8, EPROTO, 0},
    {0x7fffffff, 32, EPROTO, 0},
    {0x80000010, 32, EPROTO, 0},
    {0xffffffff, 32, EPROTO, 0},
    {32, 0, EAGAIN, 0},
};
// clang-format on

BOOST_AUTO_TEST_CASE(kernel_exchange_with_wrong_lengths) {
  for (const Case& one : kCases) {
    BOOST_TEST_CONTEXT("says " << one.says << ", datagram of " << one.size) {
      OneDatagram transport(one.says, one.size);
      std::size_t payload = 0;
      const int error = Exchange(transport).run(
          NLMSG_MIN_TYPE, NLM_F_DUMP, {},
          [&](const nlmsghdr&, apply::Bytes bytes) { payload += bytes.size(); });
      BOOST_TEST(error == one.error);
      BOOST_TEST(payload == one.payload);
    }
  }
}

}  // namespace
}  // namespace kproxy::kernel
