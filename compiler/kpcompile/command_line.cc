#include "compiler/kpcompile/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>

#include "compiler/kpcompile/output.h"
#include "compiler/options/flags.h"

namespace kproxy::kpcompile {

void set_up(CLI::App& app, std::string examples) {
  app.set_help_flag("-h,--help", "this text");
  app.set_version_flag("--version", "kpcompile " KPROXY_VERSION, "the version");
  app.get_formatter()->column_width(34);
  app.footer(std::move(examples));
}

std::optional<int> parse(CLI::App& app, const Arguments& arguments, int wrong_usage) {
  Arguments reversed = options::normalize_arguments(arguments);
  std::reverse(reversed.begin(), reversed.end());
  const auto print = [wrong_usage](const std::string& text) {
    Diagnostics diagnostics;
    return write_all("", text, diagnostics) ? kDone : wrong_usage;
  };
  try {
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return print(app.help());
  } catch (const CLI::CallForVersion& version) {
    return print(std::string(version.what()) + '\n');
  } catch (const CLI::ParseError& wrong) {
    std::string what = wrong.what();
    std::replace(what.begin(), what.end(), '\n', ' ');
    Diagnostics().error({"", std::move(what), "see " + app.get_name() + " --help"});
    return wrong_usage;
  }
  return std::nullopt;
}

}  // namespace kproxy::kpcompile
