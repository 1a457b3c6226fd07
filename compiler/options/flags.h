// kube-proxy's flags for what Options holds, on a command line of kpcompile or kproxy.
//
// Flags adds its options to a CLI::App, beside which a program adds its own (the daemon: those of
// its servers, kernel settings, logging). After the App has parsed, configuration() says what they
// mean, or, where --config names a file, what the file says: then only --node of these flags
// still counts, as kube-proxy has it. Must outlive the App's parsing; not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "compiler/options/configuration.h"
#include "compiler/options/field_flags.h"
#include "compiler/types/error.h"

namespace CLI {
class App;
}

namespace kproxy::options {

// Gives a file's content; the program reads it, this library makes no system call.
using ReadText = std::function<Result<std::string>(const std::string& path)>;

// Of which mode a configuration may be: what another mode left can be removed, not served.
enum class Modes : std::uint8_t { nftables, any };

class Flags {
 public:
  explicit Flags(CLI::App& app);
  Flags(const Flags&) = delete;
  Flags& operator=(const Flags&) = delete;

  // Errors of all kinds are in the Configuration, so that they can be reported together. Its
  // where() refers to this.
  Configuration configuration(const ReadText& read_text, Modes modes = Modes::nftables) const;

  // Empty: no --config was given.
  const std::string& config_file() const { return config_; }
  const FieldFlags& fields() const { return fields_; }

 private:
  Configuration from_file(const ReadText& read_text) const;
  Configuration from_flags() const;
  void override_node(Configuration& configuration) const;

  std::string config_;
  FieldFlags fields_;
};

// A command line in the spelling that the App reads: `_` in a flag's name becomes `-`, and
// `--name=` is left out, since an empty value means not given. Without the program's name; in
// order.
std::vector<std::string> normalize_arguments(const std::vector<std::string>& arguments);

}  // namespace kproxy::options
