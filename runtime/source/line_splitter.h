// Cuts the body of a watch into lines: each is an event, whatever pieces it arrives in. A line that
// arrives whole is not copied. One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace kproxy::source {

class LineSplitter {
 public:
  // Gets each line, without the line feed; false asks for no more. What is empty is left out.
  using OnLine = std::function<bool(std::string_view line)>;

  // A longer line is passed over. The API server stores no object above 1.5 MB.
  static constexpr std::size_t kLongest = 16 * 1024 * 1024;

  explicit LineSplitter(std::size_t longest = kLongest) : longest_(longest) {}

  // False if on_line was.
  bool push(std::string_view bytes, const OnLine& on_line);
  // The body has ended as it should: what is left is a line, too.
  bool finish(const OnLine& on_line);
  // Lines passed over since this was last asked.
  std::size_t take_too_long();

 private:
  bool end_line(std::string_view rest, const OnLine& on_line);
  void keep(std::string_view part);

  std::size_t longest_;
  std::string begun_;      // the line that has not ended yet
  bool skipping_ = false;  // which was too long
  std::size_t too_long_ = 0;
};

}  // namespace kproxy::source
