#include <CLI/CLI.hpp>

#include "compiler/kpcompile/command_line.h"
#include "compiler/kpcompile/compare.h"
#include "compiler/kpcompile/compilation.h"
#include "compiler/kpcompile/input.h"

namespace kproxy::kpcompile {
namespace {

constexpr const char* kExamples =
    R"(A and B are each a snapshot (a JSON file or a directory of *.json), which is compiled first with the
options given, or a ruleset that kpcompile wrote; - is standard input. Which one it is, is seen from
its content. Differences are told by Service: + added, - removed, ~ changed.

Examples:
  kpcompile diff --node worker-1 before.json after.json
  kpcompile diff --node worker-1 worker-1.nft cluster.json
  kpcompile worker-1.json | kpcompile diff worker-1.nft -

Exit status, as of diff(1): 0 the same, 1 different, 2 trouble.)";

// The whole text of an input that was begun to be looked at.
Result<std::string> rest_of(InputFile& file) {
  std::string text;
  const snapshot::ReadBytes read = file.reader();
  char buffer[16 * 1024];
  while (const std::size_t got = read(buffer, sizeof buffer)) text.append(buffer, got);
  if (file.error()) return *file.error();
  return text;
}

std::optional<NamedText> read_side(const Compiler& compiler, const std::string& path,
                                   Diagnostics& diagnostics) {
  const auto compile = [&compiler, &path](InputFile* file) -> std::optional<NamedText> {
    const auto compilation = file != nullptr ? compiler.compile(*file) : compiler.compile({path});
    if (!compilation) return std::nullopt;
    return NamedText{"the ruleset of " + path, Compiler::render(*compilation)};
  };
  if (is_directory(path)) return compile(nullptr);
  Result<InputFile> file = InputFile::open(path);
  if (!file) {
    diagnostics.error(file.error());
    return std::nullopt;
  }
  if (file->first_character() == '{') return compile(&*file);
  Result<std::string> text = rest_of(*file);
  if (!text) {
    diagnostics.error(text.error());
    return std::nullopt;
  }
  return NamedText{file->name(), std::move(text).value()};
}

}  // namespace

int diff_command(const Arguments& arguments) {
  CLI::App app("Tells how two rulesets differ, Service by Service.", "kpcompile diff");
  set_up(app, kExamples);
  std::string a, b;
  Diagnostics diagnostics;
  app.add_option("A", a, "snapshot or ruleset")->required()->type_name("");
  app.add_option("B", b, "snapshot or ruleset")->required()->type_name("");
  const Compiler compiler(app, diagnostics);
  if (const auto status = parse(app, arguments, kTrouble)) return *status;
  if (a == "-" && b == "-") {
    diagnostics.error({"", "standard input cannot be both sides", {}});
    return kTrouble;
  }

  const std::optional<NamedText> before = read_side(compiler, a, diagnostics);
  const std::optional<NamedText> after = read_side(compiler, b, diagnostics);
  if (!before || !after) return kTrouble;
  const Result<std::string> difference = compare(*before, *after);
  if (!difference) {
    diagnostics.error(difference.error());
    return kTrouble;
  }
  if (difference->empty()) return kSame;
  return write_all("", *difference, diagnostics) ? kDifferent : kTrouble;
}

}  // namespace kproxy::kpcompile
