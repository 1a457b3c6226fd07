// A ruleset as canonical nft text: the same ruleset gives the same bytes. One element a line, with
// the Service it stems from as a comment that costs nothing in the kernel. `nft -f` (1.0.6 and
// later) loads it, replacing the table in one transaction.
#pragma once

#include <functional>
#include <string_view>

#include "compiler/ruleset/ruleset.h"

namespace kproxy::ruleset {

using WriteText = std::function<void(std::string_view)>;

// Writes in pieces of some 64 KiB, so that no second copy of a large text is held.
void render(const Ruleset& ruleset, const WriteText& write);

}  // namespace kproxy::ruleset
