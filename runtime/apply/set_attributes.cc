#include "runtime/apply/set_attributes.h"

#include <libnftnl/udata.h>
#include <linux/netfilter/nf_tables.h>

#include <cstring>

namespace kproxy::apply {
namespace {

constexpr std::uint16_t kSetCount = 20;  // NFTA_SET_COUNT, which older headers do not have

using Type = ruleset::SetTraits::Type;

// nft's own numbers of types; a concatenation has six bits for each part. A slot is of the type
// that all integers have.
std::uint32_t type_number(Type type) {
  switch (type) {
    case Type::slot:
      return 4;
    case Type::ipv4_addr:
      return 7;
    case Type::ipv6_addr:
      return 8;
    case Type::inet_proto:
      return 12;
    case Type::inet_service:
      return 13;
  }
  return 0;
}

std::uint32_t length(Type type) {
  switch (type) {
    case Type::ipv4_addr:
    case Type::slot:
      return 4;
    case Type::ipv6_addr:
      return 16;
    case Type::inet_proto:
      return 1;
    case Type::inet_service:
      return 2;
  }
  return 0;
}

std::uint32_t type_number(const std::vector<Type>& types) {
  std::uint32_t number = 0;
  for (Type type : types) number = number << 6 | type_number(type);
  return number;
}

// Each part of a concatenation begins at a multiple of four bytes.
std::uint32_t length(const std::vector<Type>& types) {
  if (types.size() == 1) return length(types.front());
  std::uint32_t sum = 0;
  for (Type type : types) sum += static_cast<std::uint32_t>(aligned(length(type)));
  return sum;
}

// User data of nft 1.0.6: a tree of (type, length, value), one byte each of type and length. It
// says which expressions a key was declared by, in nft's own numbers.
class UserData {
 public:
  void number(std::uint8_t type, std::uint32_t value) {  // in the host's byte order
    bytes_.push_back(type);
    bytes_.push_back(sizeof value);
    std::uint8_t bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    for (std::uint8_t byte : bytes) bytes_.push_back(byte);
  }
  std::size_t begin(std::uint8_t type) {
    bytes_.push_back(type);
    bytes_.push_back(0);
    return bytes_.size();
  }
  void end(std::size_t begin) {
    bytes_[begin - 1] = static_cast<std::uint8_t>(bytes_.size() - begin);
  }
  std::vector<std::uint8_t> take() { return std::move(bytes_); }

 private:
  std::vector<std::uint8_t> bytes_;
};

// nft's kinds of expression.
constexpr std::uint32_t kPayload = 7, kMeta = 9, kConcatenation = 13, kNumgen = 23;

// One part of a key declared by `typeof`.
void put_expression(UserData& data, std::uint8_t position, Type type) {
  constexpr std::uint32_t kTransportHeader = 11, kIpHeader = 12, kIp6Header = 13;
  constexpr std::uint32_t kDestinationPort = 2, kIpDestination = 12, kIp6Destination = 9;
  const std::size_t part = data.begin(position);
  const auto expression = [&](std::uint32_t kind, std::initializer_list<std::uint32_t> values) {
    data.number(NFTNL_UDATA_SET_TYPEOF_EXPR, kind);
    const std::size_t nest = data.begin(NFTNL_UDATA_SET_TYPEOF_DATA);
    std::uint8_t i = 0;
    for (std::uint32_t value : values) data.number(i++, value);
    data.end(nest);
  };
  switch (type) {
    case Type::ipv4_addr:  // ip daddr
      expression(kPayload, {kIpHeader, kIpDestination});
      break;
    case Type::ipv6_addr:  // ip6 daddr
      expression(kPayload, {kIp6Header, kIp6Destination});
      break;
    case Type::inet_proto:  // meta l4proto
      expression(kMeta, {NFT_META_L4PROTO});
      break;
    case Type::inet_service:  // th dport
      expression(kPayload, {kTransportHeader, kDestinationPort});
      break;
    case Type::slot:  // numgen random mod 65536
      expression(kNumgen, {NFT_NG_RANDOM, 65536, 0});
      break;
  }
  data.end(part);
}

// A concatenation; its parts are named only where `typeof` declared them.
void put_concatenation(UserData& data, std::uint8_t type, const std::vector<Type>& parts,
                       bool by_expression) {
  const std::size_t whole = data.begin(type);
  data.number(NFTNL_UDATA_SET_TYPEOF_EXPR, kConcatenation);
  const std::size_t nest = data.begin(NFTNL_UDATA_SET_TYPEOF_DATA);
  if (by_expression)
    for (std::size_t i = 0; i < parts.size(); ++i)
      put_expression(data, static_cast<std::uint8_t>(i), parts[i]);
  data.end(nest);
  data.end(whole);
}

std::vector<std::uint8_t> user_data(const ruleset::SetTraits& set) {
  constexpr std::uint32_t kNoByteOrder = 0, kBigEndian = 2;
  UserData data;
  const bool by_expression = set.key.back() == Type::slot;
  const bool map = set.verdicts || !set.data.empty();
  data.number(NFTNL_UDATA_SET_KEYBYTEORDER, set.key.size() > 1 ? kNoByteOrder : kBigEndian);
  if (map)
    data.number(NFTNL_UDATA_SET_DATABYTEORDER, set.data.size() == 1 ? kBigEndian : kNoByteOrder);
  if (set.key.size() > 1)
    put_concatenation(data, NFTNL_UDATA_SET_KEY_TYPEOF, set.key, by_expression);
  if (set.data.size() > 1)
    put_concatenation(data, NFTNL_UDATA_SET_DATA_TYPEOF, set.data, by_expression);
  if (map) data.number(NFTNL_UDATA_SET_DATA_INTERVAL, 0);
  return data.take();
}

}  // namespace

SetAttributes attributes_of(const ruleset::SetRef& ref) {
  const ruleset::SetTraits set = ruleset::traits(ref);
  SetAttributes result;
  if (set.verdicts || !set.data.empty()) result.flags |= NFT_SET_MAP;
  if (set.interval) result.flags |= NFT_SET_INTERVAL;
  if (set.dynamic) result.flags |= NFT_SET_EVAL | NFT_SET_TIMEOUT;
  result.key_type = type_number(set.key);
  result.key_length = length(set.key);
  if (set.verdicts) {
    result.data_type = NFT_DATA_VERDICT;
  } else if (!set.data.empty()) {
    result.data_type = type_number(set.data);
    result.data_length = length(set.data);
  }
  result.size = set.size;
  // Only a set of intervals of several fields needs to know where each of them ends.
  if (set.interval && set.key.size() > 1) {
    result.flags |= NFT_SET_CONCAT;
    for (Type type : set.key) result.fields.push_back(length(type));
  }
  result.user_data = user_data(set);
  return result;
}

void put(MessageBuffer& message, const SetAttributes& set, std::uint32_t id) {
  message.put_be32(NFTA_SET_FLAGS, set.flags);
  message.put_be32(NFTA_SET_KEY_TYPE, set.key_type);
  message.put_be32(NFTA_SET_KEY_LEN, set.key_length);
  if (set.flags & NFT_SET_MAP) {
    message.put_be32(NFTA_SET_DATA_TYPE, set.data_type);
    message.put_be32(NFTA_SET_DATA_LEN, set.data_length);
  }
  message.put_be32(NFTA_SET_ID, id);
  if (set.size != 0 || !set.fields.empty()) {
    const std::size_t description = message.begin_nest(NFTA_SET_DESC);
    if (set.size != 0) message.put_be32(NFTA_SET_DESC_SIZE, set.size);
    if (!set.fields.empty()) {
      const std::size_t concatenation = message.begin_nest(NFTA_SET_DESC_CONCAT);
      for (std::uint32_t field : set.fields) {
        const std::size_t element = message.begin_nest(NFTA_LIST_ELEM);
        message.put_be32(NFTA_SET_FIELD_LEN, field);
        message.end_nest(element);
      }
      message.end_nest(concatenation);
    }
    message.end_nest(description);
  }
  message.put(NFTA_SET_USERDATA, set.user_data);
}

SetAttributes read_set_attributes(Bytes attributes) {
  SetAttributes set;
  AttributeReader reader(attributes);
  while (const auto a = reader.next()) {
    switch (a->type) {
      case NFTA_SET_FLAGS:
        set.flags = a->be32();
        break;
      case NFTA_SET_KEY_TYPE:
        set.key_type = a->be32();
        break;
      case NFTA_SET_KEY_LEN:
        set.key_length = a->be32();
        break;
      case NFTA_SET_DATA_TYPE:
        set.data_type = a->be32();
        break;
      case NFTA_SET_DATA_LEN:
        set.data_length = a->be32();
        break;
      case NFTA_SET_USERDATA:
        set.user_data.assign(a->value.begin(), a->value.end());
        break;
      case NFTA_SET_DESC: {
        if (const auto size = find(a->value, NFTA_SET_DESC_SIZE)) set.size = size->be32();
        const auto concatenation = find(a->value, NFTA_SET_DESC_CONCAT);
        if (!concatenation) break;
        AttributeReader fields(concatenation->value);
        while (const auto field = fields.next())
          if (const auto bytes = find(field->value, NFTA_SET_FIELD_LEN))
            set.fields.push_back(bytes->be32());
        break;
      }
      case NFTA_SET_TIMEOUT:
      case NFTA_SET_EXPR:
      case NFTA_SET_EXPRESSIONS:
        set.plain = false;
        break;
      default:
        break;  // names, handles, and what newer kernels tell of their own workings
    }
  }
  // The kernel shows a verdict's size, which nobody chose.
  if (set.data_type == NFT_DATA_VERDICT) set.data_length = 0;
  return set;
}

std::optional<std::uint32_t> read_count(Bytes attributes) {
  const auto count = find(attributes, kSetCount);
  if (!count || count->value.size() != sizeof(std::uint32_t)) return std::nullopt;
  return count->be32();
}

}  // namespace kproxy::apply
