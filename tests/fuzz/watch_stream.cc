// What an API server answers to a list or a watch, in whatever pieces it arrives: the pieces do not
// matter, and all that can be read of it can be held and let go.
#include "compiler/snapshot/snapshot.h"
#include "compiler/snapshot/watch_event.h"
#include "runtime/source/item_splitter.h"
#include "runtime/source/line_splitter.h"
#include "tests/fuzz/input.h"

namespace kproxy::fuzz {
namespace {

constexpr std::size_t kLargest = 4096;  // so that what is too large comes about
constexpr std::string_view kKinds[] = {"Service", "EndpointSlice", "Node", "ServiceCIDR"};

// Each piece that was found, behind its length.
struct Found {
  std::vector<std::string> texts;
  std::string rest;
  std::size_t too_large = 0;
  bool operator==(const Found&) const = default;
};

Found lines(std::string_view text, std::size_t piece) {
  Found found;
  source::LineSplitter splitter(kLargest);
  const auto on_line = [&found](std::string_view line) {
    found.texts.emplace_back(line);
    return true;
  };
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    splitter.push(text.substr(0, piece), on_line);
  splitter.finish(on_line);
  found.too_large = splitter.take_too_long();
  return found;
}

Found items(std::string_view text, std::size_t piece) {
  Found found;
  source::ItemSplitter splitter(kLargest);
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size())))
    splitter.push(text.substr(0, piece),
                  [&found](std::string_view item) { found.texts.emplace_back(item); });
  found.rest = splitter.rest();
  found.too_large = splitter.take_too_large();
  return found;
}

void apply(const snapshot::WatchEvent& event, std::string_view kind, snapshot::Snapshot& to) {
  if (event.object) to.put(*event.object);
  if (event.type == snapshot::WatchEvent::Type::deleted) to.erase(kind, event.name);
}

}  // namespace
}  // namespace kproxy::fuzz

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  using namespace kproxy::fuzz;
  const std::string_view text = text_of(data, size);
  const Found as_lines = lines(text, size + 1), as_items = items(text, size + 1);
  const std::size_t piece = 1 + size % 61;
  expect(as_lines == lines(text, piece) && as_items == items(text, piece), "pieces do not matter");

  snapshot::StringPool pool;
  snapshot::Snapshot cluster;
  snapshot::Diagnostics diagnostics;
  for (std::string_view kind : kKinds) {
    snapshot::EventDecoder decoder("input", kind, pool);
    for (const std::string& line : as_lines.texts)
      apply(decoder.event(line, diagnostics), kind, cluster);
    cluster.begin_list(kind);
    for (const std::string& item : as_items.texts)
      apply(decoder.item(item, diagnostics), kind, cluster);
    cluster.end_list(kind);
    (void)decoder.list(as_items.rest);
  }
  cluster.take_changes();
  cluster.replace({});
  expect(cluster.services().empty(), "nothing stays behind");
  snapshot::decode_status(text);
  return 0;
}
