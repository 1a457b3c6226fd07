// Entries of connection tracking, as tests make and see them: "udp 10.9.0.1:4000 > 10.96.0.1:53 by
// 10.1.0.1:5353", where answers come from 10.1.0.1.
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <set>
#include <string>

#include "compiler/service/udp_ports.h"
#include "runtime/kernel/exchange.h"

namespace kproxy::tests {

struct ConntrackEntry {
  Protocol protocol = Protocol::udp;
  service::Socket from, to, by;
  std::uint16_t zone = 0;

  std::string text() const {
    return std::string(to_string(protocol)) + " " + to_string(from.address, from.port) + " > " +
           to_string(to.address, to.port) + " by " + to_string(by.address, by.port) +
           (zone == 0 ? "" : " zone " + std::to_string(zone));
  }
};

// The entries of the calling thread's network namespace.
class ConntrackTable {
 public:
  ConntrackTable() : socket_(apply::NetlinkSocket::open().value()), exchange_(*socket_) {}

  // Many at once, too.
  void insert(const ConntrackEntry& entry) {
    apply::MessageBuffer& m = requests_;
    const std::size_t begin = m.size();
    m.reserve(NLMSG_HDRLEN);
    m.advance(NLMSG_HDRLEN);
    put_family(m, entry.to.address.family());
    put_tuple(m, CTA_TUPLE_ORIG, entry.protocol, entry.from, entry.to);
    put_tuple(m, CTA_TUPLE_REPLY, entry.protocol, entry.by, entry.from);
    m.put_be32(CTA_TIMEOUT, 600);
    if (entry.zone != 0) put_be16(m, CTA_ZONE, entry.zone);
    const nlmsghdr header{static_cast<std::uint32_t>(m.size() - begin),
                          NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW,
                          NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL, 0, 0};
    std::memcpy(m.data() + begin, &header, sizeof header);
    last_ = begin;
    if (m.size() > 60000) flush();
  }
  void flush() {
    if (requests_.size() == 0) return;
    reinterpret_cast<nlmsghdr*>(requests_.data() + last_)->nlmsg_flags |= NLM_F_ACK;
    int refused = 0;
    const int error = exchange_.run_all(requests_, [&](int why) { refused = why; });
    requests_.clear();
    BOOST_REQUIRE_MESSAGE(error == 0 && refused == 0,
                          "cannot make entries: " << std::strerror(error != 0 ? error : refused));
  }

  // All there are, of every protocol and both families.
  std::set<std::string> list() {
    std::set<std::string> entries;
    each([&](const ConntrackEntry& entry) { entries.insert(entry.text()); });
    return entries;
  }
  std::size_t count() {
    std::size_t count = 0;
    each([&](const ConntrackEntry&) { ++count; });
    return count;
  }

 private:
  static void put_family(apply::MessageBuffer& to, Family family) {
    const nfgenmsg general{static_cast<std::uint8_t>(family == Family::ipv4 ? AF_INET : AF_INET6),
                           NFNETLINK_V0, 0};
    std::memcpy(to.reserve(sizeof general), &general, sizeof general);
    to.advance(sizeof general);
  }
  static void put_be16(apply::MessageBuffer& to, std::uint16_t type, std::uint16_t value) {
    const std::uint8_t bytes[] = {static_cast<std::uint8_t>(value >> 8),
                                  static_cast<std::uint8_t>(value)};
    to.put(type, bytes);
  }
  static void put_tuple(apply::MessageBuffer& to, std::uint16_t type, Protocol protocol,
                        const service::Socket& source, const service::Socket& destination) {
    const auto bytes = [](const Address& address) {
      return apply::Bytes(address.bytes()).subspan(address.wire_offset());
    };
    const bool ipv4 = source.address.family() == Family::ipv4;
    const std::size_t tuple = to.begin_nest(type), ip = to.begin_nest(CTA_TUPLE_IP);
    to.put(ipv4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, bytes(source.address));
    to.put(ipv4 ? CTA_IP_V4_DST : CTA_IP_V6_DST, bytes(destination.address));
    to.end_nest(ip);
    const std::size_t ports = to.begin_nest(CTA_TUPLE_PROTO);
    const auto number = static_cast<std::uint8_t>(protocol);
    to.put(CTA_PROTO_NUM, {&number, 1});
    put_be16(to, CTA_PROTO_SRC_PORT, source.port.value);
    put_be16(to, CTA_PROTO_DST_PORT, destination.port.value);
    to.end_nest(ports);
    to.end_nest(tuple);
  }

  static void read_tuple(apply::Bytes tuple, Protocol& protocol, service::Socket& source,
                         service::Socket& destination) {
    const auto put = [](service::Socket& to, apply::Bytes bytes) {
      std::array<std::uint8_t, 16> all =
          bytes.size() == 4 ? Address::ipv4(0).bytes() : std::array<std::uint8_t, 16>{};
      std::memcpy(all.data() + 16 - bytes.size(), bytes.data(), bytes.size());
      to.address = Address(all);
    };
    const auto be16 = [](apply::Bytes bytes) {
      return Port{static_cast<std::uint16_t>(bytes[0] << 8 | bytes[1])};
    };
    const auto ip = apply::find(tuple, CTA_TUPLE_IP), proto = apply::find(tuple, CTA_TUPLE_PROTO);
    for (apply::AttributeReader reader(ip->value); const auto field = reader.next();)
      put(field->type == CTA_IP_V4_SRC || field->type == CTA_IP_V6_SRC ? source : destination,
          field->value);
    for (apply::AttributeReader reader(proto->value); const auto field = reader.next();) {
      if (field->type == CTA_PROTO_NUM) protocol = static_cast<Protocol>(field->value[0]);
      if (field->type == CTA_PROTO_SRC_PORT) source.port = be16(field->value);
      if (field->type == CTA_PROTO_DST_PORT) destination.port = be16(field->value);
    }
  }

  template <typename OnEntry>
  void each(OnEntry on_entry) {
    flush();
    for (Family family : kFamilies) {
      apply::MessageBuffer request;
      put_family(request, family);
      const int error = exchange_.run(
          NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, NLM_F_DUMP, request.bytes(),
          [&](const nlmsghdr&, apply::Bytes payload) {
            const apply::Bytes attributes = payload.subspan(sizeof(nfgenmsg));
            ConntrackEntry entry;
            service::Socket client;
            read_tuple(apply::find(attributes, CTA_TUPLE_ORIG)->value, entry.protocol, entry.from,
                       entry.to);
            read_tuple(apply::find(attributes, CTA_TUPLE_REPLY)->value, entry.protocol, entry.by,
                       client);
            if (const auto zone = apply::find(attributes, CTA_ZONE))
              entry.zone = static_cast<std::uint16_t>(zone->value[0] << 8 | zone->value[1]);
            on_entry(entry);
          });
      BOOST_REQUIRE_MESSAGE(error == 0, "cannot list entries: " << std::strerror(error));
    }
  }

  std::unique_ptr<apply::NetlinkSocket> socket_;
  kernel::Exchange exchange_;
  apply::MessageBuffer requests_;
  std::size_t last_ = 0;
};

}  // namespace kproxy::tests
