// What a Proxier says of what the kernel does to it.
#include "runtime/proxier.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include "tests/runtime/apply_fixture.h"
#include "tests/runtime/refusing_transport.h"

namespace kproxy::tests {
namespace {

void put_service(snapshot::Snapshot& snapshot, const std::string& name, const std::string& ip) {
  snapshot::Service service;
  service.name = {"shop", name};
  service.created = 1;
  service.cluster_ips[0] = address(ip);
  service.ports.push_back({"http", Protocol::tcp, Port{80}, Port{0}});
  snapshot.put(std::move(service));
  snapshot::EndpointSlice slice;
  slice.name = {"shop", name + "-1"};
  slice.service = name;
  slice.family = Family::ipv4;
  slice.ports.push_back({"http", Protocol::tcp, Port{8080}});
  slice.endpoints.resize(1);
  slice.endpoints[0].address = address("10.244.0.7");
  snapshot.put(std::move(slice));
}

// A kernel that refuses the last element for one set so many times.
class PickyTransport : public apply::Transport {
 public:
  PickyTransport(const std::string& set, int times)
      : socket_(require(apply::NetlinkSocket::open())), refusing_(*socket_) {
    const auto inserts = [set](int, const apply::Received& message) {
      if (message.header.nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWSETELEM))
        return false;
      const auto name =
          apply::find(message.payload().subspan(sizeof(nfgenmsg)), NFTA_SET_ELEM_LIST_SET);
      return name && name->string() == set;
    };
    if (times > 0) refusing_.arm(inserts, EINVAL, times);
  }
  int send(std::span<const std::uint8_t> datagram) override { return refusing_.send(datagram); }
  ssize_t receive(std::span<std::uint8_t> buffer) override { return refusing_.receive(buffer); }
  int reopen() override { return refusing_.reopen(); }
  std::uint32_t port_id() const override { return refusing_.port_id(); }

 private:
  std::unique_ptr<apply::NetlinkSocket> socket_;
  RefusingTransport refusing_;
};

// What is logged, in a file without a name.
struct Written {
  ~Written() { close(fd); }
  std::string text() const {
    std::string all(static_cast<std::size_t>(lseek(fd, 0, SEEK_END)), '\0');
    BOOST_REQUIRE(pread(fd, all.data(), all.size(), 0) == static_cast<ssize_t>(all.size()));
    return all;
  }
  int fd = memfd_create("log", MFD_CLOEXEC);
};

BOOST_AUTO_TEST_SUITE(proxier)

// BEYOND-07: the Service whose element the kernel refuses is named, and the others are served.
BOOST_AUTO_TEST_CASE(a_refused_element_is_its_service_s) {
  struct Case {
    const char* set;
    int refused;
    const char* service;  // nothing: the element is not of one Service
  };
  const Case cases[] = {
      {"services4", 1, "shop/second"},
      {"services4-endpoints", 1, "shop/second"},
      {"cluster-ips4", 1, "shop/second"},
      {"services4", 0, nullptr},
  };
  for (const Case& c : cases) {
    BOOST_TEST_CONTEXT(c.set << ", " << c.refused) {
      const NetworkNamespace name_space;
      snapshot::Snapshot snapshot;
      put_service(snapshot, "first", "10.96.0.1");
      put_service(snapshot, "second", "10.96.0.2");
      const Written written;
      const log::Log log(written.fd, 0);
      serve::ProxyMetrics metrics;
      serve::Health health(std::chrono::seconds(60));
      Proxier::Settings settings;
      settings.options.node = "node-a";
      Proxier proxier(settings, snapshot, log, metrics, health);
      BOOST_REQUIRE(proxier.compile().ok());
      proxier.connect(std::make_unique<PickyTransport>(c.set, c.refused));
      BOOST_REQUIRE(proxier.reconcile("Synced").ok());

      const std::string text = written.text();
      const std::string name =
          c.service == nullptr ? "" : std::string("Service ") + c.service + ":";
      BOOST_TEST((text.find(name) != text.npos), text);
      BOOST_TEST((text.find("shop/first") == text.npos), text);
      const std::string page = metrics.registry.text();
      const char* sample =
          "kproxy_isolated_service_elements{namespace=\"shop\",service=\"second\"} 1\n";
      BOOST_TEST((page.find(sample) != page.npos) == (c.service != nullptr));
      BOOST_TEST(proxier.rejected() == static_cast<std::size_t>(c.refused));

      // Now it takes all.
      BOOST_REQUIRE(proxier.reconcile("Synced again").ok());
      BOOST_TEST((metrics.registry.text().find(sample) == std::string::npos));
      BOOST_TEST(proxier.rejected() == 0u);
      BOOST_TEST(nft("list map inet kproxy services4").find("10.96.0.1 . tcp . 80") !=
                 std::string::npos);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::tests
