// The apply engine: brings the kernel's table to what was compiled, in transactions, and keeps it
// there.
//
// reconcile() once at the start (it adopts what is right), then apply() for each Change: its cost
// grows with the change alone; nothing is read from the kernel. verify() and reconcile() read the
// whole table back. Every transaction is applied whole or not at all; whatever goes wrong, packets
// see the old rules or the new. If the kernel refuses a change, or its answer is lost, the engine
// reads the table back, compares and tries again, three times in all; a table that cannot become
// what is wanted is replaced by the third.
//
// An element that the kernel refuses by itself is left out, reported (Applied::rejected) and not
// missed by verify(); everything else is applied.
//
// Not thread-safe; owned by one thread, and so are the Transport and the OwnerNames it uses.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/ruleset/change.h"
#include "compiler/types/error.h"
#include "runtime/apply/conversation.h"
#include "runtime/apply/difference.h"
#include "runtime/apply/transaction.h"

namespace kproxy::apply {

// An element that the kernel would not take.
struct Rejected {
  ruleset::Element element;
  Error error;
};

// What an apply() or reconcile() did. Counts are of what was committed.
struct Applied {
  std::size_t transactions = 0;
  std::size_t bytes = 0;     // sent
  std::size_t inserted = 0;  // elements
  std::size_t erased = 0;
  std::size_t forgotten = 0;  // entries of clients
  int attempts = 1;
  std::chrono::nanoseconds encode{};  // in the engine
  std::chrono::nanoseconds commit{};  // in the kernel
  std::size_t differences = 0;        // that reconcile() found
  std::vector<std::string> lines{};   // the first few of them
  bool tampered = false;              // apply() found the table not as it was left
  std::vector<Rejected> rejected{};
  Errors troubles{};  // of attempts that failed before one went well
};

class Engine {
 public:
  // Asked for only when a change alone is not enough.
  using Wanted = std::function<Desired()>;

  Engine(Transport& transport, ruleset::OwnerNames& owners);

  // Applies a change to a table that was as wanted before; `wanted` is what it is to be after.
  Result<Applied> apply(const ruleset::Change& change, const Wanted& wanted);

  // Makes the table what is wanted again, since somebody may have touched it. If nothing differs it
  // is read once, and nothing is sent. What was rejected stays out.
  Result<Applied> repair(const Wanted& wanted);

  // Makes the table what is wanted, whatever is there: nothing, the same, another version's.
  // `other_tables` (another proxy's, say) are removed in the same transaction; if ours is new, in
  // the one that hooks it.
  Result<Applied> reconcile(const Wanted& wanted, const std::vector<TableName>& other_tables = {});

  // Compares; changes nothing.
  Result<Differences> verify(const Wanted& wanted);

  Status remove_table();

  // Elements that the kernel does not take, of those that are wanted.
  const std::set<ruleset::Element>& rejected() const { return rejected_; }

  // Whoever may send messages on this Transport for himself (a dump of clients, say).
  Conversation& conversation() { return conversation_; }

  // Tests make it small, to see large loads split.
  void set_split_bytes(std::size_t bytes) { split_bytes_ = bytes; }

 private:
  enum class Outcome : std::uint8_t { committed, failed };
  using Clock = std::chrono::steady_clock;
  using PrefixSets = std::map<ruleset::SetRef, std::vector<ruleset::Element>>;

  Outcome send(const Transaction& transaction, Applied& applied);
  Outcome commit(Applied& applied, Clock::time_point begin = Clock::now());
  Result<Applied> retry(const Wanted& wanted, const std::vector<TableName>& other_tables,
                        Applied applied, int attempt);
  Result<Differences> compare(const Desired& desired);
  static PrefixSets prefix_sets_of(const Desired& desired);
  Transaction transaction_of(const Differences& differences, const ruleset::Change& change,
                             const PrefixSets& prefix_sets) const;
  using Entries = Result<std::vector<ruleset::Element>>;  // of clients maps
  Status add_ports(std::vector<Client>& clients);
  Entries clients_in(const std::set<ruleset::SetRef>& maps,
                     const std::function<bool(const ruleset::Element& client)>& concerned);
  Entries clients_to_forget(const ruleset::Change& change);
  Entries clients_of_nobody(const Desired& desired);
  void forget(const std::function<Entries()>& entries_to_forget, Applied& applied);
  bool can_destroy();
  ruleset::Change without_rejected(const ruleset::Change& change);

  Conversation conversation_;
  ruleset::OwnerNames& owners_;
  KnownNames names_;
  Batch batch_;
  std::size_t split_bytes_ = 1024 * 1024;
  PrefixSets prefix_sets_;               // as last committed: they are written whole
  std::set<ruleset::Element> rejected_;  // that the kernel will not take
  std::optional<bool> can_destroy_;
  Error last_error_;
  std::optional<ruleset::Element> culprit_;  // of the last refusal
  bool contradicted_ = false;                // it was: by what is in the table
};

}  // namespace kproxy::apply
