#include "runtime/apply/decode_elements.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <tuple>

namespace kproxy::apply {
namespace {

using ruleset::Element;
using ruleset::SetKind;
using ruleset::SetRef;
using ruleset::Verdict;

constexpr std::size_t width(Family family) {
  return family == Family::ipv4 ? 4 : 16;
}

// Takes the parts of a concatenation off the front; remembers if something did not fit.
class Parts {
 public:
  Parts(Bytes bytes, Family family) : rest_(bytes), family_(family) {}

  Address address() {
    const std::size_t size = width(family_);
    const std::uint8_t* from = take(size);
    return from == nullptr ? Address() : *Address::from_wire({from, size}, family_);
  }
  Protocol protocol() {
    const std::uint8_t* from = take(4);
    if (from == nullptr) return {};
    const auto protocol = static_cast<Protocol>(from[0]);
    check((protocol == Protocol::tcp || protocol == Protocol::udp || protocol == Protocol::sctp) &&
          from[1] == 0 && from[2] == 0 && from[3] == 0);
    return protocol;
  }
  Port port() {
    const bool alone = rest_.size() == 2;  // not a part of a concatenation: without padding
    const std::uint8_t* from = take(alone ? 2 : 4);
    if (from == nullptr) return {};
    check(alone || (from[2] == 0 && from[3] == 0));
    return Port{static_cast<std::uint16_t>(from[0] << 8 | from[1])};
  }
  ruleset::Slot slot() {
    const std::uint8_t* from = take(4);
    if (from == nullptr) return {};
    std::uint32_t value;
    std::memcpy(&value, from, sizeof value);
    check(value <= 0xffff);
    return ruleset::Slot{static_cast<std::uint16_t>(value)};
  }
  // All was there, and nothing else.
  bool good() const { return good_ && rest_.empty(); }

 private:
  const std::uint8_t* take(std::size_t size) {
    if (rest_.size() < size) {
      good_ = false;
      return nullptr;
    }
    const std::uint8_t* from = rest_.data();
    rest_ = rest_.subspan(size);
    return from;
  }
  void check(bool condition) { good_ = good_ && condition; }

  Bytes rest_;
  const Family family_;
  bool good_ = true;
};

// The length of the prefix that is exactly these addresses.
std::optional<std::uint8_t> prefix_length(const Address& first, const Address& last) {
  for (unsigned length = 0; length <= 8 * first.wire_size(); ++length) {
    const Cidr cidr(first, length);
    if (cidr.address() == first && cidr.last() == last) return static_cast<std::uint8_t>(length);
  }
  return std::nullopt;
}

Address before(const Address& address) {
  auto bytes = address.bytes();
  for (std::size_t i = bytes.size(); i-- > address.wire_offset();)
    if (bytes[i]-- != 0) break;
  return Address(bytes);
}

Address highest(Family family) {
  return Cidr(family == Family::ipv4 ? Address::ipv4(0) : Address(), 0).last();
}

std::string hexadecimal(Bytes bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (std::uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

void append_attribute(std::vector<std::uint8_t>& to, std::uint16_t type, Bytes value) {
  const nlattr header{static_cast<std::uint16_t>(sizeof header + value.size()), type};
  const std::size_t begin = to.size();
  to.resize(begin + aligned(header.nla_len));
  std::memcpy(to.data() + begin, &header, sizeof header);
  if (!value.empty()) std::memcpy(to.data() + begin + sizeof header, value.data(), value.size());
}

// Reads the key of an element whose set is given.
bool read_key(Bytes value, Element& e) {
  const SetRef& set = e.set;
  Parts parts(value, set.family);
  const auto read_frontend = [&] {
    if (set.scope == ruleset::Scope::services) e.address = parts.address();
    e.protocol = parts.protocol();
    e.port = parts.port();
  };
  switch (set.kind) {
    case SetKind::frontends:
    case SetKind::external:
    case SetKind::local_policy:
    case SetKind::affinity:
    case SetKind::affinity_local:
    case SetKind::record:
    case SetKind::source_guarded:
      read_frontend();
      break;
    case SetKind::endpoints:
      read_frontend();
      e.slot = parts.slot();
      break;
    case SetKind::source_ranges:
      read_frontend();
      e.other = parts.address();
      break;
    case SetKind::cluster_ips:
    case SetKind::clients:
    case SetKind::client_ports:
      e.address = parts.address();
      break;
    case SetKind::service_cidrs:
    case SetKind::pod_cidrs:
    case SetKind::node_port_addresses:
      return false;  // made of ends of intervals, see add_range()
    case SetKind::hairpin:
      e.address = parts.address();
      e.other = parts.address();
      break;
    case SetKind::rememberable:
      e.other = parts.address();
      e.other_port = parts.port();
      break;
  }
  return parts.good();
}

std::optional<Verdict> read_verdict(Bytes attributes, ChainRefs& chains) {
  const auto code = find(attributes, NFTA_VERDICT_CODE);
  if (!code) return std::nullopt;
  Verdict verdict;
  switch (static_cast<std::int32_t>(code->be32())) {
    case NF_DROP:
      verdict.code = Verdict::Code::drop;
      return verdict;
    case NFT_RETURN:
      verdict.code = Verdict::Code::return_;
      return verdict;
    case NFT_JUMP:
      verdict.code = Verdict::Code::jump;
      break;
    case NFT_GOTO:
      verdict.code = Verdict::Code::goto_;
      break;
    default:
      return std::nullopt;
  }
  const auto name = find(attributes, NFTA_VERDICT_CHAIN);
  const auto chain = name ? chains.of(name->string()) : std::nullopt;
  if (!chain) return std::nullopt;
  verdict.chain = *chain;
  return verdict;
}

// Reads the data of an element of a map.
bool read_data(Bytes data, ChainRefs& chains, Element& e) {
  const SetRef& set = e.set;
  if (set.kind == SetKind::endpoints || ruleset::is_written_by_kernel(set.kind)) {
    const auto value = find(data, NFTA_DATA_VALUE);
    if (!value) return false;
    Parts parts(value->value, set.family);
    if (set.kind != SetKind::client_ports) e.other = parts.address();
    const bool port_apart = set.kind == SetKind::clients && set.family == Family::ipv6;
    if (!port_apart) e.other_port = parts.port();
    return parts.good();
  }
  const auto verdict = find(data, NFTA_DATA_VERDICT);
  const auto read = verdict ? read_verdict(verdict->value, chains) : std::nullopt;
  if (!read) return false;
  e.set_verdict(*read);
  return true;
}

}  // namespace

std::optional<ruleset::ChainRef> ChainRefs::of(std::string_view name) {
  if (name == last_name_) return last_;
  last_name_ = name;
  const auto [entry, added] = known_.try_emplace(last_name_);
  if (added) entry->second = ruleset::parse_chain_name(name, owners_);
  return last_ = entry->second;
}

ElementDecoder::ElementDecoder(const SetRef& set, ChainRefs& chains, std::vector<Element>& elements,
                               std::vector<ForeignElement>& foreign)
    : set_(set),
      prefix_set_(ruleset::is_prefix_set(set.kind)),
      chains_(chains),
      elements_(elements),
      foreign_(foreign) {}

void ElementDecoder::add(Bytes attributes) {
  Bytes key, key_end, data;
  std::uint32_t flags = 0;
  bool plain = true;
  AttributeReader reader(attributes);
  while (const auto a = reader.next()) {
    switch (a->type) {
      case NFTA_SET_ELEM_KEY:
        key = a->value;
        break;
      case NFTA_SET_ELEM_KEY_END:
        key_end = a->value;
        break;
      case NFTA_SET_ELEM_DATA:
        data = a->value;
        break;
      case NFTA_SET_ELEM_FLAGS:
        flags = a->be32();
        break;
      case NFTA_SET_ELEM_TIMEOUT:  // it would vanish
      case NFTA_SET_ELEM_EXPR:
      case NFTA_SET_ELEM_EXPRESSIONS:
      case NFTA_SET_ELEM_OBJREF:
        plain = plain && ruleset::is_written_by_kernel(set_.kind);
        break;
      default:
        break;  // nft's comments, padding
    }
  }
  const auto value = find(key, NFTA_DATA_VALUE);
  const auto bound =
      prefix_set_ && value && plain ? Address::from_wire(value->value, set_.family) : std::nullopt;
  if (bound) {
    ends_.push_back({*bound, (flags & NFT_SET_ELEM_INTERVAL_END) == 0});
    return;
  }
  Element element;
  element.set = set_;
  if (!plain || flags != 0 || !value || !read_key(value->value, element) ||
      (ruleset::is_map(set_.kind) && !read_data(data, chains_, element)))
    return add_foreign(attributes);
  const bool range = set_.kind == SetKind::source_ranges;
  if (range != !key_end.empty()) return add_foreign(attributes);
  if (range) {
    const auto end_value = find(key_end, NFTA_DATA_VALUE);
    Element last = element;
    if (!end_value || !read_key(end_value->value, last)) return add_foreign(attributes);
    const auto length = prefix_length(element.other, last.other);
    last.other = element.other;
    if (!length || last != element) return add_foreign(attributes);
    element.prefix = *length;
  }
  elements_.push_back(element);
}

void ElementDecoder::add_foreign(Bytes attributes) {
  ForeignElement foreign{set_, {}, "an element that kproxy does not write"};
  AttributeReader reader(attributes);
  while (const auto a = reader.next()) {
    const bool key = a->type == NFTA_SET_ELEM_KEY || a->type == NFTA_SET_ELEM_KEY_END;
    if (a->type == NFTA_SET_ELEM_FLAGS)
      append_attribute(foreign.key, a->type, a->value);
    else if (key)
      append_attribute(foreign.key, a->type | NLA_F_NESTED, a->value);
    if (a->type != NFTA_SET_ELEM_KEY) continue;
    if (const auto value = find(a->value, NFTA_DATA_VALUE))
      foreign.text += " (key " + hexadecimal(value->value) + ")";
  }
  foreign_.push_back(std::move(foreign));
}

void ElementDecoder::add_range(const Address& first, const Address& last) {
  const auto length = prefix_length(first, last);
  if (!length) {
    foreign_.push_back({set_, {}, first.to_string() + "-" + last.to_string()});
    return;
  }
  Element element;
  element.set = set_;
  element.address = first;
  element.prefix = *length;
  elements_.push_back(element);
}

void ElementDecoder::finish() {
  // Where one range ends as another begins, the end comes first.
  std::sort(ends_.begin(), ends_.end(), [](const IntervalEnd& a, const IntervalEnd& b) {
    return std::tie(a.address, a.begins) < std::tie(b.address, b.begins);
  });
  std::optional<Address> first;
  for (const IntervalEnd& end : ends_) {
    if (first && end.address == *first) continue;  // listed twice
    if (first) add_range(*first, before(end.address));
    first.reset();
    if (end.begins) first = end.address;
    // An end that ends nothing changes nothing: nft puts one at zero.
  }
  if (first) add_range(*first, highest(set_.family));
  ends_.clear();
}

std::optional<Element> decode_element(const SetRef& set, Bytes attributes, ChainRefs& chains) {
  const auto key = find(attributes, NFTA_SET_ELEM_KEY);
  const auto value = key ? find(key->value, NFTA_DATA_VALUE) : std::nullopt;
  Element element;
  element.set = set;
  if (!value || !read_key(value->value, element)) return std::nullopt;
  if (set.kind == SetKind::source_ranges)
    element.prefix = static_cast<std::uint8_t>(8 * element.other.wire_size());
  if (const auto end = find(attributes, NFTA_SET_ELEM_KEY_END)) {
    Element last = element;
    const auto end_value = find(end->value, NFTA_DATA_VALUE);
    if (end_value && read_key(end_value->value, last))
      element.prefix = prefix_length(element.other, last.other).value_or(element.prefix);
  }
  if (const auto data = find(attributes, NFTA_SET_ELEM_DATA))
    read_data(data->value, chains, element);
  return element;
}

}  // namespace kproxy::apply
