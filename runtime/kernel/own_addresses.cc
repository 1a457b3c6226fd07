#include "runtime/kernel/own_addresses.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cstring>

#include "runtime/kernel/exchange.h"

namespace kproxy::kernel {

Result<std::vector<Cidr>> own_addresses(Family family) {
  auto socket = apply::NetlinkSocket::open(NETLINK_ROUTE);
  if (!socket) return socket.error();
  // Without this the kernel would list the routes of all tables.
  const int on = 1;
  setsockopt((*socket)->file_descriptor(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);

  rtmsg request{};
  request.rtm_family = family == Family::ipv4 ? AF_INET : AF_INET6;
  request.rtm_table = RT_TABLE_LOCAL;
  request.rtm_type = RTN_LOCAL;
  std::vector<Cidr> addresses;
  const auto add = [&](const nlmsghdr&, apply::Bytes payload) {
    rtmsg route;
    if (payload.size() < sizeof route) return;
    std::memcpy(&route, payload.data(), sizeof route);
    if (route.rtm_type != RTN_LOCAL || route.rtm_table != RT_TABLE_LOCAL) return;
    const auto destination = apply::find(payload.subspan(sizeof route), RTA_DST);
    if (!destination) return;
    if (const auto address = Address::from_wire(destination->value, family))
      addresses.emplace_back(*address, route.rtm_dst_len);
  };
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&request);
  const int error = Exchange(**socket).run(RTM_GETROUTE, NLM_F_DUMP, {bytes, sizeof request}, add);
  if (error != 0)
    return Error{"rtnetlink", std::string("cannot list local addresses: ") + std::strerror(error),
                 ""};
  return addresses;
}

}  // namespace kproxy::kernel
