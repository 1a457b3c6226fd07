#include "runtime/apply/encode_elements.h"

#include <arpa/inet.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

namespace kproxy::apply {
namespace {

using ruleset::Element;
using ruleset::SetKind;
using ruleset::SetRef;
using ruleset::Verdict;

// More than any element takes: two keys of 40 bytes, a verdict with a chain's name, headers.
constexpr std::size_t kElementRoom = 512;
// The list of elements is one attribute, and an attribute's length has 16 bits.
constexpr std::size_t kListLimit = 0xffff - kElementRoom;

// Writes attributes to memory that is known to be there.
class Writer {
 public:
  explicit Writer(std::uint8_t* at) : at_(at) {}
  std::uint8_t* at() const { return at_; }

  std::uint8_t* begin(std::uint16_t type) {
    std::uint8_t* attribute = at_;
    std::memcpy(at_ + 2, &type, sizeof type);
    at_ += sizeof(nlattr);
    return attribute;
  }
  std::uint8_t* begin_nest(std::uint16_t type) {
    return begin(static_cast<std::uint16_t>(type | NLA_F_NESTED));
  }
  void end(std::uint8_t* attribute) {
    const auto size = static_cast<std::uint16_t>(at_ - attribute);
    std::memcpy(attribute, &size, sizeof size);
    while ((at_ - attribute) % 4 != 0) *at_++ = 0;
  }

  void bytes(const void* from, std::size_t size) {
    std::memcpy(at_, from, size);
    at_ += size;
  }
  void address(const Address& address, Family family) {
    if (family == Family::ipv4)
      bytes(address.bytes().data() + 12, 4);
    else
      bytes(address.bytes().data(), 16);
  }
  // Each part of a concatenation begins at a multiple of four bytes.
  void protocol(Protocol protocol) {
    const std::uint8_t padded[4] = {static_cast<std::uint8_t>(protocol), 0, 0, 0};
    bytes(padded, sizeof padded);
  }
  void port(Port port) {
    const std::uint8_t padded[4] = {static_cast<std::uint8_t>(port.value >> 8),
                                    static_cast<std::uint8_t>(port.value), 0, 0};
    bytes(padded, sizeof padded);
  }
  void host_order(std::uint32_t value) { bytes(&value, sizeof value); }
  void be32(std::uint16_t type, std::uint32_t value) {
    std::uint8_t* attribute = begin(type);
    write_be32(at_, value);
    at_ += 4;
    end(attribute);
  }

 private:
  std::uint8_t* at_;
};

void put_frontend(Writer& writer, const Element& e) {
  if (e.set.scope == ruleset::Scope::services) writer.address(e.address, e.set.family);
  writer.protocol(e.protocol);
  writer.port(e.port);
}

// The key; `other` stands for itself but in the last key of an interval.
void put_key(Writer& writer, std::uint16_t type, const Element& e, const Address& other) {
  std::uint8_t* key = writer.begin_nest(type);
  std::uint8_t* value = writer.begin(NFTA_DATA_VALUE);
  switch (e.set.kind) {
    case SetKind::frontends:
    case SetKind::external:
    case SetKind::local_policy:
    case SetKind::affinity:
    case SetKind::affinity_local:
    case SetKind::record:
    case SetKind::source_guarded:
      put_frontend(writer, e);
      break;
    case SetKind::endpoints:
      put_frontend(writer, e);
      writer.host_order(e.slot.value);  // what numgen gives
      break;
    case SetKind::source_ranges:
      put_frontend(writer, e);
      writer.address(other, e.set.family);
      break;
    case SetKind::cluster_ips:
    case SetKind::service_cidrs:
    case SetKind::pod_cidrs:
    case SetKind::node_port_addresses:
    case SetKind::clients:
    case SetKind::client_ports:
      writer.address(e.address, e.set.family);
      break;
    case SetKind::hairpin:
      writer.address(e.address, e.set.family);
      writer.address(other, e.set.family);
      break;
    case SetKind::rememberable:
      writer.address(other, e.set.family);
      writer.port(e.other_port);
      break;
  }
  writer.end(value);
  writer.end(key);
}

void put_endpoint(Writer& writer, const Element& e) {
  std::uint8_t* data = writer.begin_nest(NFTA_SET_ELEM_DATA);
  std::uint8_t* value = writer.begin(NFTA_DATA_VALUE);
  writer.address(e.other, e.set.family);
  writer.port(e.other_port);
  writer.end(value);
  writer.end(data);
}

std::int32_t verdict_code(Verdict::Code code) {
  switch (code) {
    case Verdict::Code::none:
      return NFT_CONTINUE;
    case Verdict::Code::drop:
      return NF_DROP;
    case Verdict::Code::return_:
      return NFT_RETURN;
    case Verdict::Code::jump:
      return NFT_JUMP;
    case Verdict::Code::goto_:
      return NFT_GOTO;
  }
  return NFT_CONTINUE;
}

void put_verdict(Writer& writer, const Verdict& verdict, KnownNames& names) {
  std::uint8_t* data = writer.begin_nest(NFTA_SET_ELEM_DATA);
  std::uint8_t* nest = writer.begin_nest(NFTA_DATA_VERDICT);
  writer.be32(NFTA_VERDICT_CODE, static_cast<std::uint32_t>(verdict_code(verdict.code)));
  if (verdict.code == Verdict::Code::jump || verdict.code == Verdict::Code::goto_) {
    const std::string& name = names.of(verdict.chain);
    std::uint8_t* chain = writer.begin(NFTA_VERDICT_CHAIN);
    writer.bytes(name.c_str(), name.size() + 1);
    writer.end(chain);
  }
  writer.end(nest);
  writer.end(data);
}

void put_element(Writer& writer, const Element& e, bool with_data, KnownNames& names) {
  std::uint8_t* element = writer.begin_nest(NFTA_LIST_ELEM);
  put_key(writer, NFTA_SET_ELEM_KEY, e, e.other);
  if (e.set.kind == SetKind::source_ranges)
    put_key(writer, NFTA_SET_ELEM_KEY_END, e, Cidr(e.other, e.prefix).last());
  if (with_data && e.set.kind == SetKind::endpoints)
    put_endpoint(writer, e);
  else if (with_data && ruleset::is_verdict_map(e.set.kind))
    put_verdict(writer, e.verdict(), names);
  writer.end(element);
}

// A message whose last attribute is the list of elements.
class ElementList {
 public:
  ElementList(Batch& batch, std::uint16_t type, std::uint16_t flags, std::string_view set)
      : batch_(batch), type_(type), flags_(flags), set_(set) {
    open();
  }
  ~ElementList() { close(); }
  ElementList(const ElementList&) = delete;
  ElementList& operator=(const ElementList&) = delete;

  template <typename Write>
  void add(Write write) {
    if (batch_.size() - list_ > kListLimit) {
      close();
      open();
    }
    std::uint8_t* at = batch_.attributes().reserve(kElementRoom);
    Writer writer(at);
    write(writer);
    batch_.attributes().advance(static_cast<std::size_t>(writer.at() - at));
  }

 private:
  void open() {
    batch_.begin_message(type_, flags_);
    batch_.attributes().put_string(NFTA_SET_ELEM_LIST_TABLE, batch_.table());
    batch_.attributes().put_string(NFTA_SET_ELEM_LIST_SET, set_);
    list_ = batch_.attributes().begin_nest(NFTA_SET_ELEM_LIST_ELEMENTS);
  }
  void close() {
    batch_.attributes().end_nest(list_);
    batch_.end_message();
  }

  Batch& batch_;
  const std::uint16_t type_, flags_;
  const std::string_view set_;
  std::size_t list_ = 0;
};

std::uint16_t message_type(ElementMessage message) {
  switch (message) {
    case ElementMessage::insert:
      return NFT_MSG_NEWSETELEM;
    case ElementMessage::erase:
      return NFT_MSG_DELSETELEM;
    case ElementMessage::destroy:
      return kDestroySetElement;
  }
  return NFT_MSG_NEWSETELEM;
}

// The address after, or nothing after the highest one.
std::optional<Address> after(const Address& address) {
  auto bytes = address.bytes();
  for (std::size_t i = bytes.size(); i-- > address.wire_offset();)
    if (++bytes[i] != 0) return Address(bytes);
  return std::nullopt;
}

void put_interval_end(Writer& writer, std::uint16_t flags, Bytes address, bool open) {
  std::uint8_t* element = writer.begin_nest(NFTA_LIST_ELEM);
  if (flags != 0) writer.be32(NFTA_SET_ELEM_FLAGS, flags);
  std::uint8_t* key = writer.begin_nest(NFTA_SET_ELEM_KEY);
  std::uint8_t* value = writer.begin(NFTA_DATA_VALUE);
  writer.bytes(address.data(), address.size());
  writer.end(value);
  writer.end(key);
  if (open) {
    std::uint8_t* user_data = writer.begin(NFTA_SET_ELEM_USERDATA);
    const std::uint8_t tag[2] = {NFTNL_UDATA_SET_ELEM_FLAGS, sizeof(std::uint32_t)};
    writer.bytes(tag, sizeof tag);
    writer.host_order(NFTNL_SET_ELEM_F_INTERVAL_OPEN);
    writer.end(user_data);
  }
  writer.end(element);
}

// Deletes all elements of a set.
void put_flush(Batch& batch, std::string_view set_name) {
  batch.begin_message(NFT_MSG_DELSETELEM, 0);
  batch.attributes().put_string(NFTA_SET_ELEM_LIST_TABLE, batch.table());
  batch.attributes().put_string(NFTA_SET_ELEM_LIST_SET, set_name);
  batch.end_message();
}

}  // namespace

void put_elements(Batch& batch, ElementMessage message, std::span<const Element> elements,
                  KnownNames& names) {
  const bool inserts = message == ElementMessage::insert;
  for (auto first = elements.begin(); first != elements.end();) {
    const SetRef set = first->set;
    const std::string& set_name = names.of(set);
    ElementList list(batch, message_type(message), inserts ? NLM_F_CREATE : 0, set_name);
    for (; first != elements.end() && first->set == set; ++first)
      list.add([&](Writer& writer) { put_element(writer, *first, inserts, names); });
  }
}

void put_keys(MessageBuffer& request, std::span<const Element> elements,
              const ruleset::OwnerNames& owners) {
  request.put_string(NFTA_SET_ELEM_LIST_TABLE, ruleset::kTable);
  request.put_string(NFTA_SET_ELEM_LIST_SET, name(elements.front().set, owners));
  const std::size_t list = request.begin_nest(NFTA_SET_ELEM_LIST_ELEMENTS);
  KnownNames no_names(owners);  // keys have none
  for (const Element& element : elements) {
    std::uint8_t* at = request.reserve(kElementRoom);
    Writer writer(at);
    put_element(writer, element, false, no_names);
    request.advance(static_cast<std::size_t>(writer.at() - at));
  }
  request.end_nest(list);
}

void put_prefix_set(Batch& batch, const SetRef& set, std::span<const Element> elements,
                    const ruleset::OwnerNames& owners) {
  const std::string set_name = name(set, owners);
  put_flush(batch, set_name);
  if (elements.empty()) return;
  std::vector<Cidr> prefixes;
  for (const Element& e : elements) prefixes.emplace_back(e.address, e.prefix);
  std::sort(prefixes.begin(), prefixes.end());

  const auto wire = [](const Address& address) {
    return Bytes(address.bytes()).subspan(address.wire_offset());
  };
  ElementList list(batch, NFT_MSG_NEWSETELEM, NLM_F_CREATE, set_name);
  const Cidr everything(prefixes.front().address(), 0);
  if (prefixes.front().address() != everything.address())
    list.add([&](Writer& writer) {
      put_interval_end(writer, NFT_SET_ELEM_INTERVAL_END, wire(everything.address()), false);
    });
  for (const Cidr& prefix : prefixes) {
    const std::optional<Address> end = after(prefix.last());
    list.add([&](Writer& writer) {
      put_interval_end(writer, 0, wire(prefix.address()), !end.has_value());
    });
    if (!end) continue;
    list.add([&](Writer& writer) {
      put_interval_end(writer, NFT_SET_ELEM_INTERVAL_END, wire(*end), false);
    });
  }
}

void put_foreign_erase(Batch& batch, std::string_view set_name, Bytes key_attributes) {
  ElementList list(batch, NFT_MSG_DELSETELEM, 0, set_name);
  list.add([&](Writer& writer) {
    std::uint8_t* element = writer.begin_nest(NFTA_LIST_ELEM);
    writer.bytes(key_attributes.data(), key_attributes.size());
    writer.end(element);
  });
}

}  // namespace kproxy::apply
