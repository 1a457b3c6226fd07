// Elements as netlink messages: many to a message, written straight into the batch.
//
// This is where the time of a first load goes that is not the kernel's: an element costs some 60
// bytes and well below 100 ns, and no allocation.
#pragma once

#include <span>

#include "compiler/ruleset/element.h"
#include "runtime/apply/batch.h"
#include "runtime/apply/known_names.h"

namespace kproxy::apply {

// NFT_MSG_DESTROYSETELEM: deletes elements and does not mind if they are not there. Linux 6.3 and
// later; older headers do not have it.
inline constexpr std::uint16_t kDestroySetElement = 30;

enum class ElementMessage : std::uint8_t { insert, erase, destroy };

// All elements of one kind of message; runs of one set share messages. Not for prefix sets.
void put_elements(Batch& batch, ElementMessage message, std::span<const ruleset::Element> elements,
                  KnownNames& names);

// A prefix set whole: what it has goes, these elements come.
//
// The kernel keeps interval ends in a tree: a prefix is an element where it begins and another,
// flagged as an end, one past its last address. Nothing is past the highest address there is: such
// a prefix has no end, and nft notes that it is open in its user data. nft puts an end at zero
// before everything else unless a prefix begins there.
void put_prefix_set(Batch& batch, const ruleset::SetRef& set,
                    std::span<const ruleset::Element> elements, const ruleset::OwnerNames& owners);

// Asks for elements of one set by their keys (attributes of NFT_MSG_GETSETELEM); few enough for one
// message.
inline constexpr std::size_t kMaxKeys = 512;
void put_keys(MessageBuffer& request, std::span<const ruleset::Element> elements,
              const ruleset::OwnerNames& owners);

// Deletes an element that is no element of ours by the attributes of its key (as the kernel listed
// them).
void put_foreign_erase(Batch& batch, std::string_view set_name, Bytes key_attributes);

}  // namespace kproxy::apply
