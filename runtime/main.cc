#include <unistd.h>

#include <iostream>

#include "runtime/config/command_line.h"
#include "runtime/daemon.h"
#include "runtime/log/log.h"

int main(int argc, char** argv) {
  using namespace kproxy;
  const auto parsed = config::parse_command_line({argv + (argc > 0), argv + argc});
  if (const auto* exit = std::get_if<config::Exit>(&parsed)) {
    for (const Error& error : exit->errors) std::cerr << "error: " << error.message() << '\n';
    return exit->status;
  }
  const auto& settings = std::get<config::CommandLine>(parsed);
  const log::Log log(STDERR_FILENO, settings.verbosity);
  for (const Error& warning : settings.warnings) log.warning(warning.message());
  Daemon daemon(settings, log);
  switch (settings.command) {
    case config::Command::follow:
      return daemon.follow();
    case config::Command::once:
      return daemon.once();
    case config::Command::verify:
      return daemon.verify();
    case config::Command::cleanup:
      return daemon.cleanup();
  }
  return 1;
}
