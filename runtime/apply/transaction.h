// All that one change of the table consists of, and its way into batches.
//
// The order is the same always: sets, new chains, their rules, elements that go and that come,
// rules that replace others, chains and sets that are no longer needed. So everything is there
// before something points at it, and new rules come while their maps are empty: the kernel looks at
// all that a map has for each rule.
//
// Usually that is one batch. While no base chain is hooked, no packet meets any of it: then a large
// change may go in several batches, each of them correct, with the base chains in the last one.
//
// New chains of a table that packets meet come in a batch of their own, with what they need: the
// kernel runs all chains a packet comes to in the generation in which it began, but looks into maps
// in the generation of that moment. A verdict that led to a chain of the same batch could lead a
// packet into it that finds it empty, and would leave the table as no Service's.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/ruleset/change.h"
#include "runtime/apply/batch.h"
#include "runtime/apply/decode_elements.h"
#include "runtime/apply/encode_structure.h"
#include "runtime/apply/known_names.h"

namespace kproxy::apply {

struct PrefixSet {
  ruleset::SetRef set;
  std::vector<ruleset::Element> elements;  // all it is to have
};

// Refers to the change; elements of prefix sets in it are passed over (see prefix_sets).
struct Transaction {
  const ruleset::Change& change;
  bool replace_table = false;  // what is there goes first
  bool create_table = false;
  bool live = false;              // base chains are hooked: packets meet the table
  bool chains_may_exist = false;  // those to add: what rules they may have goes first
  std::vector<PrefixSet> prefix_sets{};
  std::vector<ForeignElement> foreign{};    // elements of others', to erase
  std::vector<std::string> extra_chains{};  // to remove, by name
  std::vector<std::string> extra_sets{};
  std::vector<ruleset::Element> forget{};  // entries of `clients` maps, client by client
  std::vector<TableName> other_tables{};   // to remove as the base chains come

  bool empty() const;
  // As many as there are between what was before and what it makes, see Differences::count.
  std::size_t differences() const;
  // Whether it hooks base chains that do not exist yet.
  bool hooks_first() const;
};

// Calls `send` each time a batch is ready to go: once, or where it may be split whenever a batch is
// larger than `split_bytes`. Gives up when that returns false, and returns what it returned last.
bool write(const Transaction& transaction, const ruleset::OwnerNames& owners, KnownNames& names,
           std::size_t split_bytes, Batch& batch, const std::function<bool()>& send);

}  // namespace kproxy::apply
