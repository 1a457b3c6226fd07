#include "runtime/source/line_splitter.h"

#include <utility>

namespace kproxy::source {
namespace {

constexpr std::size_t kKeptCapacity = 256 * 1024;  // one large object must not hold its memory

}  // namespace

bool LineSplitter::push(std::string_view bytes, const OnLine& on_line) {
  for (;;) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) break;
    if (!end_line(bytes.substr(0, end), on_line)) return false;
    bytes.remove_prefix(end + 1);
  }
  keep(bytes);
  return true;
}

bool LineSplitter::finish(const OnLine& on_line) {
  return end_line({}, on_line);
}

std::size_t LineSplitter::take_too_long() {
  return std::exchange(too_long_, 0);
}

bool LineSplitter::end_line(std::string_view rest, const OnLine& on_line) {
  if (!begun_.empty() || skipping_ || rest.size() > longest_) {
    keep(rest);
    rest = begun_;
  }
  const bool wanted = skipping_ || rest.empty() || on_line(rest);
  skipping_ = false;
  begun_.clear();
  if (begun_.capacity() > kKeptCapacity) begun_.shrink_to_fit();
  return wanted;
}

void LineSplitter::keep(std::string_view part) {
  if (skipping_) return;
  if (begun_.size() + part.size() <= longest_) {
    begun_.append(part);
    return;
  }
  skipping_ = true;
  ++too_long_;
  begun_.clear();
}

}  // namespace kproxy::source
