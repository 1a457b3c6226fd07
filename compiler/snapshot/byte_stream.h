// A buffered reader of bytes in the shape RapidJSON asks of a stream, which also knows where in the
// text it stands. Holds 64 KiB whatever the input's size; the caller can bound how far one object
// may reach, so that a hostile text cannot grow without end. One thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "compiler/snapshot/decode.h"

namespace kproxy::snapshot {

class ByteStream {
 public:
  explicit ByteStream(const ReadBytes& read);

  // What RapidJSON reads with; a NUL stands for the end.
  using Ch = char;
  Ch Peek() const { return *next_; }
  Ch Take() {
    const char c = *next_;
    if (next_ != end_ && ++next_ == end_) refill();
    return c;
  }
  std::size_t Tell() const { return offset_of(next_); }
  // RapidJSON wants these to exist for streams that are parsed in place; this one is not.
  Ch* PutBegin() { return nullptr; }
  void Put(Ch) {}
  std::size_t PutEnd(Ch*) { return 0; }

  // Also counts lines: in JSON they end nowhere else.
  void skip_whitespace() {
    do {
      const char* at = next_;
      for (;; ++at) {
        while (end_ - at >= 8 && std::memcmp(at, "        ", 8) == 0) at += 8;
        if (*at == '\n') {
          ++line_;
          line_begin_ = offset_of(at) + 1;
        } else if (*at != ' ' && *at != '\r' && *at != '\t') {
          break;
        }
      }
      next_ = at;
    } while (next_ == end_ && refill());
  }
  // The bytes from here on that are in the buffer and stand for themselves in a JSON string: up to
  // the next quote, backslash or control character (the NULs behind the buffer are some).
  std::string_view plain_text() const {
    const char* at = next_;
    if constexpr (std::endian::native == std::endian::little) {
      // Eight at a time: the lowest bit that is set is the high bit of the first byte to stop at.
      for (std::uint64_t stops = 0;; at += 8) {
        std::uint64_t bytes;
        std::memcpy(&bytes, at, 8);
        const std::uint64_t quotes = bytes ^ kEach * '"', backslashes = bytes ^ kEach * '\\';
        stops = ((quotes - kEach) & ~quotes) | ((backslashes - kEach) & ~backslashes) |
                ((bytes - kEach * 0x20) & ~bytes);
        stops &= kEach * 0x80;
        if (stops == 0) continue;
        at += std::countr_zero(stops) / 8;
        break;
      }
    } else {
      while (static_cast<unsigned char>(*at) >= 0x20 && *at != '"' && *at != '\\') ++at;
    }
    return {next_, static_cast<std::size_t>(at - next_)};
  }
  // Whether that emptied the buffer, and it was filled again.
  bool advance(std::size_t bytes) {
    next_ += bytes;
    return next_ == end_ && refill();
  }

  // Everything was read (and what Peek() returns is no NUL of the text).
  bool at_end() const { return next_ == end_; }
  // From here on the text ends after about `bytes` more, whether or not more is there.
  void limit(std::size_t bytes) { limit_ = Tell() + bytes; }
  bool beyond_limit() const { return beyond_limit_; }

  // Where the next byte stands, from 1.
  std::size_t line() const { return line_; }
  std::size_t column() const { return Tell() - line_begin_ + 1; }

 private:
  static constexpr std::size_t kBufferSize = 64 * 1024;
  static constexpr std::size_t kSlack = 8;  // NULs behind what was read
  static constexpr std::uint64_t kEach = 0x0101010101010101;

  std::size_t offset_of(const char* at) const {
    return offset_ + static_cast<std::size_t>(at - buffer_.get());
  }
  bool refill();  // whether there is more

  const ReadBytes& read_;
  std::unique_ptr<char[]> buffer_;  // what was read, and NULs
  const char* next_;
  const char* end_;
  std::size_t offset_ = 0;  // of the buffer in the text
  std::size_t limit_ = static_cast<std::size_t>(-1);
  bool beyond_limit_ = false;
  std::size_t line_ = 1;
  std::size_t line_begin_ = 0;  // its offset
};

// Found by RapidJSON in place of its own, which takes byte by byte.
inline void SkipWhitespace(ByteStream& stream) {
  stream.skip_whitespace();
}

}  // namespace kproxy::snapshot
