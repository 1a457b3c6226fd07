#include "runtime/apply/explain_refusal.h"

#include <cerrno>
#include <cstring>

#include "runtime/apply/decode_elements.h"

namespace kproxy::apply {
namespace {

// In all messages the first attribute is the table's name; where the object's own name is differs.
struct MessageKind {
  std::uint16_t type;
  const char* what;
  std::uint16_t name;
};
constexpr MessageKind kKinds[] = {
    {NFT_MSG_NEWTABLE, "create table", NFTA_TABLE_NAME},
    {NFT_MSG_DELTABLE, "remove table", NFTA_TABLE_NAME},
    {NFT_MSG_NEWCHAIN, "create chain", NFTA_CHAIN_NAME},
    {NFT_MSG_DELCHAIN, "remove chain", NFTA_CHAIN_NAME},
    {NFT_MSG_NEWRULE, "add a rule to chain", NFTA_RULE_CHAIN},
    {NFT_MSG_DELRULE, "remove the rules of chain", NFTA_RULE_CHAIN},
    {NFT_MSG_NEWSET, "create set", NFTA_SET_NAME},
    {NFT_MSG_DELSET, "remove set", NFTA_SET_NAME},
    {NFT_MSG_NEWSETELEM, "insert into set", NFTA_SET_ELEM_LIST_SET},
    {NFT_MSG_DELSETELEM, "erase from set", NFTA_SET_ELEM_LIST_SET},
};

std::string hint(int error) {
  switch (error) {
    case EPERM:
      return "needs CAP_NET_ADMIN in this network namespace";
    case ENOMEM:
      return "the kernel is out of memory";
    case EOPNOTSUPP:
      return "the kernel lacks an nf_tables feature";
    default:
      return "";
  }
}

// The attributes of the element in which the message's byte at `offset` lies.
std::optional<Bytes> element_at(const BatchMessage& message, std::uint32_t offset) {
  const auto list = find(message.attributes, NFTA_SET_ELEM_LIST_ELEMENTS);
  if (!list) return std::nullopt;
  AttributeReader reader(list->value);
  while (const auto element = reader.next()) {
    const auto begin = static_cast<std::size_t>(element->value.data() - message.bytes.data());
    if (offset + sizeof(nlattr) >= begin && offset < begin + element->value.size())
      return element->value;
  }
  return std::nullopt;
}

}  // namespace

Explanation explain(const Refusal& refusal, const Batch& batch, ruleset::OwnerNames& owners) {
  Explanation result;
  Error& error = result.error;
  error.where = "table inet " + std::string(ruleset::kTable);
  error.hint = hint(refusal.error);
  error.what = "the kernel refuses the transaction";
  const auto message = batch.message(refusal.sequence);
  for (const MessageKind& kind : kKinds) {
    if (!message || message->type != kind.type || refusal.sequence == batch.first_sequence())
      continue;
    const auto object = find(message->attributes, kind.name);
    const std::string object_name(object ? object->string() : "?");
    error.what = std::string("the kernel refuses to ") + kind.what + " " + object_name;
    const bool inserts = kind.type == NFT_MSG_NEWSETELEM;
    if ((!inserts && kind.type != NFT_MSG_DELSETELEM) || !refusal.offset) break;
    const auto set = ruleset::parse_set_name(object_name, owners);
    const auto attributes = element_at(*message, *refusal.offset);
    if (!set || !attributes) break;
    ChainRefs chains(owners);
    const auto element = decode_element(*set, *attributes, chains);
    if (!element) break;
    if (inserts && !ruleset::is_prefix_set(set->kind)) result.inserted = element;
    error.what += ": " + to_text(*element, owners);
    break;
  }
  error.what += std::string(": ") + std::strerror(refusal.error);
  if (!refusal.message.empty()) error.what += " (" + refusal.message + ")";
  return result;
}

}  // namespace kproxy::apply
