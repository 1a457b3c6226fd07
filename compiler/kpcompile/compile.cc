#include <CLI/CLI.hpp>

#include "compiler/kpcompile/check.h"
#include "compiler/kpcompile/command_line.h"
#include "compiler/kpcompile/compare.h"
#include "compiler/kpcompile/compilation.h"
#include "compiler/kpcompile/input.h"
#include "compiler/kpcompile/report.h"
#include "compiler/ruleset/render.h"

namespace kproxy::kpcompile {
namespace {

constexpr const char* kExamples =
    R"(Snapshots are what kubectl writes as JSON: files, directories of *.json, or - for standard input.
The ruleset, canonical nft text, goes to standard output; all complaints go to standard error.

Other commands (each has its own --help):
  kpcompile diff A B            what changes between two snapshots or rulesets
  kpcompile explain SNAPSHOT... where a packet would go

Examples:
  kubectl get services,endpointslices,nodes,servicecidrs -A -o json > cluster.json
  kpcompile --node worker-1 --cluster-cidr 10.244.0.0/16 cluster.json > worker-1.nft
  kubectl get services,endpointslices,nodes,servicecidrs -A -o json | kpcompile --node worker-1 -
  kpcompile --config kube-proxy.yaml --node worker-1 --check --strict manifests/ -o worker-1.nft
  kpcompile --node worker-1 --golden worker-1.nft cluster.json
  kpcompile --node worker-1 --output stats cluster.json
Leave out servicecidrs where the API server has none (by default before Kubernetes 1.33): kubectl
would get nothing.

Exit status: 0 done; 1 an error, a refusal by the kernel (--check), a difference (--golden), or any
complaint at all (--strict). Nothing is written then but the difference.)";

struct Request {
  std::vector<std::string> snapshots;
  std::string format = "text";
  std::string out;
  std::string golden;
  bool check = false;
};

// The first line in which the texts differ, for texts that hold the same.
std::string first_difference(const NamedText& golden, const std::string& text) {
  std::size_t line = 1, position = 0;
  while (position < golden.text.size() && position < text.size() &&
         golden.text[position] == text[position])
    line += text[position++] == '\n';
  return golden.name + ':' + std::to_string(line) +
         ": the same ruleset, but from this line on in another order, layout or with other "
         "comments\n";
}

int compare_with_golden(const NamedText& golden, const std::string& text,
                        Diagnostics& diagnostics) {
  if (golden.text == text) return kDone;
  const Result<std::string> difference = compare(golden, {"the compiled ruleset", text});
  if (!difference) {
    diagnostics.error(difference.error());
    return kFailed;
  }
  write_all("", difference->empty() ? first_difference(golden, text) : *difference, diagnostics);
  return kFailed;
}

int write_output(const Request& request, const Compilation& compilation, const std::string& text,
                 Diagnostics& diagnostics) {
  Output output(request.out);
  const auto write = [&output](std::string_view piece) { output.write(piece); };
  if (request.format == "json")
    write_json(compilation, write);
  else if (request.format == "stats")
    write(to_stats(compilation));
  else if (!text.empty())
    write(text);
  else
    ruleset::render(compilation.ruleset, write);
  const Status closed = output.close();
  if (!closed) diagnostics.error(closed.error());
  return closed ? kDone : kFailed;
}

}  // namespace

int compile_command(const Arguments& arguments) {
  CLI::App app("Compiles Kubernetes Services to one nftables ruleset, offline.", "kpcompile");
  set_up(app, kExamples);
  Request request;
  Diagnostics diagnostics;
  app.add_option("SNAPSHOT", request.snapshots, "files, directories, or -")
      ->required()
      ->type_name("");
  app.add_option("--output", request.format,
                 "text (default), json (Services and counts) or stats (counts)")
      ->check(CLI::IsMember({"text", "json", "stats"}))
      ->type_name("FORMAT");
  auto* out = app.add_option("-o,--out", request.out, "write there instead of standard output")
                  ->type_name("FILE");
  app.add_option("--golden", request.golden,
                 "write nothing, but succeed only if this is the ruleset; else show what differs")
      ->type_name("FILE")
      ->excludes(out);
  app.add_flag("--check", request.check, "ask the kernel first whether it would take the ruleset");
  const Compiler compiler(app, diagnostics);
  if (const auto status = parse(app, arguments, kFailed)) return *status;

  NamedText golden{request.golden, {}};
  if (!request.golden.empty()) {
    Result<std::string> text = read_text(request.golden);
    if (!text) {
      diagnostics.error(text.error());
      return kFailed;
    }
    golden.text = std::move(text).value();
  }
  const std::optional<Compilation> compilation = compiler.compile(request.snapshots);
  if (!compilation) return kFailed;
  std::string text;
  if (request.check || !request.golden.empty()) text = Compiler::render(*compilation);
  if (request.check) {
    if (const Status checked = check_with_kernel(text); !checked) {
      diagnostics.error(checked.error());
      return kFailed;
    }
  }
  if (!request.golden.empty()) return compare_with_golden(golden, text, diagnostics);
  return write_output(request, *compilation, text, diagnostics);
}

}  // namespace kproxy::kpcompile
