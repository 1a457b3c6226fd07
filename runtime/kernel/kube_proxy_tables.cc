#include "runtime/kernel/kube_proxy_tables.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

namespace kproxy::kernel {
namespace {

constexpr std::string_view kName = "kube-proxy";
constexpr int kAttempts = 3;

// An errno, 0 if the kernel told.
int look_for_table(apply::Conversation& conversation, std::uint8_t family, bool& found) {
  apply::MessageBuffer attributes;
  attributes.put_string(NFTA_TABLE_NAME, kName);
  int error = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    found = false;
    error = conversation
                .get(NFT_MSG_GETTABLE, family, attributes.bytes(),
                     [&](const apply::Reply&) { found = true; })
                .error;
    if (error == ENOENT) return 0;
    if (error == 0 && found) return 0;
  }
  return error == 0 ? EPROTO : error;
}

}  // namespace

Result<std::vector<apply::TableName>> kube_proxy_tables(apply::Conversation& conversation) {
  std::vector<apply::TableName> tables;
  for (std::uint8_t family : {NFPROTO_IPV4, NFPROTO_IPV6}) {
    bool found = false;
    if (const int error = look_for_table(conversation, family, found); error != 0)
      return Error{"table " + std::string(kName),
                   std::string("cannot tell whether it is there: ") + std::strerror(error), ""};
    if (found) tables.push_back({family, std::string(kName)});
  }
  return tables;
}

}  // namespace kproxy::kernel
