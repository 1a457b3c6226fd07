#include "runtime/apply/message_buffer.h"

#include <algorithm>

namespace kproxy::apply {

void MessageBuffer::grow(std::size_t bytes) {
  const std::size_t capacity = std::max({2 * capacity_, size_ + bytes, std::size_t{16 * 1024}});
  auto data = std::make_unique_for_overwrite<std::uint8_t[]>(capacity);
  if (size_ > 0) std::memcpy(data.get(), data_.get(), size_);
  data_ = std::move(data);
  capacity_ = capacity;
}

void MessageBuffer::put(std::uint16_t type, Bytes value) {
  const std::size_t size = sizeof(nlattr) + value.size();
  std::uint8_t* to = reserve(aligned(size));
  const nlattr header{static_cast<std::uint16_t>(size), type};
  std::memcpy(to, &header, sizeof header);
  if (!value.empty()) std::memcpy(to + sizeof header, value.data(), value.size());
  std::memset(to + size, 0, aligned(size) - size);
  advance(aligned(size));
}

void MessageBuffer::put_string(std::uint16_t type, std::string_view value) {
  const std::size_t size = sizeof(nlattr) + value.size() + 1;
  std::uint8_t* to = reserve(aligned(size));
  const nlattr header{static_cast<std::uint16_t>(size), type};
  std::memcpy(to, &header, sizeof header);
  std::memcpy(to + sizeof header, value.data(), value.size());
  std::memset(to + size - 1, 0, aligned(size) - size + 1);
  advance(aligned(size));
}

void MessageBuffer::put_be32(std::uint16_t type, std::uint32_t value) {
  std::uint8_t bytes[4];
  write_be32(bytes, value);
  put(type, bytes);
}

std::size_t MessageBuffer::begin_nest(std::uint16_t type) {
  const std::size_t begin = size_;
  put(static_cast<std::uint16_t>(type | NLA_F_NESTED), {});
  return begin;
}

void MessageBuffer::end_nest(std::size_t begin) {
  const auto size = static_cast<std::uint16_t>(size_ - begin);
  std::memcpy(data_.get() + begin, &size, sizeof size);
}

std::string_view Attribute::string() const {
  const std::string_view text(reinterpret_cast<const char*>(value.data()), value.size());
  return text.substr(0, text.find('\0'));
}

std::optional<Attribute> find(Bytes attributes, std::uint16_t type) {
  AttributeReader reader(attributes);
  while (auto attribute = reader.next())
    if (attribute->type == type) return attribute;
  return std::nullopt;
}

}  // namespace kproxy::apply
