// What the kernel says of our table, and answers to transactions: compared with a sample ruleset
// and repaired, as far as it goes.
#include "runtime/apply/read_back.h"

#include "runtime/apply/engine.h"
#include "tests/fuzz/datagrams.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/sample.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  static const ruleset::Tracker sample = fuzz::sample();
  static const apply::Desired desired = fuzz::desired(sample.ruleset());
  ruleset::OwnerNames owners = sample.ruleset().owners();
  {
    fuzz::Datagrams kernel({data, size});
    apply::Conversation conversation(kernel);
    const auto state = apply::read_table(conversation, owners);
    if (state)
      for (const ruleset::Element& element : state->elements) to_text(element, owners);
    for (const ruleset::SetRef& set : desired.structure.sets)
      if (ruleset::is_written_by_kernel(set.kind))
        (void)apply::read_clients(conversation, set, owners);
  }
  fuzz::Datagrams kernel({data, size});
  apply::Engine engine(kernel, owners);
  (void)engine.reconcile([] { return desired; }, {{2, "kube-proxy"}});
  return 0;
}
