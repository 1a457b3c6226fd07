#include "runtime/apply/difference.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <map>
#include <set>

#include "runtime/apply/encode_rule.h"
#include "runtime/apply/encode_structure.h"

namespace kproxy::apply {
namespace {

using ruleset::Chain;
using ruleset::Element;
using ruleset::SetRef;

constexpr std::size_t kMaxLines = 20;

class Comparison {
 public:
  Comparison(const KernelState& kernel, const Desired& desired, const ruleset::OwnerNames& owners,
             std::span<const Element> except)
      : kernel_(kernel), desired_(desired), owners_(owners), except_(except) {}

  Differences run() {
    if (!kernel_.present) {
      result_.no_table = result_.structure = true;
      note("the table ", ruleset::kTable, " is not there");
      return std::move(result_);
    }
    if ((kernel_.flags & NFT_TABLE_F_DORMANT) != 0) {
      result_.dormant = true;
      note("the table ", ruleset::kTable, " is dormant");
    }
    result_.hooked = std::any_of(kernel_.chains.begin(), kernel_.chains.end(),
                                 [](const KernelChain& chain) { return chain.hook.has_value(); });
    compare_sets();
    compare_chains();
    result_.structure = !result_.none();
    if (result_.replace_table) {
      result_.change = {};
      return std::move(result_);
    }
    compare_elements();
    for (const ForeignElement& foreign : kernel_.foreign) {
      if (!set_wanted(foreign.set)) continue;
      note("set ", name(foreign.set, owners_), ": has ", foreign.text);
      if (ruleset::is_prefix_set(foreign.set.kind))
        rewrite_.insert(foreign.set);
      else
        result_.foreign.push_back(foreign);
    }
    result_.rewrite.assign(rewrite_.begin(), rewrite_.end());
    return std::move(result_);
  }

 private:
  template <typename... Part>
  void note(const Part&... parts) {
    ++result_.count;
    if (result_.lines.size() >= kMaxLines) return;
    std::string line;
    (line.append(parts), ...);
    result_.lines.push_back(std::move(line));
  }

  // Puts words together only for lines that are wanted: there may be elements by the ten thousands.
  void note_element(const Element& element, std::string_view how) {
    if (result_.lines.size() >= kMaxLines)
      ++result_.count;
    else
      note("set ", name(element.set, owners_), how, to_text(element, owners_));
  }

  void compare_sets() {
    std::map<SetRef, const KernelSet*> there;
    for (const KernelSet& set : kernel_.sets)
      if (set.ref) there.emplace(*set.ref, &set);
    for (const SetRef& set : desired_.structure.sets) {
      wanted_.insert(set);
      const auto found = there.find(set);
      if (found == there.end()) {
        note("set ", name(set, owners_), " is not there");
        result_.change.add_sets.push_back(set);
      } else if (found->second->attributes != attributes_of(set)) {
        note("set ", name(set, owners_), " is of another kind");
        result_.replace_table = true;
      }
    }
    for (const KernelSet& set : kernel_.sets) {
      if (set.ref && set_wanted(*set.ref)) continue;
      note("set ", set.name, " should not be there");
      result_.extra_sets.push_back(set.name);
    }
  }

  bool set_wanted(const SetRef& set) const { return wanted_.contains(set); }

  static std::optional<KernelHook> hook_of(const Chain& chain) {
    if (!chain.hook) return std::nullopt;
    return KernelHook{hook_number(chain.hook->point), chain.hook->priority, "nat", NF_ACCEPT};
  }

  void compare_chains() {
    std::map<ruleset::ChainRef, const KernelChain*> there;
    for (const KernelChain& chain : kernel_.chains)
      if (chain.ref) there.emplace(*chain.ref, &chain);
    for (const Chain& chain : desired_.structure.chains) {
      const auto found = there.find(chain.ref);
      if (found == there.end()) {
        note("chain ", name(chain.ref, owners_), " is not there");
        result_.change.add_chains.push_back(chain);
        continue;
      }
      const KernelChain& kernel_chain = *found->second;
      there.erase(found);
      if (kernel_chain.hook != hook_of(chain)) {
        note("chain ", kernel_chain.name, " is hooked in another way");
        result_.replace_table = true;
      } else if (!same_rules(chain, kernel_chain)) {
        note("chain ", kernel_chain.name, ": has other rules");
        result_.change.replace_rules.push_back(chain);
      }
    }
    std::set<std::string> extra;
    for (const auto& [ref, chain] : there) extra.insert(chain->name);
    for (const KernelChain& chain : kernel_.chains)
      if (!chain.ref) extra.insert(chain.name);
    for (const std::string& chain : extra) {
      note("chain ", chain, " should not be there");
      result_.extra_chains.push_back(chain);
    }
  }

  bool same_rules(const Chain& chain, const KernelChain& kernel_chain) const {
    return std::equal(chain.rules.begin(), chain.rules.end(), kernel_chain.rules.begin(),
                      kernel_chain.rules.end(),
                      [&](const ruleset::Rule& rule, const std::string& text) {
                        return canonical_text(encode(rule, owners_).get()) == text;
                      });
  }

  bool excepted(const Element& element) const {
    return std::binary_search(except_.begin(), except_.end(), element);
  }

  void missing(const Element& element) {
    if (excepted(element)) return;
    note_element(element, ": lacks ");
    if (ruleset::is_prefix_set(element.set.kind))
      rewrite_.insert(element.set);
    else
      result_.change.insert.push_back(element);
  }

  void unwanted(const Element& element) {
    if (!set_wanted(element.set)) return;  // goes with its set
    note_element(element, ": has ");
    if (ruleset::is_prefix_set(element.set.kind))
      rewrite_.insert(element.set);
    else
      result_.change.erase.push_back(element);
  }

  // Elements of confirmed sets are known to be as wanted, but for what is lacking and differing.
  void compare_elements() {
    for (const Element& element : kernel_.differing) unwanted(element);
    for (const Element& element : kernel_.lacking) missing(element);
    auto have = kernel_.elements.begin();
    auto want = desired_.elements.begin();
    while (have != kernel_.elements.end() || want != desired_.elements.end()) {
      if (want != desired_.elements.end() && kernel_.confirmed.contains(want->set)) {
        const auto confirmed = desired_.of(want->set);
        want += static_cast<std::ptrdiff_t>(confirmed.size());
        continue;
      }
      const bool have_first = want == desired_.elements.end() ||
                              (have != kernel_.elements.end() && ruleset::key_less(*have, *want));
      const bool want_first =
          !have_first && (have == kernel_.elements.end() || ruleset::key_less(*want, *have));
      if (have_first) {
        unwanted(*have++);
      } else if (want_first) {
        missing(*want++);
      } else {  // the same key
        if (*have != *want) {
          unwanted(*have);
          missing(*want);
        }
        ++have;
        ++want;
      }
    }
  }

  const KernelState& kernel_;
  const Desired& desired_;
  const ruleset::OwnerNames& owners_;
  const std::span<const Element> except_;
  std::set<SetRef> wanted_;
  std::set<SetRef> rewrite_;
  Differences result_;
};

}  // namespace

Differences difference(const KernelState& kernel, const Desired& desired,
                       const ruleset::OwnerNames& owners, std::span<const Element> except) {
  return Comparison(kernel, desired, owners, except).run();
}

}  // namespace kproxy::apply
