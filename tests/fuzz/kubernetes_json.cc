// A cluster as JSON: whatever it says, it compiles to a ruleset that can be read back as text, and
// it says the same in whatever pieces it is read.
#include <vector>

#include "compiler/ruleset/render.h"
#include "compiler/ruleset/text_diff.h"
#include "compiler/ruleset/tracker.h"
#include "compiler/snapshot/decode.h"
#include "tests/fuzz/input.h"

namespace kproxy::fuzz {
namespace {

struct Decoded {
  std::vector<snapshot::Object> objects;
  snapshot::Diagnostics diagnostics;
  bool ended_well = false;
};

Decoded decode(std::string_view text, std::size_t piece, snapshot::StringPool& pool) {
  Decoded decoded;
  decoded.ended_well =
      snapshot::Decoder(pool)
          .decode(
              "input", in_pieces(text, piece),
              [&](snapshot::Object object) { decoded.objects.push_back(std::move(object)); },
              decoded.diagnostics)
          .ok();
  return decoded;
}

void compile(std::vector<snapshot::Object> objects) {
  snapshot::Snapshot cluster;
  cluster.replace(std::move(objects));
  options::Options options;
  options.node = cluster.nodes().empty() ? "node-a" : cluster.nodes().begin()->first;
  options.cluster_cidrs = {*Cidr::parse("10.244.0.0/16"), *Cidr::parse("fd00:10:244::/56")};
  ruleset::Tracker tracker(options);
  Errors warnings;
  if (!tracker.update(cluster, warnings)) return;
  std::string text;
  ruleset::render(tracker.ruleset(), [&text](std::string_view piece) { text += piece; });
  const auto read = ruleset::RulesetText::parse("rendered", text);
  if (!read) std::fprintf(stderr, "%s\n", read.error().message().c_str());
  expect(read.ok(), "what was rendered can be read");
}

}  // namespace
}  // namespace kproxy::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy::fuzz;
  const std::string_view text = text_of(data, size);
  kproxy::snapshot::StringPool pool;
  Decoded whole = decode(text, size, pool), parts = decode(text, 1 + size % 61, pool);
  expect(whole.objects == parts.objects && whole.ended_well == parts.ended_well &&
             whole.diagnostics.errors.size() == parts.diagnostics.errors.size() &&
             whole.diagnostics.warnings.size() == parts.diagnostics.warnings.size(),
         "pieces do not matter");
  compile(std::move(whole.objects));
  return 0;
}
