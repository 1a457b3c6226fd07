// The socket itself: whom it listens to, and what it tells of datagrams that are too large.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <cerrno>

#include "runtime/apply/netlink_socket.h"
#include "tests/runtime/network_namespace.h"
#include "tests/runtime/nft.h"

namespace kproxy::tests {
namespace {

struct Question {
  nlmsghdr header{.nlmsg_len = sizeof(Question),
                  .nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                  .nlmsg_seq = 1,
                  .nlmsg_pid = 0};
  nfgenmsg general{};
};

std::span<const std::uint8_t> bytes_of(const Question& question) {
  return {reinterpret_cast<const std::uint8_t*>(&question), sizeof question};
}

}  // namespace

BOOST_AUTO_TEST_SUITE(apply_netlink_socket)

BOOST_AUTO_TEST_CASE(only_the_kernel_is_heard) {
  NetworkNamespace name_space;
  const auto ours = apply::NetlinkSocket::open();
  BOOST_REQUIRE(ours.ok());
  const int other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
  BOOST_REQUIRE(other >= 0);
  sockaddr_nl to{};
  to.nl_family = AF_NETLINK;
  to.nl_pid = (*ours)->port_id();
  const Question question;
  BOOST_TEST(sendto(other, &question, sizeof question, 0, reinterpret_cast<sockaddr*>(&to),
                    sizeof to) == -1);
  BOOST_TEST(errno == ECONNREFUSED);
  close(other);
  std::array<std::uint8_t, 4096> buffer;
  BOOST_TEST((*ours)->receive(buffer) == -EAGAIN);
  BOOST_TEST((*ours)->send(bytes_of(question)) == 0);
  BOOST_TEST((*ours)->receive(buffer) > 0);  // the end of a list of no tables
}

BOOST_AUTO_TEST_CASE(a_buffer_that_is_too_small) {
  NetworkNamespace name_space;
  nft("add table inet one");
  const auto ours = apply::NetlinkSocket::open();
  BOOST_REQUIRE(ours.ok());
  std::array<std::uint8_t, 24> buffer;
  BOOST_TEST((*ours)->send(bytes_of(Question())) == 0);
  BOOST_TEST((*ours)->receive(buffer) == -EMSGSIZE);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
