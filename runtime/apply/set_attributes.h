// What nf_tables holds of a set or map besides its name and elements.
//
// A set made here is made of the same attributes that nft 1.0.6 gives it when it loads the same
// ruleset as text, with the user data that nft keeps for itself in the kernel: by that it lists
// the keys of endpoint maps rightly.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/ruleset/structure.h"
#include "runtime/apply/message_buffer.h"

namespace kproxy::apply {

struct SetAttributes {
  std::uint32_t flags = 0;                // NFT_SET_..
  std::uint32_t key_type = 0;             // nft's number; the kernel does not look at it
  std::uint32_t key_length = 0;           // bytes
  std::uint32_t data_type = 0;            // likewise nft's number, or NFT_DATA_VERDICT
  std::uint32_t data_length = 0;          // bytes
  std::uint32_t size = 0;                 // elements; 0: unbounded
  std::vector<std::uint32_t> fields{};    // of an interval set's concatenated key, in bytes
  std::vector<std::uint8_t> user_data{};  // for nft
  bool plain = true;                      // has nothing else: no timeout of its own, no expressions
  bool operator==(const SetAttributes&) const = default;
};

SetAttributes attributes_of(const ruleset::SetRef& set);

// Writes them as attributes of NFT_MSG_NEWSET, which the set's name and number in the batch go
// with.
void put(MessageBuffer& message, const SetAttributes& set, std::uint32_t id);

// Reads attributes of NFT_MSG_NEWSET.
SetAttributes read_set_attributes(Bytes attributes);
// How many elements the set has, where the kernel tells.
std::optional<std::uint32_t> read_count(Bytes attributes);

}  // namespace kproxy::apply
