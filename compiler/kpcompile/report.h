// A compiled ruleset in numbers, for people and for programs.
#pragma once

#include <string>

#include "compiler/kpcompile/compilation.h"
#include "compiler/ruleset/render.h"

namespace kproxy::kpcompile {

// Counts, laid out for reading.
std::string to_stats(const Compilation& compilation);

// Counts, and all Services with their frontends and endpoints, as one JSON object. Written in
// pieces; nothing larger than a piece is held.
void write_json(const Compilation& compilation, const ruleset::WriteText& write);

}  // namespace kproxy::kpcompile
