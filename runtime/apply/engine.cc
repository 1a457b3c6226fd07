#include "runtime/apply/engine.h"

#include <linux/netfilter.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>
#include <span>
#include <thread>

#include "runtime/apply/encode_elements.h"
#include "runtime/apply/explain_refusal.h"

namespace kproxy::apply {
namespace {

using ruleset::Change;
using ruleset::Element;
using ruleset::SetKind;
using ruleset::SetRef;

constexpr int kAttempts = 3;
constexpr auto kBackoff = std::chrono::milliseconds(20);  // doubled each time
// Elements left out one by one before the engine gives up: then something else is wrong.
constexpr std::size_t kMaxRejected = 64;
constexpr int kForgetRounds = 5;
constexpr std::size_t kForgetAtOnce = 1000;  // so that what expires meanwhile spoils little
constexpr int kMaxReads = 4;                 // until two in a row agree
constexpr std::uint16_t kDestroyTable = 26;  // NFT_MSG_DESTROYTABLE, Linux 6.3

// Whether a client entry leads to that endpoint. A packet enters address and port of an IPv6 one
// in two steps, so that the port may be another packet's: the address decides.
bool same_endpoint(const Element& endpoint, const Element& client) {
  return endpoint.set == client.set && endpoint.other == client.other &&
         (client.set.family == Family::ipv6 || endpoint.other_port == client.other_port);
}

// An entry of a clients map, with the one beside it that has the port of an IPv6 endpoint.
void append_entry(const Element& client, std::vector<Element>& entries) {
  entries.push_back(client);
  if (client.set.family == Family::ipv4) return;
  entries.push_back(client);
  entries.back().set.kind = SetKind::client_ports;
}

// Whether a refusal is because of what the table holds, and not of who asks or of what is free.
bool is_contradiction(int error) {
  return error == ENOENT || error == EEXIST || error == EBUSY || error == EOPNOTSUPP ||
         error == EINVAL;
}

// Whether a refusal is because of the moment, whatever was asked for.
bool is_passing(int error) {
  return error == ENOMEM || error == ENOBUFS || error == EAGAIN || error == EINTR || error == EPERM;
}

void sort_by_key(std::vector<Element>& elements) {
  if (!std::is_sorted(elements.begin(), elements.end(), ruleset::key_less))
    std::sort(elements.begin(), elements.end(), ruleset::key_less);
}

}  // namespace

Engine::Engine(Transport& transport, ruleset::OwnerNames& owners)
    : conversation_(transport), owners_(owners), names_(owners), batch_(0) {}

// Sends the batch. If its answer is missing it may have been applied or not: whoever wants to know
// reads the table.
Engine::Outcome Engine::commit(Applied& applied, Clock::time_point begin) {
  batch_.finish();
  culprit_.reset();
  contradicted_ = false;
  const Answer answer = conversation_.transact(batch_);
  applied.commit += Clock::now() - begin;
  applied.bytes += batch_.size();
  switch (answer.kind) {
    case Answer::Kind::committed:
      ++applied.transactions;
      return Outcome::committed;
    case Answer::Kind::refused: {
      const int error = answer.refusals.front().error;
      Explanation explanation = explain(answer.refusals.front(), batch_, owners_);
      last_error_ = std::move(explanation.error);
      if (!is_passing(error)) culprit_ = explanation.inserted;
      contradicted_ = !culprit_ && is_contradiction(error);
      break;
    }
    case Answer::Kind::unclear:
      last_error_ = Error{
          "table inet " + std::string(ruleset::kTable),
          "the kernel's answer to a transaction is missing" +
              (answer.error == 0 ? std::string() : std::string(": ") + std::strerror(answer.error)),
          ""};
      break;
  }
  return Outcome::failed;
}

Engine::Outcome Engine::send(const Transaction& transaction, Applied& applied) {
  Outcome outcome = Outcome::committed;
  auto begin = Clock::now();
  batch_.begin(conversation_.next_sequence());
  const auto send_piece = [&] {
    const auto encoded = Clock::now();
    applied.encode += encoded - begin;
    if (!batch_.empty()) outcome = commit(applied, encoded);
    begin = Clock::now();
    batch_.begin(conversation_.next_sequence());
    return outcome == Outcome::committed;
  };
  write(transaction, owners_, names_, split_bytes_, batch_, std::ref(send_piece));
  if (outcome != Outcome::committed) return outcome;
  applied.inserted += transaction.change.insert.size();
  applied.erased += transaction.change.erase.size() + transaction.foreign.size();
  applied.forgotten += transaction.forget.size();
  for (const PrefixSet& set : transaction.prefix_sets) prefix_sets_[set.set] = set.elements;
  return outcome;
}

Result<Applied> Engine::apply(const Change& whole, const Wanted& wanted) {
  Applied applied;
  std::optional<Change> filtered;
  if (!rejected_.empty()) filtered = without_rejected(whole);
  const Change& change = filtered ? *filtered : whole;

  // What the prefix sets that the change touches are to have.
  PrefixSets prefix_sets;
  const auto touched = [&](const SetRef& set) -> std::vector<Element>& {
    return prefix_sets.try_emplace(set, prefix_sets_[set]).first->second;
  };
  for (const Element& element : change.erase)
    if (is_prefix_set(element.set.kind)) std::erase(touched(element.set), element);
  for (const Element& element : change.insert)
    if (is_prefix_set(element.set.kind)) touched(element.set).push_back(element);

  Transaction transaction{.change = change};
  transaction.create_table = transaction.hooks_first();
  transaction.live = !transaction.create_table;
  for (auto& [set, elements] : prefix_sets)
    transaction.prefix_sets.push_back({set, std::move(elements)});
  if (!change.forget.empty() && can_destroy())
    if (Entries entries = clients_to_forget(change)) transaction.forget = std::move(*entries);
  if (!transaction.empty()) {
    if (send(transaction, applied) != Outcome::committed) {
      // Refused for what the table holds: somebody else was there. Unless the element that was
      // refused turns out to be one that the kernel does not take.
      const bool contradicted = contradicted_ || culprit_;
      applied.troubles.push_back(last_error_);
      auto result = retry(wanted, {}, std::move(applied), 2);
      if (!result) return result;
      applied = std::move(*result);
      applied.tampered = applied.rejected.empty() &&
                         (contradicted || applied.differences > transaction.differences());
    }
  }
  // A packet that was on its way while the transaction was committed may have entered an endpoint
  // again.
  if (!change.forget.empty()) forget([&] { return clients_to_forget(change); }, applied);
  return applied;
}

Result<Applied> Engine::repair(const Wanted& wanted) {
  return retry(wanted, {}, Applied{}, 1);
}

Result<Applied> Engine::reconcile(const Wanted& wanted,
                                  const std::vector<TableName>& other_tables) {
  rejected_.clear();  // perhaps it takes them now
  return retry(wanted, other_tables, Applied{}, 1);
}

// Reads back, compares and sends what differs, from that attempt on.
Result<Applied> Engine::retry(const Wanted& wanted, const std::vector<TableName>& other_tables,
                              Applied applied, int attempt) {
  Desired desired = wanted();
  sort_by_key(desired.elements);
  const PrefixSets prefix_sets = prefix_sets_of(desired);
  bool contradicted = false;  // what was just read could not be changed
  for (; attempt <= kAttempts; ++attempt) {
    applied.attempts = attempt;
    if (!applied.troubles.empty()) std::this_thread::sleep_for(kBackoff * (1 << (attempt - 1)));
    auto differences = compare(desired);
    if (!differences) {
      last_error_ = differences.error();
      applied.troubles.push_back(last_error_);
      continue;
    }
    applied.differences += differences->count;
    applied.lines.insert(applied.lines.end(), differences->lines.begin(), differences->lines.end());
    // What is there cannot be changed into what is wanted, for whatever reason: all of it anew.
    if (attempt == kAttempts && contradicted && !differences->no_table)
      *differences = Differences{.replace_table = true};
    Change change = std::move(differences->change);
    const bool all = differences->no_table || differences->replace_table;
    if (all) {
      change.add_sets = desired.structure.sets;
      change.add_chains = desired.structure.chains;
      change.insert = std::move(desired.elements);  // they are many: lent until this is sent
      if (!rejected_.empty())
        std::erase_if(change.insert, [&](const Element& e) { return rejected_.contains(e); });
    }
    Transaction transaction = transaction_of(*differences, change, prefix_sets);
    transaction.other_tables = other_tables;

    Outcome outcome = transaction.empty() ? Outcome::committed : send(transaction, applied);
    // What is refused now is refused although the table was just read: by itself. The rest of the
    // transaction goes without it.
    while (outcome == Outcome::failed && culprit_ && rejected_.size() < kMaxRejected) {
      const auto found = std::find(change.insert.begin(), change.insert.end(), *culprit_);
      if (found == change.insert.end()) break;
      rejected_.insert(*found);
      applied.rejected.push_back({*found, last_error_});
      change.insert.erase(found);
      outcome = send(transaction, applied);
    }
    if (all) desired.elements = std::move(change.insert);
    if (outcome == Outcome::committed) {
      prefix_sets_ = prefix_sets;
      // Endpoints may have gone while nobody was there to see it.
      forget([&] { return clients_of_nobody(desired); }, applied);
      return applied;
    }
    contradicted = contradicted_;
    applied.troubles.push_back(last_error_);
  }
  return last_error_;
}

Engine::PrefixSets Engine::prefix_sets_of(const Desired& desired) {
  PrefixSets prefix_sets;
  for (const SetRef& set : desired.structure.sets)
    if (is_prefix_set(set.kind)) prefix_sets[set];
  for (const Element& element : desired.elements)
    if (is_prefix_set(element.set.kind)) prefix_sets[element.set].push_back(element);
  return prefix_sets;
}

Transaction Engine::transaction_of(const Differences& differences, const Change& change,
                                   const PrefixSets& prefix_sets) const {
  Transaction transaction{.change = change};
  transaction.create_table = differences.no_table || differences.dormant;
  transaction.replace_table = differences.replace_table;
  transaction.live = differences.hooked;
  transaction.chains_may_exist = true;
  if (differences.no_table || differences.replace_table) {
    for (const auto& [set, elements] : prefix_sets)
      transaction.prefix_sets.push_back({set, elements});
    return transaction;
  }
  transaction.foreign = differences.foreign;
  transaction.extra_chains = differences.extra_chains;
  transaction.extra_sets = differences.extra_sets;
  for (const SetRef& set : differences.rewrite) {
    const auto wanted = prefix_sets.find(set);
    transaction.prefix_sets.push_back(
        {set, wanted == prefix_sets.end() ? std::vector<Element>() : wanted->second});
  }
  return transaction;
}

// A difference counts only if it is seen twice in a row: the kernel's lists may lie while a map
// grows or somebody else's transactions pass, see read_back.h. Only that there is no table is
// certain.
Result<Differences> Engine::compare(const Desired& desired) {
  const std::vector<Element> except(rejected_.begin(), rejected_.end());
  std::optional<Differences> before;
  KernelState last;
  last.exact = false;  // nothing is known
  for (int i = 0; i < kMaxReads; ++i) {
    auto state = read_table(conversation_, owners_, &desired, &last);
    if (!state) return state.error();
    Differences now = difference(*state, desired, owners_, except);
    const bool certain = !state->present || now.none() || (state->exact && !now.structure);
    if (certain || (before && before->count == now.count && before->lines == now.lines)) return now;
    before = std::move(now);
    last = std::move(*state);
  }
  return std::move(*before);
}

Result<Differences> Engine::verify(const Wanted& wanted) {
  Desired desired = wanted();
  sort_by_key(desired.elements);
  return compare(desired);
}

Status Engine::remove_table() {
  Applied applied;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    batch_.begin(conversation_.next_sequence());
    put_table_removal(batch_, {NFPROTO_INET, std::string(ruleset::kTable)});
    if (commit(applied) == Outcome::committed) {
      prefix_sets_.clear();
      rejected_.clear();
      return ok_status();
    }
    std::this_thread::sleep_for(kBackoff * (1 << attempt));
  }
  return last_error_;
}

// IPv6 endpoints are remembered in two maps: gives each client the port that the other one has.
Status Engine::add_ports(std::vector<Client>& clients) {
  if (clients.empty()) return ok_status();
  SetRef map = clients.front().element.set;
  map.kind = SetKind::client_ports;
  const auto ports = read_clients(conversation_, map, owners_);
  if (!ports) return ports.error();
  std::map<Address, Port> port_of;
  for (const Client& client : *ports) port_of[client.element.address] = client.element.other_port;
  for (Client& client : clients)
    if (const auto found = port_of.find(client.element.address); found != port_of.end())
      client.element.other_port = found->second;
  return ok_status();
}

// Entries of the clients maps, as put_elements() wants them.
Engine::Entries Engine::clients_in(const std::set<SetRef>& maps,
                                   const std::function<bool(const Element&)>& concerned) {
  std::vector<Element> entries;
  for (const SetRef& map : maps) {
    auto clients = read_clients(conversation_, map, owners_);
    if (!clients) return clients.error();
    if (map.family == Family::ipv6)
      if (const Status ports = add_ports(*clients); !ports) return ports.error();
    for (const Client& client : *clients)
      if (concerned(client.element)) append_entry(client.element, entries);
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

// Those that point at endpoints to forget.
Engine::Entries Engine::clients_to_forget(const Change& change) {
  std::set<SetRef> maps;
  for (const Element& endpoint : change.forget) maps.insert(endpoint.set);
  return clients_in(maps, [&](const Element& client) {
    return std::any_of(change.forget.begin(), change.forget.end(),
                       [&](const Element& e) { return same_endpoint(e, client); });
  });
}

// Those that point at endpoints nobody may be remembered for.
Engine::Entries Engine::clients_of_nobody(const Desired& desired) {
  std::set<SetRef> maps;
  for (const SetRef& map : desired.structure.sets)
    if (map.kind == SetKind::clients) maps.insert(map);
  return clients_in(maps, [&](const Element& client) {
    Element endpoint{.set = client.set};
    endpoint.set.kind = SetKind::rememberable;
    endpoint.other = client.other;
    endpoint.other_port = client.other_port;
    return !std::binary_search(desired.elements.begin(), desired.elements.end(), endpoint,
                               ruleset::key_less);
  });
}

// Deletes entries of clients maps until none is left to delete.
void Engine::forget(const std::function<Entries()>& entries_to_forget, Applied& applied) {
  bool all = true;
  for (int round = 0; round < kForgetRounds; ++round) {
    const Entries entries = entries_to_forget();
    if (!entries) return applied.troubles.push_back(entries.error());
    if (entries->empty()) return;
    // Without "destroy" an entry that expires meanwhile gets the batch refused; another round then.
    const auto message = can_destroy() ? ElementMessage::destroy : ElementMessage::erase;
    std::span<const Element> left = *entries;
    all = true;
    while (!left.empty()) {
      const auto piece = left.first(std::min(left.size(), kForgetAtOnce));
      left = left.subspan(piece.size());
      batch_.begin(conversation_.next_sequence());
      put_elements(batch_, message, piece, names_);
      if (commit(applied) == Outcome::committed)
        applied.forgotten += piece.size();
      else
        all = false;
    }
  }
  if (!all) applied.troubles.push_back(last_error_);
}

// Whether the kernel has messages that delete what may not be there. Older ones refuse a batch with
// a message they do not know; on newer ones this one does nothing.
bool Engine::can_destroy() {
  if (!can_destroy_) {
    batch_.begin(conversation_.next_sequence());
    batch_.begin_message(kDestroyTable, 0);
    batch_.attributes().put_string(NFTA_TABLE_NAME, "kproxy-there-is-no-such-table");
    batch_.end_message();
    batch_.finish();
    const Answer answer = conversation_.transact(batch_);
    if (answer.kind == Answer::Kind::unclear) return false;  // ask again next time
    can_destroy_ = answer.kind == Answer::Kind::committed;
  }
  return *can_destroy_;
}

// What was never inserted need not be erased.
Change Engine::without_rejected(const Change& change) {
  Change result = change;
  std::erase_if(result.erase, [&](const Element& e) { return rejected_.erase(e) > 0; });
  return result;
}

}  // namespace kproxy::apply
