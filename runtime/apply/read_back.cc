#include "runtime/apply/read_back.h"

#include <libnftnl/rule.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include "runtime/apply/encode_elements.h"
#include "runtime/apply/encode_rule.h"

namespace kproxy::apply {
namespace {

using ruleset::Element;
using ruleset::SetRef;

constexpr int kAttempts = 3;
constexpr std::size_t kMaxLacking = 64;  // of one set, found by asking for each element

Error read_error(std::string_view what, int error) {
  return Error{"table inet " + std::string(ruleset::kTable),
               "cannot read its " + std::string(what) + ": " + std::strerror(error),
               error == EPERM ? "needs CAP_NET_ADMIN in this network namespace" : ""};
}

// The elements of one set, each given to `on_element` by its attributes. ENOENT: no such set.
template <typename OnElement>
Ending list_elements(Conversation& conversation, std::string_view set_name, OnElement on_element) {
  MessageBuffer request;
  request.put_string(NFTA_SET_ELEM_LIST_TABLE, ruleset::kTable);
  request.put_string(NFTA_SET_ELEM_LIST_SET, set_name);
  return conversation.dump(NFT_MSG_GETSETELEM, NFPROTO_INET, request.bytes(),
                           [&](const Reply& reply) {
                             const auto list = find(reply.attributes, NFTA_SET_ELEM_LIST_ELEMENTS);
                             if (!list) return;
                             AttributeReader reader(list->value);
                             while (const auto element = reader.next()) on_element(element->value);
                           });
}

// One attempt at reading the table. Each part returns an errno, 0 if all is read.
class TableReader {
 public:
  TableReader(Conversation& conversation, ruleset::OwnerNames& owners, const Desired* desired,
              KernelState* before)
      : conversation_(conversation),
        owners_(owners),
        desired_(desired),
        before_(before),
        chain_refs_(owners) {
    of_table_.put_string(NFTA_TABLE_NAME, ruleset::kTable);  // the same number in all requests
  }

  int read_table() {
    const Ending ending = conversation_.get(
        NFT_MSG_GETTABLE, NFPROTO_INET, of_table_.bytes(), [&](const Reply& reply) {
          state_.present = true;
          if (const auto flags = find(reply.attributes, NFTA_TABLE_FLAGS))
            state_.flags = flags->be32();
        });
    return ending.error == ENOENT ? 0 : ending.error;
  }

  int read_chains() {
    return conversation_
        .dump(NFT_MSG_GETCHAIN, NFPROTO_INET, {}, [&](const Reply& reply) { add_chain(reply); })
        .error;
  }

  int read_rules() {
    return conversation_
        .dump(NFT_MSG_GETRULE, NFPROTO_INET, of_table_.bytes(),
              [&](const Reply& reply) { add_rule(reply); })
        .error;
  }

  int read_sets() {
    return conversation_
        .dump(NFT_MSG_GETSET, NFPROTO_INET, of_table_.bytes(),
              [&](const Reply& reply) {
                const auto name = find(reply.attributes, NFTA_SET_NAME);
                const auto flags = find(reply.attributes, NFTA_SET_FLAGS);
                // A set without a name of its own goes with the rule that it is written in.
                if (!name || (flags && (flags->be32() & NFT_SET_ANONYMOUS) != 0)) return;
                KernelSet set{.name = std::string(name->string()),
                              .ref = ruleset::parse_set_name(name->string(), owners_),
                              .attributes = read_set_attributes(reply.attributes),
                              .count = read_count(reply.attributes)};
                state_.sets.push_back(std::move(set));
              })
        .error;
  }

  int read_elements() {
    if (before_ != nullptr && before_->exact && before_->sets == state_.sets) {
      state_.elements = std::move(before_->elements);
      state_.foreign = std::move(before_->foreign);
      state_.confirmed = std::move(before_->confirmed);
      state_.lacking = std::move(before_->lacking);
      state_.differing = std::move(before_->differing);
      return 0;
    }
    for (const KernelSet& set : state_.sets) {
      if (!set.ref || ruleset::is_written_by_kernel(set.ref->kind)) continue;
      if (set.attributes != attributes_of(*set.ref)) continue;  // cannot have elements of ours
      if (desired_ != nullptr && set.count && !ruleset::traits(*set.ref).interval) {
        const std::optional<bool> confirmed = confirm(set);
        if (!confirmed) return error_;
        if (*confirmed) continue;
      }
      if (const int error = list(set); error != 0) return error;
    }
    return 0;
  }

  KernelState take() {
    std::vector<Element>& elements = state_.elements;
    std::sort(elements.begin(), elements.end(), ruleset::key_less);
    elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
    return std::move(state_);
  }
  bool present() const { return state_.present; }

 private:
  int list(const KernelSet& set) {
    const std::size_t elements = state_.elements.size(), foreign = state_.foreign.size();
    ElementDecoder decoder(*set.ref, chain_refs_, state_.elements, state_.foreign);
    const Ending ending =
        list_elements(conversation_, set.name, [&](Bytes attributes) { decoder.add(attributes); });
    decoder.finish();
    // Sets of intervals are small and come in one piece.
    const std::size_t listed = state_.elements.size() - elements + state_.foreign.size() - foreign;
    if (!ruleset::traits(*set.ref).interval && set.count != listed) state_.exact = false;
    return ending.error;
  }

  // Asks for the desired elements by their keys. Whether that told all about the set; nothing if it
  // could not be asked.
  std::optional<bool> confirm(const KernelSet& set) {
    const std::span<const Element> wanted = desired_->of(*set.ref);
    std::vector<Element> lacking, differing, have;
    std::vector<ForeignElement> foreign;
    for (std::size_t next = 0; next < wanted.size();) {
      const auto keys = wanted.subspan(next, std::min(wanted.size() - next, kMaxKeys));
      MessageBuffer request;
      put_keys(request, keys, owners_);
      have.clear();
      ElementDecoder decoder(*set.ref, chain_refs_, have, foreign);
      const Ending ending = conversation_.get(
          NFT_MSG_GETSETELEM, NFPROTO_INET, request.bytes(),
          [&](const Reply& reply) {
            const auto list = find(reply.attributes, NFTA_SET_ELEM_LIST_ELEMENTS);
            const auto element = list ? AttributeReader(list->value).next() : std::nullopt;
            if (element) decoder.add(element->value);
          },
          keys.size());
      if (ending.error != 0 && ending.error != ENOENT) {
        error_ = ending.error;
        return std::nullopt;
      }
      // The answers come in the order of the keys, up to one that is not there.
      if (!foreign.empty() || have.size() > keys.size()) return false;
      for (std::size_t i = 0; i < have.size(); ++i) {
        if (have[i] == keys[i]) continue;
        if (!ruleset::same_key(have[i], keys[i])) return false;
        differing.push_back(have[i]);
        lacking.push_back(keys[i]);
      }
      next += have.size();
      if (ending.error == ENOENT) lacking.push_back(wanted[next++]);
      // Many questions for few answers: a list is the better way.
      if (lacking.size() > kMaxLacking) return false;
    }
    if (*set.count != wanted.size() + differing.size() - lacking.size()) return false;
    state_.confirmed.insert(*set.ref);
    state_.lacking.insert(state_.lacking.end(), lacking.begin(), lacking.end());
    state_.differing.insert(state_.differing.end(), differing.begin(), differing.end());
    return true;
  }

  void add_chain(const Reply& reply) {
    const auto table = find(reply.attributes, NFTA_CHAIN_TABLE);
    const auto name = find(reply.attributes, NFTA_CHAIN_NAME);
    if (reply.family != NFPROTO_INET || !table || table->string() != ruleset::kTable || !name)
      return;
    // The same holds for a chain without a name of its own, `jump { ... }`.
    const auto flags = find(reply.attributes, NFTA_CHAIN_FLAGS);
    if (flags && (flags->be32() & NFT_CHAIN_BINDING) != 0) return;
    KernelChain chain{.name = std::string(name->string()),
                      .ref = ruleset::parse_chain_name(name->string(), owners_),
                      .hook = std::nullopt,
                      .rules = {}};
    if (const auto hook = find(reply.attributes, NFTA_CHAIN_HOOK)) {
      chain.hook.emplace();
      if (const auto number = find(hook->value, NFTA_HOOK_HOOKNUM))
        chain.hook->number = number->be32();
      if (const auto priority = find(hook->value, NFTA_HOOK_PRIORITY))
        chain.hook->priority = static_cast<std::int32_t>(priority->be32());
      if (const auto type = find(reply.attributes, NFTA_CHAIN_TYPE))
        chain.hook->type = type->string();
      if (const auto policy = find(reply.attributes, NFTA_CHAIN_POLICY))
        chain.hook->policy = policy->be32();
    }
    chains_.emplace(chain.name, state_.chains.size());
    state_.chains.push_back(std::move(chain));
  }

  void add_rule(const Reply& reply) {
    const NftnlRule rule(nftnl_rule_alloc());
    if (nftnl_rule_nlmsg_parse(reply.message, rule.get()) < 0) return;
    const char* table = nftnl_rule_get_str(rule.get(), NFTNL_RULE_TABLE);
    const char* chain = nftnl_rule_get_str(rule.get(), NFTNL_RULE_CHAIN);
    if (table == nullptr || chain == nullptr || table != ruleset::kTable) return;
    const auto found = chains_.find(chain);
    if (found != chains_.end())
      state_.chains[found->second].rules.push_back(canonical_text(rule.get()));
  }

  Conversation& conversation_;
  ruleset::OwnerNames& owners_;
  const Desired* const desired_;
  KernelState* const before_;
  int error_ = 0;  // of confirm()
  ChainRefs chain_refs_;
  MessageBuffer of_table_;
  KernelState state_;
  std::map<std::string, std::size_t, std::less<>> chains_;  // by name
};

}  // namespace

Result<KernelState> read_table(Conversation& conversation, ruleset::OwnerNames& owners,
                               const Desired* desired, KernelState* before) {
  struct Part {
    std::string_view what;
    int (TableReader::*read)();
  };
  constexpr Part kParts[] = {{"chains", &TableReader::read_chains},
                             {"rules", &TableReader::read_rules},
                             {"sets", &TableReader::read_sets},
                             {"elements", &TableReader::read_elements}};
  Error error;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    TableReader reader(conversation, owners, desired, before);
    if (const int code = reader.read_table(); code != 0) {
      error = read_error("presence", code);
      if (code == EPERM) break;
      continue;
    }
    if (!reader.present()) return KernelState{};
    bool complete = true;
    for (const Part& part : kParts) {
      if (const int code = (reader.*part.read)(); code != 0) {
        // ENOENT: somebody has just removed it; the next attempt sees what there is instead.
        error = read_error(part.what, code);
        complete = false;
        break;
      }
    }
    if (complete) return reader.take();
  }
  return error;
}

Result<std::vector<Client>> read_clients(Conversation& conversation, const SetRef& map,
                                         ruleset::OwnerNames& owners) {
  const std::string map_name = name(map, owners);
  Ending ending;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    std::vector<Client> clients;
    ChainRefs chain_refs(owners);
    ending = list_elements(conversation, map_name, [&](Bytes attributes) {
      const auto element = decode_element(map, attributes, chain_refs);
      if (!element) return;
      std::uint64_t remaining = 0;
      if (const auto left = find(attributes, NFTA_SET_ELEM_EXPIRATION))
        for (std::uint8_t byte : left->value) remaining = remaining << 8 | byte;
      clients.push_back({*element, remaining});
    });
    if (ending.error == 0 || ending.error == ENOENT) return clients;
  }
  return read_error("map " + map_name, ending.error);
}

}  // namespace kproxy::apply
