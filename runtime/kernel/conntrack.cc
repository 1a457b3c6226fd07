#include "runtime/kernel/conntrack.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>

#include <cerrno>
#include <cstring>

namespace kproxy::kernel {
namespace {

using apply::AttributeReader;
using apply::Bytes;
using apply::MessageBuffer;

// Which parts of the tuple of the first packet a list is filtered by. The kernel's header for
// programs does not name them.
constexpr std::uint32_t kByAddress = 1u << 1;  // the destination's
constexpr std::uint32_t kByProtocol = 1u << 3;
constexpr std::uint32_t kByPort = 1u << 5;  // likewise

constexpr std::uint16_t type_of(cntl_msg_types message) {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message);
}

void put_family(MessageBuffer& to, Family family) {
  const nfgenmsg general{.nfgen_family = family == Family::ipv4 ? std::uint8_t{NFPROTO_IPV4}
                                                                : std::uint8_t{NFPROTO_IPV6},
                         .version = NFNETLINK_V0,
                         .res_id = 0};
  std::memcpy(to.reserve(sizeof general), &general, sizeof general);
  to.advance(sizeof general);
}

void put_filter(MessageBuffer& to, const Wanted& wanted) {
  const std::size_t tuple = to.begin_nest(CTA_TUPLE_ORIG);
  std::uint32_t parts = kByProtocol;
  // Not by an IPv6 address: the kernel takes the comparison the wrong way round (seen in 6.18), and
  // lists all entries but those that are wanted.
  if (wanted.address && wanted.family == Family::ipv4) {
    parts |= kByAddress;
    const std::size_t ip = to.begin_nest(CTA_TUPLE_IP);
    to.put(CTA_IP_V4_DST, Bytes(wanted.address->bytes()).subspan(wanted.address->wire_offset()));
    to.end_nest(ip);
  }
  const std::size_t protocol = to.begin_nest(CTA_TUPLE_PROTO);
  const std::uint8_t udp = static_cast<std::uint8_t>(Protocol::udp);
  to.put(CTA_PROTO_NUM, {&udp, 1});
  if (wanted.port) {
    parts |= kByPort;
    const std::uint8_t port[] = {static_cast<std::uint8_t>(wanted.port->value >> 8),
                                 static_cast<std::uint8_t>(wanted.port->value)};
    to.put(CTA_PROTO_DST_PORT, port);
  }
  to.end_nest(protocol);
  to.end_nest(tuple);
  const std::size_t filter = to.begin_nest(CTA_FILTER);
  to.put(CTA_FILTER_ORIG_FLAGS, {reinterpret_cast<const std::uint8_t*>(&parts), sizeof parts});
  to.end_nest(filter);
}

struct Tuple {
  Bytes protocol;  // its number
  Bytes source, destination, source_port, destination_port;
};

Tuple read_tuple(Bytes attributes) {
  Tuple tuple;
  for (AttributeReader reader(attributes); const auto part = reader.next();) {
    AttributeReader inner(part->value);
    while (const auto field = inner.next()) {
      if (part->type == CTA_TUPLE_IP) {
        if (field->type == CTA_IP_V4_SRC || field->type == CTA_IP_V6_SRC)
          tuple.source = field->value;
        if (field->type == CTA_IP_V4_DST || field->type == CTA_IP_V6_DST)
          tuple.destination = field->value;
      } else if (part->type == CTA_TUPLE_PROTO) {
        if (field->type == CTA_PROTO_NUM) tuple.protocol = field->value;
        if (field->type == CTA_PROTO_SRC_PORT) tuple.source_port = field->value;
        if (field->type == CTA_PROTO_DST_PORT) tuple.destination_port = field->value;
      }
    }
  }
  return tuple;
}

std::optional<service::Socket> read_socket(Bytes address, Bytes port, Family family) {
  const auto known = Address::from_wire(address, family);
  if (!known || port.size() != 2) return std::nullopt;
  return service::Socket{*known, Port{static_cast<std::uint16_t>(port[0] << 8 | port[1])}};
}

std::optional<service::UdpFlow> read_flow(Bytes attributes, Family family) {
  Tuple original, reply;
  for (AttributeReader reader(attributes); const auto attribute = reader.next();) {
    if (attribute->type == CTA_TUPLE_ORIG) original = read_tuple(attribute->value);
    if (attribute->type == CTA_TUPLE_REPLY) {
      reply = read_tuple(attribute->value);
      break;  // what comes after is of no concern
    }
  }
  if (original.protocol.size() != 1 ||
      original.protocol[0] != static_cast<std::uint8_t>(Protocol::udp))
    return std::nullopt;
  const auto to = read_socket(original.destination, original.destination_port, family);
  const auto by = read_socket(reply.source, reply.source_port, family);
  if (!to || !by) return std::nullopt;
  return service::UdpFlow{*to, *by};
}

}  // namespace

UdpEntries::UdpEntries(apply::Transport& lists, apply::Transport& deletions)
    : lists_(lists), deletions_(deletions) {}

int UdpEntries::list(const Wanted& wanted, bool filtered) {
  family_ = wanted.family;
  MessageBuffer request;
  put_family(request, wanted.family);
  if (filtered) put_filter(request, wanted);
  return lists_.ask(type_of(IPCTNL_MSG_CT_GET), NLM_F_DUMP, request.bytes());
}

Exchange::Piece UdpEntries::next(const std::function<void(const Entry&)>& on_entry) {
  return lists_.receive([&](const nlmsghdr&, Bytes payload) {
    if (payload.size() < sizeof(nfgenmsg)) return;
    if (const auto flow = read_flow(payload.subspan(sizeof(nfgenmsg)), family_))
      on_entry({*flow, payload});
  });
}

void UdpEntries::remove(const Entry& entry) {
  last_removal_ = removals_.size();
  removals_.reserve(NLMSG_HDRLEN);
  removals_.advance(NLMSG_HDRLEN);
  put_family(removals_, family_);
  for (AttributeReader reader(entry.message.subspan(sizeof(nfgenmsg)));
       const auto attribute = reader.next();)
    if (attribute->type == CTA_TUPLE_ORIG)
      removals_.put(CTA_TUPLE_ORIG | NLA_F_NESTED, attribute->value);
    else if (attribute->type == CTA_ZONE || attribute->type == CTA_ID)
      removals_.put(attribute->type, attribute->value);
  const nlmsghdr header{.nlmsg_len = static_cast<std::uint32_t>(removals_.size() - last_removal_),
                        .nlmsg_type = type_of(IPCTNL_MSG_CT_DELETE),
                        .nlmsg_flags = NLM_F_REQUEST,
                        .nlmsg_seq = 0,
                        .nlmsg_pid = 0};
  std::memcpy(removals_.data() + last_removal_, &header, sizeof header);
  ++removal_count_;
}

int UdpEntries::flush(std::size_t& deleted) {
  if (removal_count_ == 0) return 0;
  reinterpret_cast<nlmsghdr*>(removals_.data() + last_removal_)->nlmsg_flags |= NLM_F_ACK;
  std::size_t refused = 0;
  int first_error = 0;
  const int error = deletions_.run_all(removals_, [&](int why) {
    ++refused;
    if (why != ENOENT && first_error == 0) first_error = why;  // else it ended by itself
  });
  if (error == 0) deleted += removal_count_ - refused;
  removals_.clear();
  removal_count_ = 0;
  return error != 0 ? error : first_error;
}

void load_conntrack() {
  auto socket = apply::NetlinkSocket::open();
  if (!socket) return;
  MessageBuffer request;  // for the number of entries; to ask is enough
  put_family(request, Family::ipv4);
  Exchange(**socket).run(type_of(IPCTNL_MSG_CT_GET_STATS), 0, request.bytes(),
                         [](const nlmsghdr&, Bytes) {});
}

}  // namespace kproxy::kernel
