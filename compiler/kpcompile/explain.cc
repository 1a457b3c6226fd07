#include "compiler/explain/explain.h"

#include <CLI/CLI.hpp>

#include "compiler/kpcompile/command_line.h"
#include "compiler/kpcompile/compilation.h"
#include "compiler/kpcompile/flows.h"
#include "compiler/kpcompile/input.h"

namespace kproxy::kpcompile {
namespace {

constexpr const char* kExamples =
    R"(FROM is the client's address, and after @ the interface by which its packets come in, where pods are
told by interfaces. TO is PROTOCOL:ADDRESS:PORT, or icmp:ADDRESS.

Examples:
  kpcompile explain --node worker-1 cluster.json --from 10.244.1.5 --to tcp:10.96.0.10:53
  kpcompile explain --config kube-proxy.yaml cluster.json --from 10.244.1.5@cali12 --to udp:[fd00::a]:53
  kpcompile explain cluster.json --from 192.0.2.7 --to tcp:198.51.100.1:443 --brief
  kpcompile explain --strict cluster.json --flows flows.txt

A table of flows has lines FROM TO OUTCOME, the outcome as --brief tells it, and # comments. It is
printed with the actual outcomes; lines that were expected otherwise are named on standard error. One
without any flow is an error.

Exit status: 0 done; 1 an error, or a flow that was expected otherwise.)";

struct Request {
  std::vector<std::string> snapshots;
  std::string from, to;
  std::string flows;
  bool brief = false;
};

int explain_table(const Request& request, const ruleset::Ruleset& ruleset, const std::string& table,
                  Diagnostics& diagnostics) {
  const CheckedFlows checked = check_flows(ruleset, request.flows, table);
  const bool written = write_all("", checked.text, diagnostics);
  diagnostics.errors(checked.differences);
  return written && checked.differences.empty() ? kDone : kFailed;
}

}  // namespace

int explain_command(const Arguments& arguments) {
  CLI::App app("Tells where a packet that begins a connection would go, and why.",
               "kpcompile explain");
  set_up(app, kExamples);
  Request request;
  Diagnostics diagnostics;
  app.add_option("SNAPSHOT", request.snapshots, "files, directories, or -")
      ->required()
      ->type_name("");
  auto* from = app.add_option("--from", request.from, "the client")->type_name("IP[@INTERFACE]");
  auto* to = app.add_option("--to", request.to, "what it connects to")
                 ->type_name("PROTOCOL:IP:PORT")
                 ->needs(from);
  from->needs(to);
  app.add_flag("--brief", request.brief, "the outcome alone, in one line");
  app.add_option("--flows", request.flows, "a table of flows, with expected outcomes")
      ->type_name("FILE")
      ->excludes(from);
  const Compiler compiler(app, diagnostics);
  if (const auto status = parse(app, arguments, kFailed)) return *status;
  if (request.from.empty() && request.flows.empty()) {
    diagnostics.error({"", "give --from and --to, or --flows", "see kpcompile explain --help"});
    return kFailed;
  }

  std::optional<explain::Query> query;
  std::string table;
  if (request.flows.empty()) {
    const Result<explain::Query> parsed = explain::parse_query(request.from, request.to);
    if (!parsed) {
      diagnostics.error(parsed.error());
      return kFailed;
    }
    query = *parsed;
  } else {
    Result<std::string> text = read_text(request.flows);
    if (!text) {
      diagnostics.error(text.error());
      return kFailed;
    }
    table = std::move(text).value();
  }
  const std::optional<Compilation> compilation = compiler.compile(request.snapshots);
  if (!compilation) return kFailed;
  if (!query) return explain_table(request, compilation->ruleset, table, diagnostics);
  const explain::Explanation explanation = explain::explain(compilation->ruleset, *query);
  const std::string text =
      request.brief ? explain::summary(explanation) + '\n' : explain::to_text(*query, explanation);
  return write_all("", text, diagnostics) ? kDone : kFailed;
}

}  // namespace kproxy::kpcompile
