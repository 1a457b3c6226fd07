#include "compiler/kpcompile/command.h"

int main(int argc, char** argv) {
  using namespace kproxy::kpcompile;
  Arguments arguments(argv + (argc > 0), argv + argc);
  const std::string command = arguments.empty() ? "" : arguments.front();
  const Arguments rest(arguments.begin() + !arguments.empty(), arguments.end());
  if (command == "diff") return diff_command(rest);
  if (command == "explain") return explain_command(rest);
  return compile_command(arguments);
}
