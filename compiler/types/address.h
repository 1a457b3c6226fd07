// Addresses, prefixes, ports and protocols: the strong types that every stage speaks.
//
// An Address is 16 bytes, IPv4 held as ::ffff:a.b.c.d, so that both families fit one type and the
// family can be asked for. Bytes are in the order they are written and sent; ports are host
// integers. Trivially copyable; any thread.
#pragma once

#include <array>
#include <bit>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kproxy {

enum class Family : std::uint8_t { ipv4, ipv6 };
inline constexpr std::array<Family, 2> kFamilies{Family::ipv4, Family::ipv6};
constexpr std::size_t index_of(Family family) {
  return static_cast<std::size_t>(family);
}
// "IPv4" or "IPv6", as Kubernetes writes it.
std::string_view to_string(Family family);

// IP protocol numbers of the three that a Service can have.
enum class Protocol : std::uint8_t { tcp = 6, udp = 17, sctp = 132 };
// "tcp", "udp" or "sctp", as nft writes it.
std::string_view to_string(Protocol protocol);
// Any case: "TCP", "tcp". Nothing if it is not one of the three.
std::optional<Protocol> parse_protocol(std::string_view text);

struct Port {
  std::uint16_t value = 0;
  auto operator<=>(const Port&) const = default;
};

class Address {
 public:
  constexpr Address() = default;  // "::"
  explicit constexpr Address(const std::array<std::uint8_t, 16>& bytes) : bytes_(bytes) {}
  static Address ipv4(std::uint32_t host_order);
  // The bytes that go on the wire. Nothing unless they are as many as the family has.
  static std::optional<Address> from_wire(std::span<const std::uint8_t> bytes, Family family);

  // Reads either family. IPv4 octets may have leading zeros and are decimal all the same, as
  // Kubernetes has always read them. An IPv4-mapped IPv6 address is the IPv4 address. No zone.
  static std::optional<Address> parse(std::string_view text);

  constexpr Family family() const {
    for (int i = 0; i < 10; ++i)
      if (bytes_[i] != 0) return Family::ipv6;
    return bytes_[10] == 0xff && bytes_[11] == 0xff ? Family::ipv4 : Family::ipv6;
  }
  bool is_loopback() const;     // 127.0.0.0/8 or ::1
  bool is_unspecified() const;  // 0.0.0.0 or ::

  const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  // The 4 or 16 bytes that go on the wire: offset into bytes(), and how many.
  std::size_t wire_offset() const { return family() == Family::ipv4 ? 12 : 0; }
  std::size_t wire_size() const { return family() == Family::ipv4 ? 4 : 16; }

  std::string to_string() const;            // canonical (RFC 5952)
  void append_to(std::string& text) const;  // the same, without a string in between
  // In order of the bytes. As two words, since addresses are compared more often than all else.
  bool operator==(const Address& other) const {
    return word(0) == other.word(0) && word(1) == other.word(1);
  }
  std::strong_ordering operator<=>(const Address& other) const {
    const std::size_t i = word(0) != other.word(0) ? 0 : 1;
    return in_order(word(i)) <=> in_order(other.word(i));
  }

 private:
  std::uint64_t word(std::size_t i) const {
    std::uint64_t word;
    std::memcpy(&word, bytes_.data() + i * sizeof word, sizeof word);
    return word;
  }
  static std::uint64_t in_order(std::uint64_t word) {
    return std::endian::native == std::endian::little ? __builtin_bswap64(word) : word;
  }

  std::array<std::uint8_t, 16> bytes_{};
};

// A prefix in canonical form: bits beyond the length are zero.
class Cidr {
 public:
  Cidr() = default;
  // length: 0..32 for IPv4, 0..128 for IPv6; longer is cut to the family's width.
  Cidr(Address address, unsigned length);
  static std::optional<Cidr> parse(std::string_view text);  // leading zeros as in Address
  static Cidr host(Address address);                        // /32 or /128

  const Address& address() const { return address_; }
  unsigned length() const { return length_; }
  Family family() const { return address_.family(); }
  Address last() const;  // the prefix's highest address
  bool contains(const Address& address) const;
  bool contains(const Cidr& other) const;
  std::string to_string() const;  // always with its length
  auto operator<=>(const Cidr&) const = default;

 private:
  Address address_;
  std::uint8_t length_ = 0;
};

// Those that no other one contains, in order: the kernel refuses prefixes that overlap.
std::vector<Cidr> outermost(std::vector<Cidr> prefixes);

// "10.0.0.1:80", "[fd00::1]:80".
std::string to_string(const Address& address, Port port);

}  // namespace kproxy

template <>
struct std::hash<kproxy::Address> {
  std::size_t operator()(const kproxy::Address& address) const noexcept;
};
