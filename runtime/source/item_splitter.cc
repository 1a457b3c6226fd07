#include "runtime/source/item_splitter.h"

#include <utility>

namespace kproxy::source {
namespace {

constexpr std::string_view kItems = "items";

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

}  // namespace

bool ItemSplitter::push(std::string_view bytes, const OnItem& on_item) {
  for (char c : bytes) take(c, on_item);
  return rest_.size() <= kLargestRest;
}

std::size_t ItemSplitter::take_too_large() {
  return std::exchange(too_large_, 0);
}

void ItemSplitter::take(char c, const OnItem& on_item) {
  if (in_string_) {
    keep(c);
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
    if (in_string_ && depth_ == 1 && key_.size() <= kItems.size()) key_ += c;
    return;
  }
  switch (c) {
    case '"':
      in_string_ = true;
      if (depth_ == 1) key_.clear();
      break;
    case ':':
      if (depth_ == 1) key_is_items_ = key_ == kItems;
      break;
    case '{':
    case '[':
      if (++depth_ == 2 && c == '[' && key_is_items_) {
        keep(c);
        in_items_ = true;
        return;
      }
      break;
    case '}':
    case ']':
      if (depth_ > 0) --depth_;
      if (in_items_ && depth_ == 1) {
        end_item(on_item);
        in_items_ = false;
      }
      break;
    case ',':
      if (in_items_ && depth_ == 2) {
        end_item(on_item);
        return;
      }
      if (depth_ == 1) key_is_items_ = false;
      break;
    default:
      if (is_blank(c)) return;
  }
  keep(c);
}

void ItemSplitter::keep(char c) {
  if (!in_items_) {
    if (rest_.size() <= kLargestRest) rest_ += c;
  } else if (!skipping_) {
    item_ += c;
    if (item_.size() <= largest_) return;
    skipping_ = true;
    ++too_large_;
    item_.clear();
    item_.shrink_to_fit();
  }
}

void ItemSplitter::end_item(const OnItem& on_item) {
  if (!skipping_ && !item_.empty()) on_item(item_);
  skipping_ = false;
  item_.clear();
}

}  // namespace kproxy::source
