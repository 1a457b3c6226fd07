// A buffered reader of bytes in the shape RapidJSON asks of a stream, which also knows where in the
// text it stands. Holds 64 KiB whatever the input's size; lines are counted a buffer at a time. The
// caller can bound how far one object may reach, so that a hostile text cannot grow without end.
// One thread.
#pragma once

#include <array>
#include <cstddef>
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
  std::size_t Tell() const { return offset_ + static_cast<std::size_t>(next_ - buffer_.get()); }
  // RapidJSON wants these to exist for streams that are parsed in place; this one is not.
  Ch* PutBegin() { return nullptr; }
  void Put(Ch) {}
  std::size_t PutEnd(Ch*) { return 0; }

  void skip_whitespace() {
    for (;;) {
      const char* at = next_;
      while (end_ - at >= 8 && std::memcmp(at, "        ", 8) == 0) at += 8;
      while (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t') ++at;
      next_ = at;
      if (at != end_ || !refill()) return;
    }
  }
  // The bytes from here on that are in the buffer and stand for themselves in a JSON string: up to
  // the next quote, backslash or control character (the NUL behind the buffer is one).
  std::string_view plain_text() const {
    const char* at = next_;
    while (kPlain[static_cast<unsigned char>(*at)]) ++at;
    return {next_, static_cast<std::size_t>(at - next_)};
  }
  void advance(std::size_t bytes) {
    next_ += bytes;
    if (next_ == end_) refill();
  }

  // Everything was read (and what Peek() returns is no NUL of the text).
  bool at_end() const { return next_ == end_; }
  // From here on the text ends after about `bytes` more, whether or not more is there.
  void limit(std::size_t bytes) { limit_ = Tell() + bytes; }
  bool beyond_limit() const { return beyond_limit_; }

  // Where the next byte stands, from 1.
  std::size_t line() const;
  std::size_t column() const;

 private:
  static constexpr std::size_t kBufferSize = 64 * 1024;
  static constexpr std::array<bool, 256> kPlain = [] {
    std::array<bool, 256> plain{};
    for (std::size_t c = 0x20; c < plain.size(); ++c) plain[c] = c != '"' && c != '\\';
    return plain;
  }();

  bool refill();  // whether there is more

  const ReadBytes& read_;
  std::unique_ptr<char[]> buffer_;  // what was read, and a NUL
  const char* next_;
  const char* end_;
  std::size_t offset_ = 0;  // of the buffer in the text
  std::size_t limit_ = static_cast<std::size_t>(-1);
  bool beyond_limit_ = false;
  std::size_t lines_ = 0;       // that ended before the buffer
  std::size_t line_begin_ = 0;  // offset at which the line begins that the buffer begins in
};

// Found by RapidJSON in place of its own, which tests for the end of the buffer twice a byte.
inline void SkipWhitespace(ByteStream& stream) {
  stream.skip_whitespace();
}

}  // namespace kproxy::snapshot
