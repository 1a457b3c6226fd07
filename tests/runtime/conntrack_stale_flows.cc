// Entries that a pass deletes and leaves in the kernel, what it costs, and what it makes of
// trouble.
#include <sys/resource.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>

#include "runtime/kernel/stale_flows.h"
#include "tests/runtime/conntrack_entries.h"
#include "tests/runtime/network_namespace.h"
#include "tests/runtime/stale_flows_passes.h"

namespace kproxy::tests {
namespace {

using kernel::Pass;
using kernel::StaleFlows;
using snapshot::ObjectName;
using snapshot::Snapshot;

service::Socket at(const std::string& address, int port) {
  return {Address::parse(address).value(), Port{static_cast<std::uint16_t>(port)}};
}

const ObjectName kDns{"kube-system", "dns"};

// A Service with a UDP port 53 on both families, and a node port.
struct Dns {
  explicit Dns(const std::vector<std::string>& endpoints, int node_port = 0) {
    service.name = kDns;
    service.cluster_ips = {Address::parse("10.96.0.1"), Address::parse("fd00:96::1")};
    service.ports = {{"dns", Protocol::udp, Port{53}, Port{static_cast<std::uint16_t>(node_port)}}};
    for (const std::string& endpoint : endpoints) {
      snapshot::EndpointSlice slice;
      slice.name = {kDns.ns, endpoint};
      slice.service = kDns.name;
      snapshot::Endpoint one;
      one.address = Address::parse(endpoint).value();
      slice.family = one.address.family();
      slice.ports = {{"dns", Protocol::udp, Port{5353}}};
      slice.endpoints = {one};
      snapshot.put(slice);
    }
  }
  const Snapshot::Entry* entry() {
    snapshot.put(service);
    return snapshot.find(kDns);
  }

  snapshot::Service service;
  Snapshot snapshot;
};

service::NodeView node() {
  service::NodeView view;
  view.families[0].node_ports_everywhere = view.families[1].node_ports_everywhere = true;
  return view;
}

ConntrackEntry to_dns(int client, const std::string& endpoint, Protocol protocol = Protocol::udp) {
  const bool ipv4 = endpoint.find(':') == std::string::npos;
  return {.protocol = protocol,
          .from = at(ipv4 ? "10.9.0.1" : "fd09::1", client),
          .to = at(ipv4 ? "10.96.0.1" : "fd00:96::1", 53),
          .by = at(endpoint, 5353)};
}

std::vector<Pass> clear(StaleFlows& flows) {
  return clear_all(flows, node());
}

// Peak resident memory of this process from here on, in KiB.
void reset_peak() {
  std::ofstream("/proc/self/clear_refs") << 5;
}
long peak() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtol(line.c_str() + 6, nullptr, 10);
  return 0;
}

// To how many lists which harm is to come, once each.
struct Trouble {
  int times = 0;
  int error = 0;  // 0: NLM_F_DUMP_INTR is set
  int after = 0;  // so many pieces of the first one
  bool refuse_filters = false;
};

// What all sockets share, whichever thread they are used by.
class Troubles {
 public:
  explicit Troubles(Trouble trouble = {}) : trouble_(trouble) {}

  void set(Trouble trouble) {
    const std::lock_guard lock(mutex_);
    trouble_ = trouble;
  }
  bool refuse_filters() {
    const std::lock_guard lock(mutex_);
    return trouble_.refuse_filters;
  }
  // The error that a piece of a list is to meet, if it is its turn.
  std::optional<int> strike() {
    const std::lock_guard lock(mutex_);
    if (trouble_.times == 0 || trouble_.after-- > 0) return std::nullopt;
    --trouble_.times;
    return trouble_.error;
  }
  std::atomic<int> opened = 0, reopened = 0;

 private:
  std::mutex mutex_;
  Trouble trouble_;
};

// As the kernel, but for some calls.
class Troubled : public apply::Transport {
 public:
  Troubled(std::unique_ptr<apply::Transport> below, Troubles& troubles)
      : below_(std::move(below)), troubles_(troubles) {
    ++troubles_.opened;
  }

  int send(std::span<const std::uint8_t> datagram) override {
    nlmsghdr header;
    std::memcpy(&header, datagram.data(), sizeof header);
    list_ = (header.nlmsg_type & 0xff) == IPCTNL_MSG_CT_GET;
    filtered_ = list_ && datagram.size() > NLMSG_HDRLEN + sizeof(nfgenmsg);
    struck_ = false;
    return below_->send(datagram);
  }
  ssize_t receive(std::span<std::uint8_t> buffer) override {
    if (filtered_ && troubles_.refuse_filters()) return -EOPNOTSUPP;
    const ssize_t size = below_->receive(buffer);
    if (!list_ || struck_ || size < 0) return size;
    const std::optional<int> error = troubles_.strike();
    if (!error) return size;
    struck_ = true;
    if (*error != 0) return -*error;
    reinterpret_cast<nlmsghdr*>(buffer.data())->nlmsg_flags |= NLM_F_DUMP_INTR;
    return size;
  }
  int reopen() override {
    ++troubles_.reopened;
    return below_->reopen();
  }
  std::uint32_t port_id() const override { return below_->port_id(); }

 private:
  std::unique_ptr<apply::Transport> below_;
  Troubles& troubles_;
  bool list_ = false, filtered_ = false, struck_ = false;
};

StaleFlows::OpenTransport troubled(Troubles& troubles) {
  return [&troubles]() -> Result<std::unique_ptr<apply::Transport>> {
    return std::unique_ptr<apply::Transport>(
        std::make_unique<Troubled>(apply::NetlinkSocket::open().value(), troubles));
  };
}

// Closed until somebody opens it; but nobody waits there for ever.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    opened_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    if (!opened_.wait_for(lock, std::chrono::seconds(2), [this] { return open_; })) late_ = true;
  }
  // Somebody has waited in vain.
  bool was_late() {
    const std::lock_guard lock(mutex_);
    return late_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool open_ = false, late_ = false;
};

// The kernel, long about lists: until the gate opens.
class Slow : public apply::Transport {
 public:
  explicit Slow(Gate& gate) : gate_(gate), below_(apply::NetlinkSocket::open().value()) {}

  int send(std::span<const std::uint8_t> datagram) override {
    nlmsghdr header;
    std::memcpy(&header, datagram.data(), sizeof header);
    if ((header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP) gate_.pass();
    return below_->send(datagram);
  }
  ssize_t receive(std::span<std::uint8_t> buffer) override { return below_->receive(buffer); }
  int reopen() override { return below_->reopen(); }
  std::uint32_t port_id() const override { return below_->port_id(); }

 private:
  Gate& gate_;
  std::unique_ptr<apply::Transport> below_;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(conntrack_stale_flows)

// CT-02, CT-04, CT-07, BEYOND-08: of each kind of entry, those that go.
BOOST_AUTO_TEST_CASE(deletes_stale_entries_alone) {
  NetworkNamespace name_space;
  ConntrackTable table;
  std::vector<ConntrackEntry> stay, go;
  for (const char* endpoint : {"10.1.0.1", "fd01::1"}) {
    stay.push_back(to_dns(4001, endpoint));
    const std::string gone = std::string(endpoint) + "9";
    go.push_back(to_dns(4002, gone));
    stay.push_back(to_dns(4003, gone, Protocol::tcp));
    go.push_back(to_dns(4004, gone));
    go.back().zone = 7;
    stay.push_back(to_dns(4005, gone));
    stay.back().to.port.value = 54;  // no frontend
  }
  go.push_back(to_dns(4006, "10.1.0.19"));
  go.back().by = go.back().to;  // CT-05: redirected by nobody
  for (const auto& entries : {stay, go})
    for (const ConntrackEntry& entry : entries) table.insert(entry);
  BOOST_TEST(table.list().size() == stay.size() + go.size());

  StaleFlows flows;
  Dns entry({"10.1.0.1", "fd01::1"});
  flows.update(kDns, entry.entry(), node());
  const std::vector<Pass> passes = clear(flows);
  BOOST_TEST(passes.size() == 2u);
  for (const Pass& pass : passes) {
    BOOST_TEST(!pass.error);
    BOOST_TEST(pass.tries == 1u);
    BOOST_TEST(pass.deleted == (pass.family == Family::ipv4 ? 3u : 2u));
  }
  std::set<std::string> expected;
  for (const ConntrackEntry& one : stay) expected.insert(one.text());
  BOOST_TEST(table.list() == expected, boost::test_tools::per_element());

  flows.update(kDns, nullptr, node());
  clear(flows);
  for (const ConntrackEntry& one : stay)
    if (one.protocol == Protocol::udp && one.to.port.value == 53) expected.erase(one.text());
  BOOST_TEST(table.list() == expected, boost::test_tools::per_element());
}

// BEYOND-09: only at addresses that are the namespace's own.
BOOST_AUTO_TEST_CASE(node_ports) {
  NetworkNamespace name_space;
  BOOST_REQUIRE(std::system("ip link set lo up && ip addr add 192.0.2.1/32 dev lo && "
                            "ip addr add 2001:db8::1/64 dev lo nodad && "
                            "ip route add local 198.51.100.0/24 dev lo") == 0);
  ConntrackTable table;
  std::set<std::string> expected;
  const auto insert = [&](int client, const char* to, const char* by, bool stays) {
    ConntrackEntry entry = to_dns(client, by);
    entry.to = at(to, 30053);
    table.insert(entry);
    if (stays) expected.insert(entry.text());
  };
  insert(1, "192.0.2.1", "10.1.0.9", false);
  insert(2, "192.0.2.1", "10.1.0.1", true);
  insert(3, "192.0.2.2", "10.1.0.9", true);  // somebody else's
  insert(4, "198.51.100.77", "10.1.0.9", false);
  insert(5, "2001:db8::1", "fd01::9", false);
  insert(6, "2001:db8::2", "fd01::9", true);
  insert(7, "127.0.0.1", "10.1.0.9", true);
  insert(8, "::1", "fd01::9", true);
  table.flush();
  StaleFlows flows;
  Dns entry({"10.1.0.1", "fd01::1"}, 30053);
  flows.update(kDns, entry.entry(), node());
  for (const Pass& pass : clear(flows)) BOOST_TEST(!pass.error);
  BOOST_TEST(table.list() == expected, boost::test_tools::per_element());
}

// CT-09: a list that is interrupted is begun again, up to 5 times in all; what was read counts.
BOOST_AUTO_TEST_CASE(interruptions) {
  struct Case {
    const char* what;
    Trouble trouble;
    unsigned tries;
    bool succeeds;
  };
  for (Case c : {Case{"none", {}, 1, true},
                 {"no filters", {.refuse_filters = true}, 1, true},
                 {"EINTR", {.times = 1, .error = EINTR}, 2, true},
                 {"ENOBUFS in the middle", {.times = 1, .error = ENOBUFS, .after = 2}, 2, true},
                 {"NLM_F_DUMP_INTR", {.times = 4}, 5, true},
                 {"ENOBUFS for ever", {.times = 1000, .error = ENOBUFS, .after = 2}, 5, false},
                 {"NLM_F_DUMP_INTR for ever", {.times = 1000}, 5, false},
                 {"EPERM", {.times = 1, .error = EPERM}, 1, false}}) {
    NetworkNamespace name_space;
    ConntrackTable table;
    for (int i = 0; i < 1000; ++i)
      table.insert(to_dns(1000 + i, i % 2 == 0 ? "10.1.0.1" : "10.1.0.9"));
    table.flush();
    Troubles troubles(c.trouble);
    StaleFlows flows(troubled(troubles));
    Dns entry({"10.1.0.1"});
    flows.update(kDns, entry.entry(), node());
    Pass pass;
    for (const Pass& one : clear(flows))
      if (one.family == Family::ipv4) pass = one;
    BOOST_TEST(pass.tries == c.tries, c.what);
    BOOST_TEST(!pass.error == c.succeeds, c.what);
    if (pass.error) BOOST_TEST(pass.error->where == "conntrack", c.what);
    const std::size_t left = table.count();
    if (c.succeeds)
      BOOST_TEST(left == 500u, c.what);
    else if (std::string(c.what) != "EPERM")
      BOOST_TEST(left < 1000u, c.what << ": what was read counts");
    BOOST_TEST(pass.deleted == 1000 - left, c.what);

    // The next change deals with what was left, too.
    troubles.set({});
    Dns changed({"10.1.0.1"}, 30053);
    flows.update(kDns, changed.entry(), node());
    clear(flows);
    BOOST_TEST(table.count() == 500u, c.what);
  }
}

// An update in the middle of a pass is answered by another one.
BOOST_AUTO_TEST_CASE(changes_meanwhile) {
  NetworkNamespace name_space;
  ConntrackTable table;
  for (int i = 0; i < 2000; ++i)
    table.insert(to_dns(1000 + i, i % 2 == 0 ? "10.1.0.1" : "10.1.0.2"));
  table.flush();
  StaleFlows flows;
  Dns both({"10.1.0.1", "10.1.0.2"});
  flows.update(kDns, both.entry(), node());
  BOOST_TEST(flows.clear({}, node()).empty());
  await(flows);
  BOOST_TEST(flows.clear({}, node()).empty());
  BOOST_TEST(flows.pending());
  Dns one({"10.1.0.1"});
  flows.update(kDns, one.entry(), node());
  BOOST_TEST(clear(flows).size() == 3u);  // IPv4 twice, IPv6 once
  BOOST_TEST(table.count() == 1000u);
}

// While the kernel looks for entries, whoever has asked goes on; what changes meanwhile is not
// lost.
BOOST_AUTO_TEST_CASE(nobody_waits_for_the_list) {
  NetworkNamespace name_space;
  ConntrackTable table;
  for (int i = 0; i < 1000; ++i)
    table.insert(to_dns(1000 + i, i % 2 == 0 ? "10.1.0.1" : "10.1.0.2"));
  table.flush();
  Gate gate;
  StaleFlows flows([&gate]() -> Result<std::unique_ptr<apply::Transport>> {
    return std::unique_ptr<apply::Transport>(std::make_unique<Slow>(gate));
  });
  Dns both({"10.1.0.1", "10.1.0.2"}), one({"10.1.0.1"});
  flows.update(kDns, both.entry(), node());
  BOOST_TEST(flows.clear(StaleFlows::Clock::now() + std::chrono::hours(1), node()).empty());
  flows.update(kDns, one.entry(), node());
  BOOST_TEST(flows.clear({}, node()).empty());
  BOOST_TEST(table.count() == 1000u);
  BOOST_TEST(!gate.was_late(), "clear() waited for the kernel");
  pollfd event{flows.file_descriptor(), POLLIN, 0};
  BOOST_TEST(poll(&event, 1, 0) == 0, "there is nothing to do yet");
  gate.open();
  const std::vector<Pass> passes = clear(flows);
  BOOST_TEST(passes.size() == 3u);  // IPv4 twice, IPv6 once
  for (const Pass& pass : passes) BOOST_TEST(!pass.error);
  BOOST_TEST(table.count() == 500u);
}

// To close a socket may take long: they are kept, unless there was trouble.
BOOST_AUTO_TEST_CASE(sockets_are_kept) {
  NetworkNamespace name_space;
  Troubles troubles;
  StaleFlows flows(troubled(troubles));
  int changes = 0;
  const auto passes = [&](int count, int reopened) {
    for (int i = 0; i < count; ++i) {
      const std::string endpoint = std::to_string(++changes);
      Dns changed({"10.1.0." + endpoint, "fd01::" + endpoint});
      flows.update(kDns, changed.entry(), node());
      BOOST_TEST(clear(flows).size() == 2u);
    }
    BOOST_TEST(troubles.opened == 2);
    BOOST_TEST(troubles.reopened == reopened);
  };
  passes(3, 0);
  troubles.set({.times = 1, .error = EPERM});
  passes(1, 2);
  passes(3, 2);
}

// However often IPv4 changes, IPv6 has its turn.
BOOST_AUTO_TEST_CASE(families_in_turn) {
  NetworkNamespace name_space;
  StaleFlows flows;
  std::vector<Family> passes;
  for (int i = 0; i < 4; ++i) {
    Dns changed({"10.1.0." + std::to_string(i + 1), "fd01::" + std::to_string(i / 2 + 1)});
    flows.update(kDns, changed.entry(), node());
    for (int step = 0; step < 1000; ++step) {
      await(flows);
      const auto ended = flows.clear({}, node());
      for (const Pass& pass : ended) passes.push_back(pass.family);
      if (!ended.empty()) break;
    }
  }
  BOOST_TEST((passes == std::vector{Family::ipv4, Family::ipv6, Family::ipv4, Family::ipv6}));
}

// BEYOND-10: a pass through many entries holds few of them. KPROXY_TEST_ENTRIES=1000000 for more
// than these (net.netfilter.nf_conntrack_max must allow it).
BOOST_AUTO_TEST_CASE(many_entries) {
  NetworkNamespace name_space;
  const char* wanted = std::getenv("KPROXY_TEST_ENTRIES");
  const int count = wanted == nullptr ? 200000 : std::atoi(wanted);
  {
    ConntrackTable table;
    for (int i = 0; i < count; ++i) {
      ConntrackEntry entry = to_dns(1024 + i % 64000, "10.1.0.1");
      entry.from.address = Address::ipv4(0x0a090000u + static_cast<unsigned>(i / 64000));
      if (i % 10 == 0) entry.to = at("10.96.0.2", 53);
      if (i % 1000 == 1) entry.by = at("10.1.0.9", 5353);
      if (i % 5 == 2) entry.protocol = Protocol::tcp;
      table.insert(entry);
    }
    table.flush();
  }
  const auto stale = static_cast<std::size_t>(count / 1000);
  for (const bool one_frontend : {false, true}) {
    StaleFlows flows;
    std::vector<std::string> endpoints = {"10.1.0.1"};
    if (!one_frontend) endpoints.push_back("10.1.0.9");
    Dns first(endpoints);
    Dns other({"10.1.0.1"});
    other.service.cluster_ips = {Address::parse("10.96.0.77"), std::nullopt};
    other.service.ports[0].port.value = 54;
    flows.update(kDns, first.entry(), node());
    if (!one_frontend) flows.update({"shop", "other"}, other.entry(), node());
    reset_peak();
    const long before = peak();
    std::chrono::nanoseconds longest{}, total{};
    std::size_t deleted = 0, examined = 0;
    while (flows.pending()) {
      await(flows);
      const auto began = StaleFlows::Clock::now();
      for (const Pass& pass : flows.clear({}, node())) {
        BOOST_TEST(!pass.error);
        deleted += pass.deleted;
        examined += pass.examined;
        total += pass.duration;
      }
      longest = std::max<std::chrono::nanoseconds>(longest, StaleFlows::Clock::now() - began);
    }
    const long grown = peak() - before;
    BOOST_TEST_MESSAGE(count << " entries: " << examined << " examined, " << deleted
                             << " deleted in " << total.count() / 1000000
                             << " ms, the longest step " << longest.count() / 1000 << " us, "
                             << grown << " KiB");
#ifndef SANITIZED  // a sanitizer keeps what is freed, to notice who uses it all the same
    BOOST_TEST(grown < 10 * 1024);
#endif
    BOOST_TEST(deleted == (one_frontend ? stale : 0u));
    if (one_frontend) BOOST_TEST(examined < static_cast<std::size_t>(count) * 3 / 4 + 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
