#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "runtime/config/command_line.h"
#include "runtime/config/effective.h"
#include "runtime/config/text_file.h"
#include "runtime/daemon.h"
#include "runtime/log/log.h"
#include "runtime/one_shot.h"
#include "runtime/source/open_files.h"

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): out of memory ends it
  using namespace kproxy;
  // A log that nobody reads any more: writing fails, and ends nothing.
  signal(SIGPIPE, SIG_IGN);
  const std::vector<std::string> arguments(argv + (argc > 0), argv + argc);
  const auto parsed = config::parse_command_line(arguments);
  if (const auto* exit = std::get_if<config::Exit>(&parsed)) {
    for (const Error& error : exit->errors) std::cerr << "error: " << error.message() << '\n';
    return exit->status;
  }
  const auto& settings = std::get<config::CommandLine>(parsed);
  const config::Logging& logging = settings.settings.logging;
  log::Log log({logging.json ? log::Format::json : log::Format::text,
                logging.split_stream ? STDOUT_FILENO : STDERR_FILENO, STDERR_FILENO},
               logging.verbosity);
  log.verbosity().set_modules(logging.vmodule);
  for (const Error& warning : settings.warnings) log.warning(warning.message());
  if (settings.command == config::Command::write_config) {
    const Status written =
        config::write_text(settings.write_config_to, config::to_yaml(settings.values));
    if (!written) log.error("Cannot write the configuration", written.error());
    return written ? 0 : 1;
  }
  switch (settings.command) {
    case config::Command::follow:
      source::raise_open_files();  // each health port of a Service is one
      return Daemon(
                 settings, [arguments] { return config::parse_command_line(arguments); }, log)
          .run();
    case config::Command::once:
      return apply_once(settings, log);
    case config::Command::verify:
      return verify(settings, log);
    case config::Command::cleanup:
      return clean_up(log);
    case config::Command::init_only:
      return initialize(settings, log);
    case config::Command::write_config:
      break;
  }
  return 1;
}
