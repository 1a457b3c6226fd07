#include "compiler/snapshot/byte_stream.h"

#include <algorithm>

namespace kproxy::snapshot {

ByteStream::ByteStream(const ReadBytes& read)
    : read_(read),
      buffer_(new char[kBufferSize + kSlack]),
      next_(buffer_.get()),
      end_(buffer_.get()) {
  refill();
}

bool ByteStream::refill() {
  char* const buffer = buffer_.get();
  offset_ = offset_of(end_);
  beyond_limit_ = beyond_limit_ || offset_ > limit_;
  const std::size_t size = beyond_limit_ ? 0 : std::min(read_(buffer, kBufferSize), kBufferSize);
  std::fill_n(buffer + size, kSlack, '\0');
  next_ = buffer;
  end_ = buffer + size;
  return size > 0;
}

}  // namespace kproxy::snapshot
