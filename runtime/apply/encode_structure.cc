#include "runtime/apply/encode_structure.h"

#include <linux/netfilter.h>

#include "runtime/apply/encode_rule.h"
#include "runtime/apply/set_attributes.h"

namespace kproxy::apply {
namespace {

// More than any rule of ours takes.
constexpr std::size_t kRuleRoom = 16 * 1024;

// A message with nothing but the table's name and another name.
void put_named(Batch& batch, std::uint16_t type, std::uint16_t table_attribute,
               std::uint16_t name_attribute, std::string_view name) {
  batch.begin_message(type, 0);
  batch.attributes().put_string(table_attribute, batch.table());
  batch.attributes().put_string(name_attribute, name);
  batch.end_message();
}

}  // namespace

std::uint32_t hook_number(ruleset::Hook::Point point) {
  switch (point) {
    case ruleset::Hook::Point::prerouting:
      return NF_INET_PRE_ROUTING;
    case ruleset::Hook::Point::input:
      return NF_INET_LOCAL_IN;
    case ruleset::Hook::Point::output:
      return NF_INET_LOCAL_OUT;
    case ruleset::Hook::Point::postrouting:
      return NF_INET_POST_ROUTING;
  }
  return NF_INET_PRE_ROUTING;
}

void put_table(Batch& batch) {
  batch.begin_message(NFT_MSG_NEWTABLE, NLM_F_CREATE);
  batch.attributes().put_string(NFTA_TABLE_NAME, batch.table());
  batch.attributes().put_be32(NFTA_TABLE_FLAGS, 0);
  batch.end_message();
}

void put_table_removal(Batch& batch, const TableName& table) {
  // Deleting what is not there would be refused: so it is created first, if need be.
  for (std::uint16_t type : {NFT_MSG_NEWTABLE, NFT_MSG_DELTABLE}) {
    batch.begin_message(type, type == NFT_MSG_NEWTABLE ? NLM_F_CREATE : 0, table.family);
    batch.attributes().put_string(NFTA_TABLE_NAME, table.name);
    batch.end_message();
  }
}

void put_set(Batch& batch, const ruleset::SetRef& set, std::uint32_t id,
             const ruleset::OwnerNames& owners) {
  batch.begin_message(NFT_MSG_NEWSET, NLM_F_CREATE);
  batch.attributes().put_string(NFTA_SET_TABLE, batch.table());
  batch.attributes().put_string(NFTA_SET_NAME, name(set, owners));
  put(batch.attributes(), attributes_of(set), id);
  batch.end_message();
}

void put_set_removal(Batch& batch, std::string_view set_name) {
  put_named(batch, NFT_MSG_DELSET, NFTA_SET_TABLE, NFTA_SET_NAME, set_name);
}

void put_chain(Batch& batch, const ruleset::Chain& chain, const ruleset::OwnerNames& owners) {
  MessageBuffer& message = batch.attributes();
  batch.begin_message(NFT_MSG_NEWCHAIN, NLM_F_CREATE);
  message.put_string(NFTA_CHAIN_TABLE, batch.table());
  message.put_string(NFTA_CHAIN_NAME, name(chain.ref, owners));
  if (chain.hook) {
    message.put_string(NFTA_CHAIN_TYPE, "nat");
    message.put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
    const std::size_t hook = message.begin_nest(NFTA_CHAIN_HOOK);
    message.put_be32(NFTA_HOOK_HOOKNUM, hook_number(chain.hook->point));
    message.put_be32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.hook->priority));
    message.end_nest(hook);
  }
  batch.end_message();
}

void put_rules(Batch& batch, const ruleset::Chain& chain, const ruleset::OwnerNames& owners) {
  const std::string chain_name = name(chain.ref, owners);
  for (const ruleset::Rule& rule : chain.rules) {
    const NftnlRule encoded = encode(rule, owners);
    nftnl_rule_set_str(encoded.get(), NFTNL_RULE_TABLE, std::string(batch.table()).c_str());
    nftnl_rule_set_str(encoded.get(), NFTNL_RULE_CHAIN, chain_name.c_str());
    batch.begin_message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    batch.build_attributes(kRuleRoom, [&](nlmsghdr* header) {
      nftnl_rule_nlmsg_build_payload(header, encoded.get());
    });
    batch.end_message();
  }
}

void put_rules_removal(Batch& batch, std::string_view chain_name) {
  put_named(batch, NFT_MSG_DELRULE, NFTA_RULE_TABLE, NFTA_RULE_CHAIN, chain_name);
}

void put_chain_removal(Batch& batch, std::string_view chain_name) {
  put_named(batch, NFT_MSG_DELCHAIN, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, chain_name);
}

}  // namespace kproxy::apply
