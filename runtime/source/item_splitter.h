// Takes the items out of a JSON list while it arrives: hands over the text of each element of the
// top level's `items` when it is whole, and keeps the text around them. Looks at nothing but
// brackets, commas and strings; whether an item is JSON is for others to say. Memory: one item and
// the text around all of them, each bounded. One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace kproxy::source {

class ItemSplitter {
 public:
  using OnItem = std::function<void(std::string_view item)>;

  // A larger item is passed over. The API server stores no object above 1.5 MB.
  static constexpr std::size_t kLargest = 16 * 1024 * 1024;
  static constexpr std::size_t kLargestRest = 1024 * 1024;

  explicit ItemSplitter(std::size_t largest = kLargest) : largest_(largest) {}

  // False if there is too much around the items: this is no list.
  bool push(std::string_view bytes, const OnItem& on_item);
  // The list as it would be if it had no items: {"kind":"ServiceList",...,"items":[]}.
  const std::string& rest() const { return rest_; }
  // Items passed over since this was last asked.
  std::size_t take_too_large();

 private:
  void take(char c, const OnItem& on_item);
  void keep(char c);
  void end_item(const OnItem& on_item);

  std::size_t largest_;
  std::string rest_;
  std::string item_;       // as far as it has arrived
  bool skipping_ = false;  // which is too large
  std::size_t too_large_ = 0;
  std::size_t depth_ = 0;
  bool in_items_ = false;  // between the brackets of `items`, which are at depth 2
  bool in_string_ = false;
  bool escaped_ = false;  // the character after a backslash
  std::string key_;       // the last string at depth 1, cut short
  bool key_is_items_ = false;
};

}  // namespace kproxy::source
