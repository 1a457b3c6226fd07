// A table of flows, against a sample ruleset: the table that is written in its place is met.
#include "compiler/kpcompile/flows.h"

#include "tests/fuzz/input.h"
#include "tests/fuzz/sample.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  static const ruleset::Tracker sample = fuzz::sample();
  const auto checked = kpcompile::check_flows(sample.ruleset(), "input", fuzz::text_of(data, size));
  const auto again = kpcompile::check_flows(sample.ruleset(), "written", checked.text);
  fuzz::expect(again.differences.size() <= checked.differences.size(), "what is written is met");
  fuzz::expect(again.text == checked.text, "it stays as it is");
  return 0;
}
