#include "runtime/apply/transaction.h"

#include <algorithm>

#include "runtime/apply/encode_elements.h"

namespace kproxy::apply {
namespace {

using ruleset::Chain;
using ruleset::Element;

// Elements between two looks at the batch's size, and what one takes of it, roughly.
constexpr std::size_t kPiece = 8192;
constexpr std::size_t kElementBytes = 64;

bool may_split(const Transaction& transaction, std::size_t split_bytes) {
  return !transaction.live && !transaction.replace_table &&
         transaction.change.insert.size() * kElementBytes > split_bytes;
}

bool has_new_chains(const Transaction& transaction) {
  const std::vector<Chain>& chains = transaction.change.add_chains;
  return transaction.live && !transaction.replace_table &&
         std::any_of(chains.begin(), chains.end(), [](const Chain& chain) { return !chain.hook; });
}

class TransactionWriter {
 public:
  TransactionWriter(const Transaction& transaction, const ruleset::OwnerNames& owners,
                    KnownNames& names, std::size_t split_bytes, Batch& batch,
                    const std::function<bool()>& send)
      : transaction_(transaction),
        change_(transaction.change),
        owners_(owners),
        names_(names),
        split_bytes_(may_split(transaction, split_bytes) ? split_bytes : 0),
        chains_first_(has_new_chains(transaction)),
        batch_(batch),
        send_(send) {}

  bool run() {
    if (transaction_.replace_table) put_table_removal(batch_, {1, std::string(ruleset::kTable)});
    if (transaction_.replace_table || transaction_.create_table) put_table(batch_);
    std::uint32_t set_id = 0;
    for (const ruleset::SetRef& set : change_.add_sets) put_set(batch_, set, ++set_id, owners_);
    for (const Chain& chain : change_.add_chains)
      if (!later(chain)) put_chain(batch_, chain, owners_);
    // Before the elements: for each rule that looks into a map the kernel walks all the map has.
    for (const Chain& chain : change_.add_chains)
      if (!later(chain)) put_new_rules(chain);
    if (chains_first_ && !send_()) return false;
    for (const Chain& chain : change_.replace_rules)
      put_rules_removal(batch_, name(chain.ref, owners_));
    if (!put_all_elements()) return false;
    for (const Chain& chain : change_.replace_rules) put_rules(batch_, chain, owners_);
    for (const TableName& table : transaction_.other_tables) put_table_removal(batch_, table);
    for (const Chain& chain : change_.add_chains) {
      if (!later(chain)) continue;
      put_chain(batch_, chain, owners_);
      put_new_rules(chain);
    }
    put_removals();
    return send_();
  }

 private:
  // Where there are several batches, base chains come in the last.
  bool later(const Chain& chain) const {
    return (split_bytes_ != 0 || chains_first_) && chain.hook.has_value();
  }

  void put_new_rules(const Chain& chain) {
    if (transaction_.chains_may_exist) put_rules_removal(batch_, name(chain.ref, owners_));
    put_rules(batch_, chain, owners_);
  }

  bool put_all_elements() {
    for (const ForeignElement& foreign : transaction_.foreign)
      put_foreign_erase(batch_, name(foreign.set, owners_), foreign.key);
    if (!put(ElementMessage::erase, change_.erase)) return false;
    for (const PrefixSet& set : transaction_.prefix_sets)
      put_prefix_set(batch_, set.set, set.elements, owners_);
    if (!put(ElementMessage::insert, change_.insert)) return false;
    return put(ElementMessage::destroy, transaction_.forget);
  }

  bool put(ElementMessage message, std::span<const Element> elements) {
    const auto of_prefix_set = [](const Element& e) { return is_prefix_set(e.set.kind); };
    while (!elements.empty()) {
      const bool skip = of_prefix_set(elements.front());
      const auto end = std::find_if(elements.begin(), elements.end(),
                                    [&](const Element& e) { return of_prefix_set(e) != skip; });
      auto run = elements.first(static_cast<std::size_t>(end - elements.begin()));
      elements = elements.subspan(run.size());
      while (!skip && !run.empty()) {
        const auto piece = run.first(split_bytes_ == 0 ? run.size() : std::min(run.size(), kPiece));
        put_elements(batch_, message, piece, names_);
        run = run.subspan(piece.size());
        if (split_bytes_ == 0 || batch_.size() < split_bytes_) continue;
        if (!send_()) return false;
      }
    }
    return true;
  }

  void put_removals() {
    // All their rules first: chains that go may point at each other, and at sets that go.
    for (const std::string& chain : transaction_.extra_chains) put_rules_removal(batch_, chain);
    for (const ruleset::ChainRef& chain : change_.remove_chains)
      put_rules_removal(batch_, name(chain, owners_));
    for (const std::string& set : transaction_.extra_sets) put_set_removal(batch_, set);
    for (const ruleset::SetRef& set : change_.remove_sets)
      put_set_removal(batch_, name(set, owners_));
    for (const std::string& chain : transaction_.extra_chains) put_chain_removal(batch_, chain);
    for (const ruleset::ChainRef& chain : change_.remove_chains)
      put_chain_removal(batch_, name(chain, owners_));
  }

  const Transaction& transaction_;
  const ruleset::Change& change_;
  const ruleset::OwnerNames& owners_;
  KnownNames& names_;
  const std::size_t split_bytes_;  // 0: not split
  const bool chains_first_;        // in a batch of their own
  Batch& batch_;
  const std::function<bool()>& send_;
};

}  // namespace

bool Transaction::empty() const {
  const ruleset::Change& c = change;
  return !replace_table && !create_table && c.add_sets.empty() && c.add_chains.empty() &&
         c.replace_rules.empty() && c.erase.empty() && c.insert.empty() &&
         c.remove_chains.empty() && c.remove_sets.empty() && prefix_sets.empty() &&
         foreign.empty() && extra_chains.empty() && extra_sets.empty() && forget.empty() &&
         other_tables.empty();
}

std::size_t Transaction::differences() const {
  const ruleset::Change& c = change;
  return c.add_sets.size() + c.add_chains.size() + c.replace_rules.size() + c.erase.size() +
         c.insert.size() + c.remove_chains.size() + c.remove_sets.size();
}

bool Transaction::hooks_first() const {
  return std::any_of(change.add_chains.begin(), change.add_chains.end(), [](const Chain& chain) {
    return chain.ref.kind == ruleset::ChainKind::prerouting;
  });
}

bool write(const Transaction& transaction, const ruleset::OwnerNames& owners, KnownNames& names,
           std::size_t split_bytes, Batch& batch, const std::function<bool()>& send) {
  return TransactionWriter(transaction, owners, names, split_bytes, batch, send).run();
}

}  // namespace kproxy::apply
