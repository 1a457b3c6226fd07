// Netlink messages, written one after another into one growing buffer, and read from one.
//
// A message is a header and attributes; an attribute is two bytes of length, two of type, the
// value, and padding to four bytes; a nested attribute's value is attributes again.
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace kproxy::apply {

using Bytes = std::span<const std::uint8_t>;

constexpr std::size_t aligned(std::size_t size) {
  return (size + 3) & ~std::size_t{3};
}

inline std::uint32_t read_be32(const std::uint8_t* from) {
  return std::uint32_t{from[0]} << 24 | std::uint32_t{from[1]} << 16 | std::uint32_t{from[2]} << 8 |
         from[3];
}

inline void write_be32(std::uint8_t* to, std::uint32_t value) {
  to[0] = static_cast<std::uint8_t>(value >> 24);
  to[1] = static_cast<std::uint8_t>(value >> 16);
  to[2] = static_cast<std::uint8_t>(value >> 8);
  to[3] = static_cast<std::uint8_t>(value);
}

// Grows by doubling and is kept by clear(), so that small batches allocate nothing.
class MessageBuffer {
 public:
  std::uint8_t* data() { return data_.get(); }
  const std::uint8_t* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  Bytes bytes() const { return {data_.get(), size_}; }
  void clear() { size_ = 0; }

  // Room for so many bytes at the end; the pointer is good until the next call.
  std::uint8_t* reserve(std::size_t bytes) {
    if (capacity_ - size_ < bytes) grow(bytes);
    return data_.get() + size_;
  }
  // So many of the reserved bytes have been written.
  void advance(std::size_t bytes) { size_ += bytes; }

  void put(std::uint16_t type, Bytes value);
  void put_string(std::uint16_t type, std::string_view value);  // with a NUL
  void put_be32(std::uint16_t type, std::uint32_t value);
  // Returns where the nested attribute begins, which end_nest() wants to know.
  std::size_t begin_nest(std::uint16_t type);
  void end_nest(std::size_t begin);

 private:
  void grow(std::size_t bytes);

  std::unique_ptr<std::uint8_t[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// One attribute of a message that was received.
struct Attribute {
  std::uint16_t type;
  Bytes value;

  std::uint32_t be32() const { return value.size() >= 4 ? read_be32(value.data()) : 0; }
  std::string_view string() const;  // up to the NUL
};

// Walks through attributes: `for (AttributeReader reader(bytes); auto a = reader.next();)`. What is
// not a whole attribute ends the walk.
class AttributeReader {
 public:
  explicit AttributeReader(Bytes bytes) : rest_(bytes) {}
  std::optional<Attribute> next() {
    if (rest_.size() < sizeof(nlattr)) return std::nullopt;
    nlattr header;
    std::memcpy(&header, rest_.data(), sizeof header);
    if (header.nla_len < sizeof header || header.nla_len > rest_.size()) return std::nullopt;
    const Attribute attribute{static_cast<std::uint16_t>(header.nla_type & NLA_TYPE_MASK),
                              rest_.subspan(sizeof header, header.nla_len - sizeof header)};
    rest_ = rest_.subspan(std::min(aligned(header.nla_len), rest_.size()));
    return attribute;
  }

 private:
  Bytes rest_;
};

// The value of the first attribute of that type; nothing if there is none.
std::optional<Attribute> find(Bytes attributes, std::uint16_t type);

}  // namespace kproxy::apply
