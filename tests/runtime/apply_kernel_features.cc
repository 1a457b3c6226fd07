// What is said of a kernel that refuses what kproxy tries out.
#include <linux/netfilter/nfnetlink.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>

#include "runtime/apply/kernel_features.h"
#include "runtime/apply/message_reader.h"

namespace kproxy::apply {
namespace {

// Refuses one message of each batch, counted from its begin, and answers nothing else.
class Kernel : public Transport {
 public:
  Kernel(int message, int error) : message_(message), error_(error) {}

  int send(std::span<const std::uint8_t> datagram) override {
    MessageReader reader(datagram);
    for (int i = 0; const auto message = reader.next(); ++i)
      if (i == message_) refused_ = message->header;
    return 0;
  }
  ssize_t receive(std::span<std::uint8_t> buffer) override {
    if (!refused_) return -EAGAIN;
    struct {
      nlmsghdr header;
      nlmsgerr error;
    } answer{{sizeof answer, NLMSG_ERROR, NLM_F_CAPPED, refused_->nlmsg_seq, 0},
             {-error_, *refused_}};
    refused_.reset();
    std::memcpy(buffer.data(), &answer, sizeof answer);
    return sizeof answer;
  }
  int reopen() override { return 0; }
  std::uint32_t port_id() const override { return 1; }

 private:
  const int message_;
  const int error_;
  std::optional<nlmsghdr> refused_;
};

BOOST_AUTO_TEST_SUITE(apply_kernel_features)

BOOST_AUTO_TEST_CASE(an_option_is_named_only_where_it_is_missing) {
  const std::string lacks = "kernel: nf_tables lacks a feature that kproxy needs (it wants CONFIG_";
  const std::string refuses = "kernel: nf_tables refuses what kproxy tries out: ";
  struct Case {
    int message, error;
    std::string said;
  };
  const Case cases[] = {
      {0, EOPNOTSUPP, lacks + "NF_TABLES)"},
      {1, EOPNOTSUPP, lacks + "NF_TABLES_INET)"},
      {3, ENOENT, lacks + "NFT_NAT)"},
      {5, ENOENT, lacks + "NFT_CT)"},
      {7, ENOENT, lacks + "NFT_NUMGEN and CONFIG_NFT_NAT)"},
      {9, ENOENT, lacks + "NFT_REJECT_INET)"},
      {0, ENOMEM, refuses + "Cannot allocate memory"},
      {7, ENOMEM, refuses + "Cannot allocate memory"},
      {7, EINVAL, refuses + "Invalid argument"},
      {7, EPERM,
       "nf_tables: permission denied (kproxy needs CAP_NET_ADMIN in its network namespace)"},
      {10, ENOENT, ""},  // what ends the transaction
  };
  for (const Case& each : cases) {
    Kernel kernel(each.message, each.error);
    Conversation conversation(kernel);
    const Status status = probe_features(conversation);
    BOOST_TEST((status ? "" : status.error().message()) == each.said,
               "message " << each.message << ", errno " << each.error);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::apply
