#include "compiler/kpcompile/compilation.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "compiler/kpcompile/input.h"
#include "compiler/ruleset/render.h"
#include "compiler/ruleset/tracker.h"
#include "compiler/snapshot/collector.h"

namespace kproxy::kpcompile {

Compiler::Compiler(CLI::App& app, Diagnostics& diagnostics)
    : flags_(app), diagnostics_(diagnostics) {
  app.add_flag("--strict", strict_, "fail on anything that is told on standard error");
}

std::optional<Compilation> Compiler::compile(const std::vector<std::string>& paths) const {
  const std::optional<options::Options> options = read_options();
  if (!options) return std::nullopt;
  const Result<std::vector<std::string>> files = snapshot_files(paths);
  if (!files) {
    diagnostics_.error(files.error());
    return std::nullopt;
  }
  Cluster cluster;
  for (const std::string& path : *files) {
    Result<InputFile> file = InputFile::open(path);
    if (!file) diagnostics_.error(file.error());
    if (!file || !load(*file, cluster)) return std::nullopt;
  }
  return build(*options, std::move(cluster));
}

std::optional<Compilation> Compiler::compile(InputFile& file) const {
  const std::optional<options::Options> options = read_options();
  Cluster cluster;
  if (!options || !load(file, cluster)) return std::nullopt;
  return build(*options, std::move(cluster));
}

std::optional<options::Options> Compiler::read_options() const {
  const options::Configuration configuration = flags_.configuration(read_text);
  diagnostics_.warnings(configuration.warnings);
  diagnostics_.errors(configuration.errors);
  if (!configuration.errors.empty()) return std::nullopt;
  return configuration.options;
}

bool Compiler::load(InputFile& file, Cluster& cluster) const {
  snapshot::Diagnostics told;
  snapshot::Collector collector(file.name(), cluster.snapshot, told);
  const Status decoded =
      snapshot::Decoder(*cluster.names)
          .decode(
              file.name(), file.reader(),
              [&collector](snapshot::Object object) { collector.put(std::move(object)); }, told);
  collector.finish();
  diagnostics_.errors(told.errors);
  diagnostics_.warnings(told.warnings);
  if (file.error()) {
    diagnostics_.error(*file.error());
    return false;
  }
  if (!decoded) diagnostics_.error(decoded.error());
  return decoded.ok();
}

std::optional<Compilation> Compiler::build(const options::Options& options, Cluster cluster) const {
  Errors warnings;
  ruleset::Tracker tracker(options);
  const Status compiled = tracker.update(cluster.snapshot, warnings);
  diagnostics_.warnings(warnings);
  if (!compiled) {
    diagnostics_.error(compiled.error());
    return std::nullopt;
  }
  ruleset::Ruleset ruleset = std::move(tracker.ruleset());
  diagnostics_.warnings(ruleset.conflicts());
  if (strict_ && diagnostics_.count() != 0) {
    diagnostics_.error({"", "the above is not accepted", "--strict was given"});
    return std::nullopt;
  }
  return Compilation{std::move(cluster.names), std::move(cluster.snapshot), std::move(ruleset)};
}

std::string Compiler::render(const Compilation& compilation) {
  std::string text;
  ruleset::render(compilation.ruleset, [&text](std::string_view piece) { text += piece; });
  return text;
}

}  // namespace kproxy::kpcompile
