#include "compiler/snapshot/byte_stream.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

namespace kproxy::snapshot {
namespace {

// The byte after the last newline in [begin, end); null if there is none.
const char* last_line(const char* begin, const char* end) {
  const std::string_view text(begin, static_cast<std::size_t>(end - begin));
  const std::size_t newline = text.rfind('\n');
  return newline == std::string_view::npos ? nullptr : begin + newline + 1;
}

// Counted in blocks whose counts fit a byte, which compilers turn into vector instructions.
std::size_t count_lines(const char* begin, const char* end) {
  constexpr std::ptrdiff_t kBlock = 128;
  std::size_t lines = 0;
  for (; end - begin >= kBlock; begin += kBlock) {
    std::uint8_t in_block = 0;
    for (std::ptrdiff_t i = 0; i < kBlock; ++i) in_block += begin[i] == '\n' ? 1 : 0;
    lines += in_block;
  }
  return lines + static_cast<std::size_t>(std::count(begin, end, '\n'));
}

}  // namespace

ByteStream::ByteStream(const ReadBytes& read)
    : read_(read), buffer_(new char[kBufferSize + 1]), next_(buffer_.get()), end_(buffer_.get()) {
  refill();
}

bool ByteStream::refill() {
  char* const buffer = buffer_.get();
  lines_ += count_lines(buffer, end_);
  if (const char* line = last_line(buffer, end_))
    line_begin_ = offset_ + static_cast<std::size_t>(line - buffer);
  offset_ += static_cast<std::size_t>(end_ - buffer);
  beyond_limit_ = beyond_limit_ || offset_ > limit_;
  const std::size_t size = beyond_limit_ ? 0 : std::min(read_(buffer, kBufferSize), kBufferSize);
  buffer[size] = '\0';
  next_ = buffer;
  end_ = buffer + size;
  return size > 0;
}

std::size_t ByteStream::line() const {
  return lines_ + 1 + count_lines(buffer_.get(), next_);
}

std::size_t ByteStream::column() const {
  const char* line = last_line(buffer_.get(), next_);
  const std::size_t begin =
      line == nullptr ? line_begin_ : offset_ + static_cast<std::size_t>(line - buffer_.get());
  return Tell() - begin + 1;
}

}  // namespace kproxy::snapshot
