// Elements as the kernel lists them, back into Elements.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "compiler/ruleset/element.h"
#include "runtime/apply/message_buffer.h"

namespace kproxy::apply {

// An element that is none of ours: nothing that kproxy writes looks like that.
struct ForeignElement {
  ruleset::SetRef set;
  std::vector<std::uint8_t> key;  // the attributes that name it to the kernel
  std::string text;               // for people
};

// What chains' names stand for, remembered. Names of unknown owners are interned. Not thread-safe.
class ChainRefs {
 public:
  explicit ChainRefs(ruleset::OwnerNames& owners) : owners_(owners) {}
  std::optional<ruleset::ChainRef> of(std::string_view name);

 private:
  ruleset::OwnerNames& owners_;
  std::unordered_map<std::string, std::optional<ruleset::ChainRef>> known_;
  std::string last_name_;
  std::optional<ruleset::ChainRef> last_;
};

// Decodes the elements of one set (each given by the attributes of an element) and appends them.
class ElementDecoder {
 public:
  ElementDecoder(const ruleset::SetRef& set, ChainRefs& chains,
                 std::vector<ruleset::Element>& elements, std::vector<ForeignElement>& foreign);

  void add(Bytes attributes);
  // Call when all are added: prefixes are only then put together from their ends.
  void finish();

 private:
  struct IntervalEnd {
    Address address;
    bool begins;  // else: one past the last address
  };

  void add_foreign(Bytes attributes);
  void add_range(const Address& first, const Address& last);

  const ruleset::SetRef set_;
  const bool prefix_set_;
  ChainRefs& chains_;
  std::vector<ruleset::Element>& elements_;
  std::vector<ForeignElement>& foreign_;
  std::vector<IntervalEnd> ends_;
};

// One element of a message of ours, to name it; one that is erased has no data. Nothing for an end
// of an interval.
std::optional<ruleset::Element> decode_element(const ruleset::SetRef& set, Bytes attributes,
                                               ChainRefs& chains);

}  // namespace kproxy::apply
