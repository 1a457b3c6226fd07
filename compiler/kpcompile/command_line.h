// What the commands' command lines have in common: parsing, --help, --version, wrong usage.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "compiler/kpcompile/command.h"

namespace CLI {
class App;
}

namespace kproxy::kpcompile {

// Adds --help and --version, and what the help says after the options.
void set_up(CLI::App& app, std::string examples);

// Nothing: go on. Else the exit status: kDone after --help and --version (on stdout), and
// `wrong_usage` after a line on stderr that says what is wrong.
std::optional<int> parse(CLI::App& app, const Arguments& arguments, int wrong_usage);

}  // namespace kproxy::kpcompile
