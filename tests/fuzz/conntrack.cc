// UDP entries of connection tracking: those that are listed can be deleted.
#include "runtime/kernel/conntrack.h"

#include "tests/fuzz/datagrams.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  for (Family family : kFamilies) {
    fuzz::Datagrams lists({data, size}), deletions({data, size});
    kernel::UdpEntries entries(lists, deletions);
    entries.list({.family = family, .address = std::nullopt, .port = Port{53}}, true);
    std::size_t deleted = 0, seen = 0;
    for (bool done = false; !done;) {
      done = entries
                 .next([&](const kernel::Entry& entry) {
                   ++seen;
                   entries.remove(entry);
                 })
                 .done;
      entries.flush(deleted);
    }
    fuzz::expect(deleted <= seen, "no more is deleted than was listed");
  }
  return 0;
}
