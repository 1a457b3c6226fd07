#include "runtime/kernel/nft_chains.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "runtime/apply/batch.h"
#include "runtime/kernel/kube_chains.h"

namespace kproxy::kernel {
namespace {

using apply::AttributeReader;
using apply::Bytes;

constexpr int kTries = 4;  // somebody else may change the table between reading and writing

struct Table {
  std::set<std::string, std::less<>> chains;  // kube-proxy's
  std::set<std::string, std::less<>> hooked;  // base chains
};

// 0, or what is wrong with a list. One that somebody's transaction interrupted may lack something.
int error_of(const apply::Ending& ending) {
  return ending.error == 0 && ending.interrupted ? EINTR : ending.error;
}

std::string string_of(Bytes attributes, std::uint16_t type) {
  const auto attribute = apply::find(attributes, type);
  return attribute ? std::string(attribute->string()) : std::string();
}

// Those tables of the family in which there is something to remove.
Result<std::map<std::string, Table>> read_tables(apply::Conversation& conversation,
                                                 std::uint8_t family) {
  std::map<std::string, Table> tables;
  const apply::Ending ending =
      conversation.dump(NFT_MSG_GETCHAIN, family, {}, [&](const apply::Reply& reply) {
        const std::string table = string_of(reply.attributes, NFTA_CHAIN_TABLE);
        if (std::find(std::begin(kKubeProxyTables), std::end(kKubeProxyTables), table) ==
            std::end(kKubeProxyTables))
          return;
        const std::string name = string_of(reply.attributes, NFTA_CHAIN_NAME);
        if (apply::find(reply.attributes, NFTA_CHAIN_HOOK))
          tables[table].hooked.insert(name);
        else if (is_kube_proxy_chain(name))
          tables[table].chains.insert(name);
      });
  if (const int error = error_of(ending); error != 0)
    return Error{"nf_tables", std::string("cannot list chains: ") + strerror(error), ""};
  std::erase_if(tables, [](const auto& table) { return table.second.chains.empty(); });
  return tables;
}

// Where the verdict of a rule points; empty if to no chain.
std::string jump_of(Bytes rule) {
  const auto expressions = apply::find(rule, NFTA_RULE_EXPRESSIONS);
  if (!expressions) return {};
  for (AttributeReader reader(expressions->value); const auto expression = reader.next();) {
    if (string_of(expression->value, NFTA_EXPR_NAME) != "immediate") continue;
    auto part = apply::find(expression->value, NFTA_EXPR_DATA);
    for (const std::uint16_t type : std::initializer_list<std::uint16_t>{
             NFTA_IMMEDIATE_DATA, NFTA_DATA_VERDICT, NFTA_VERDICT_CHAIN})
      if (part) part = apply::find(part->value, type);
    if (part) return std::string(part->string());
  }
  return {};
}

class Removal {
 public:
  Removal(apply::Conversation& conversation, std::uint8_t family, std::string name, Table table)
      : conversation_(conversation),
        family_(family),
        name_(std::move(name)),
        table_(std::move(table)),
        batch_(conversation.next_sequence()) {}

  apply::Answer run() {
    // Jumps first: a chain that something points at cannot go. Rules that kube-proxy's chains hold
    // go with all others of theirs.
    std::set<std::string> held;
    apply::MessageBuffer of_table;
    of_table.put_string(NFTA_RULE_TABLE, name_);
    std::vector<std::pair<std::string, std::uint64_t>> jumps;
    const apply::Ending ending =
        conversation_.dump(NFT_MSG_GETRULE, family_, of_table.bytes(), [&](const apply::Reply& r) {
          std::string chain = string_of(r.attributes, NFTA_RULE_CHAIN);
          if (table_.chains.contains(chain)) return;
          std::string target = jump_of(r.attributes);
          if (!table_.chains.contains(target)) return;
          const auto handle = apply::find(r.attributes, NFTA_RULE_HANDLE);
          if (!table_.hooked.contains(chain) || !handle || handle->value.size() != 8) {
            held.insert(std::move(target));
            return;
          }
          std::uint64_t number;
          std::memcpy(&number, handle->value.data(), sizeof number);
          jumps.emplace_back(std::move(chain), number);
        });
    if (error_of(ending) != 0) return {.error = error_of(ending)};

    batch_.begin(conversation_.next_sequence());
    for (const auto& [chain, handle] : jumps)
      put(NFT_MSG_DELRULE, NFTA_RULE_TABLE, NFTA_RULE_CHAIN, chain, &handle);
    for (const std::string& chain : table_.chains)
      put(NFT_MSG_DELRULE, NFTA_RULE_TABLE, NFTA_RULE_CHAIN, chain);
    for (const std::string& chain : table_.chains)
      if (!held.contains(chain)) put(NFT_MSG_DELCHAIN, NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, chain);
    batch_.finish();
    return conversation_.transact(batch_);
  }

 private:
  void put(std::uint16_t message, std::uint16_t table, std::uint16_t chain,
           const std::string& chain_name, const std::uint64_t* handle = nullptr) {
    batch_.begin_message(message, 0, family_);
    batch_.attributes().put_string(table, name_);
    batch_.attributes().put_string(chain, chain_name);
    if (handle != nullptr)  // as it came: in network order
      batch_.attributes().put(NFTA_RULE_HANDLE,
                              {reinterpret_cast<const std::uint8_t*>(handle), sizeof *handle});
    batch_.end_message();
  }

  apply::Conversation& conversation_;
  std::uint8_t family_;
  std::string name_;
  Table table_;
  apply::Batch batch_;
};

Errors remove_chains(apply::Conversation& conversation, std::uint8_t family) {
  const auto tables = read_tables(conversation, family);
  if (!tables) return {tables.error()};
  Errors errors;
  for (const auto& [name, table] : *tables) {
    const apply::Answer answer = Removal(conversation, family, name, table).run();
    if (answer.kind == apply::Answer::Kind::committed) continue;
    const int error = answer.refusals.empty() ? answer.error : answer.refusals.front().error;
    errors.push_back({std::string("table ") + (family == NFPROTO_IPV4 ? "ip " : "ip6 ") + name,
                      std::string("kube-proxy's chains cannot be removed: ") + strerror(error),
                      ""});
  }
  return errors;
}

}  // namespace

Errors remove_nft_chains(apply::Conversation& conversation) {
  Errors errors;
  for (const std::uint8_t family : {NFPROTO_IPV4, NFPROTO_IPV6}) {
    Errors troubles;
    for (int i = 0; i < kTries; ++i) {
      troubles = remove_chains(conversation, family);
      if (troubles.empty()) break;
    }
    errors.insert(errors.end(), troubles.begin(), troubles.end());
  }
  return errors;
}

}  // namespace kproxy::kernel
