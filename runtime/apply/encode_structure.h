// The table, its sets and its chains as netlink messages.
#pragma once

#include <cstdint>
#include <string_view>

#include "compiler/ruleset/structure.h"
#include "runtime/apply/batch.h"

namespace kproxy::apply {

// A table, of whatever family (NFPROTO_..) and owner.
struct TableName {
  std::uint8_t family;
  std::string name;
};

void put_table(Batch& batch);  // which may be there already
// Removes a table with all that is in it, and does not mind if there is none.
void put_table_removal(Batch& batch, const TableName& table);

// The id is the set's number within the batch.
void put_set(Batch& batch, const ruleset::SetRef& set, std::uint32_t id,
             const ruleset::OwnerNames& owners);
void put_set_removal(Batch& batch, std::string_view set_name);

std::uint32_t hook_number(ruleset::Hook::Point point);  // NF_INET_..

// A chain without its rules. Rules may point at chains and sets that come earlier in the batch.
void put_chain(Batch& batch, const ruleset::Chain& chain, const ruleset::OwnerNames& owners);
void put_rules(Batch& batch, const ruleset::Chain& chain, const ruleset::OwnerNames& owners);
void put_rules_removal(Batch& batch, std::string_view chain_name);
void put_chain_removal(Batch& batch, std::string_view chain_name);

}  // namespace kproxy::apply
