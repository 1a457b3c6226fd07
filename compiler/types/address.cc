#include "compiler/types/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace kproxy {
namespace {

constexpr std::size_t kMapped = 12;  // where an IPv4 address stands in ::ffff:a.b.c.d

std::optional<unsigned> parse_decimal(std::string_view text, unsigned max) {
  if (text.empty()) return std::nullopt;
  unsigned value = 0;
  for (char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + static_cast<unsigned>(c - '0');
    if (value > max) return std::nullopt;
  }
  return value;
}

std::optional<Address> parse_ipv4(std::string_view text) {
  std::uint32_t value = 0;
  for (int octet = 0; octet < 4; ++octet) {
    const std::size_t dot = text.find('.');
    if ((dot == std::string_view::npos) != (octet == 3)) return std::nullopt;
    const auto number = parse_decimal(text.substr(0, dot), 255);
    if (!number) return std::nullopt;
    value = value << 8 | *number;
    if (octet < 3) text.remove_prefix(dot + 1);
  }
  return Address::ipv4(value);
}

}  // namespace

std::string_view to_string(Family family) {
  return family == Family::ipv4 ? "IPv4" : "IPv6";
}

std::string_view to_string(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp:
      return "tcp";
    case Protocol::udp:
      return "udp";
    case Protocol::sctp:
      return "sctp";
  }
  return "?";
}

std::optional<Protocol> parse_protocol(std::string_view text) {
  if (text == "TCP" || text == "tcp") return Protocol::tcp;
  if (text == "UDP" || text == "udp") return Protocol::udp;
  if (text == "SCTP" || text == "sctp") return Protocol::sctp;
  return std::nullopt;
}

Address Address::ipv4(std::uint32_t host_order) {
  std::array<std::uint8_t, 16> bytes{};
  bytes[10] = bytes[11] = 0xff;
  for (std::size_t i = 0; i < 4; ++i)
    bytes[kMapped + i] = static_cast<std::uint8_t>(host_order >> (24 - 8 * i));
  return Address(bytes);
}

std::optional<Address> Address::from_wire(std::span<const std::uint8_t> bytes, Family family) {
  Address address = family == Family::ipv4 ? ipv4(0) : Address();
  if (bytes.size() != address.wire_size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), address.bytes_.end() - bytes.size());
  return address;
}

std::optional<Address> Address::parse(std::string_view text) {
  if (text.find(':') == std::string_view::npos) return parse_ipv4(text);
  char buffer[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof buffer || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  std::array<std::uint8_t, 16> bytes;
  if (inet_pton(AF_INET6, buffer, bytes.data()) != 1) return std::nullopt;
  return Address(bytes);
}

bool Address::is_loopback() const {
  if (family() == Family::ipv4) return bytes_[kMapped] == 127;
  Address one;
  one.bytes_[15] = 1;
  return *this == one;
}

bool Address::is_unspecified() const {
  return *this == Address() || *this == ipv4(0);
}

std::string Address::to_string() const {
  std::string text;
  append_to(text);
  return text;
}

void Address::append_to(std::string& text) const {
  if (family() == Family::ipv6) {
    char buffer[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, bytes_.data(), buffer, sizeof buffer);
    text += buffer;
    return;
  }
  for (std::size_t i = kMapped; i < bytes_.size(); ++i) {
    if (i > kMapped) text += '.';
    char octet[3];
    text.append(octet, std::to_chars(octet, octet + sizeof octet, bytes_[i]).ptr);
  }
}

Cidr::Cidr(Address address, unsigned length) {
  const unsigned width = address.family() == Family::ipv4 ? 32 : 128;
  if (length > width) length = width;
  length_ = static_cast<std::uint8_t>(length);
  std::array<std::uint8_t, 16> bytes = address.bytes();
  for (unsigned bit = 128 - width + length; bit < 128; ++bit)
    bytes[bit / 8] &= static_cast<std::uint8_t>(~(0x80u >> bit % 8));
  address_ = Address(bytes);
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = Address::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const auto length =
      parse_decimal(text.substr(slash + 1), address->family() == Family::ipv4 ? 32 : 128);
  if (!length) return std::nullopt;
  return Cidr(*address, *length);
}

Cidr Cidr::host(Address address) {
  return Cidr(address, 128);
}

Address Cidr::last() const {
  const unsigned width = family() == Family::ipv4 ? 32 : 128;
  std::array<std::uint8_t, 16> bytes = address_.bytes();
  for (unsigned bit = 128 - width + length_; bit < 128; ++bit)
    bytes[bit / 8] |= static_cast<std::uint8_t>(0x80u >> bit % 8);
  return Address(bytes);
}

bool Cidr::contains(const Address& address) const {
  return address.family() == family() && Cidr(address, length_).address() == address_;
}

bool Cidr::contains(const Cidr& other) const {
  return other.length_ >= length_ && contains(other.address_);
}

std::string Cidr::to_string() const {
  return address_.to_string() + "/" + std::to_string(length_);
}

std::vector<Cidr> outermost(std::vector<Cidr> prefixes) {
  std::sort(prefixes.begin(), prefixes.end());  // a prefix comes before those inside it
  std::vector<Cidr> result;
  for (const Cidr& prefix : prefixes)
    if (result.empty() || !result.back().contains(prefix)) result.push_back(prefix);
  return result;
}

std::string to_string(const Address& address, Port port) {
  const std::string number = std::to_string(port.value);
  if (address.family() == Family::ipv4) return address.to_string() + ":" + number;
  return "[" + address.to_string() + "]:" + number;
}

}  // namespace kproxy

std::size_t std::hash<kproxy::Address>::operator()(const kproxy::Address& address) const noexcept {
  std::uint64_t high, low;
  std::memcpy(&high, address.bytes().data(), 8);
  std::memcpy(&low, address.bytes().data() + 8, 8);
  // Fibonacci hashing: cluster addresses differ in few low bits, and those must reach all others.
  std::uint64_t mixed = (high ^ (low * 0x9e3779b97f4a7c15u)) * 0xbf58476d1ce4e5b9u;
  return static_cast<std::size_t>(mixed ^ (mixed >> 29));
}
