// From the files on a command line to a Ruleset: decode, snapshot, compile.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compiler/kpcompile/input.h"
#include "compiler/kpcompile/output.h"
#include "compiler/options/flags.h"
#include "compiler/ruleset/ruleset.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/snapshot/string_pool.h"

namespace CLI {
class App;
}

namespace kproxy::kpcompile {

struct Compilation {
  std::unique_ptr<snapshot::StringPool> names;  // that the snapshot's views point into
  snapshot::Snapshot snapshot;
  ruleset::Ruleset ruleset;
};

// The options that say how to compile, and the compiling. What is wrong goes to the diagnostics;
// then, or under --strict if anything does, nothing is returned.
class Compiler {
 public:
  Compiler(CLI::App& app, Diagnostics& diagnostics);

  std::optional<Compilation> compile(const std::vector<std::string>& paths) const;
  // Of one input, which may have been looked at.
  std::optional<Compilation> compile(InputFile& file) const;
  // As canonical text.
  static std::string render(const Compilation& compilation);

 private:
  struct Cluster {
    std::unique_ptr<snapshot::StringPool> names = std::make_unique<snapshot::StringPool>();
    snapshot::Snapshot snapshot;
  };
  std::optional<options::Options> read_options() const;
  bool load(InputFile& file, Cluster& cluster) const;
  std::optional<Compilation> build(const options::Options& options, Cluster cluster) const;

  options::Flags flags_;
  bool strict_ = false;
  Diagnostics& diagnostics_;
};

}  // namespace kproxy::kpcompile
