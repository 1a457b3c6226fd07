#include "runtime/kernel/kube_proxy_tables.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

namespace kproxy::kernel {

std::vector<apply::TableName> kube_proxy_tables(apply::Conversation& conversation) {
  constexpr std::string_view kName = "kube-proxy";
  std::vector<apply::TableName> tables;
  for (std::uint8_t family : {NFPROTO_IPV4, NFPROTO_IPV6}) {
    apply::MessageBuffer attributes;
    attributes.put_string(NFTA_TABLE_NAME, kName);
    bool found = false;
    conversation.get(NFT_MSG_GETTABLE, family, attributes.bytes(),
                     [&](const apply::Reply&) { found = true; });
    if (found) tables.push_back({family, std::string(kName)});
  }
  return tables;
}

}  // namespace kproxy::kernel
