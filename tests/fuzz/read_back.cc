// What the kernel says of our table, and answers to transactions: compared with a sample ruleset
// and repaired, as far as it goes.
//
// Not through libnftnl, which reads rules and believes the kernel: it ends the program, or reads
// where nothing is, where a rule is described as no kernel does it.
#include "runtime/apply/read_back.h"

#include <libnftnl/rule.h>

#include "runtime/apply/engine.h"
#include "tests/fuzz/datagrams.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/sample.h"

// In place of the library's: no rule can be read.
int nftnl_rule_nlmsg_parse(const nlmsghdr*, nftnl_rule*) {
  return -1;
}

namespace kproxy::fuzz {
namespace {

void read(apply::Bytes input) {
  static const ruleset::Tracker tracker = sample();
  static const apply::Desired wanted = desired(tracker.ruleset());
  ruleset::OwnerNames owners = tracker.ruleset().owners();
  {
    Datagrams kernel(input);
    apply::Conversation conversation(kernel);
    const auto state = apply::read_table(conversation, owners);
    if (state)
      for (const ruleset::Element& element : state->elements) to_text(element, owners);
    for (const ruleset::SetRef& set : wanted.structure.sets)
      if (ruleset::is_written_by_kernel(set.kind))
        (void)apply::read_clients(conversation, set, owners);
  }
  Datagrams kernel(input);
  apply::Engine engine(kernel, owners);
  (void)engine.reconcile([] { return wanted; }, {{2, "kube-proxy"}});
}

}  // namespace
}  // namespace kproxy::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  kproxy::fuzz::read({data, size});
  return 0;
}
