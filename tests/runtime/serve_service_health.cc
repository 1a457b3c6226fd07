// The health ports of Services: who listens where, and what is answered.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "runtime/serve/service_health.h"
#include "tests/runtime/serve_fixture.h"

namespace kproxy::serve {
namespace {

using namespace std::chrono_literals;
using namespace tests;

const NodePortAddresses kEverywhere;

HealthPort health_port(const char* name, std::uint16_t port, std::optional<std::size_t> ipv4,
                       std::optional<std::size_t> ipv6 = std::nullopt) {
  return {"shop", name, Port{port}, {ipv4, ipv6}};
}

// Works the server by hand: the clients speak while nobody else does.
struct Fixture {
  LoopbackNamespace network;
  log::Log log{-1, 0};
  Health health{60s};
  std::vector<HealthPortFailure> failures;
  ServiceHealth service_health{log, health, "node-1",
                               [this](const auto& failure) { failures.push_back(failure); }};
  std::unique_ptr<HttpServer> server{std::move(HttpServer::create()).value()};
  HttpServer::Clock::time_point now = HttpServer::Clock::now();

  void want(std::vector<HealthPort> ports, const NodePortAddresses& addresses = kEverywhere) {
    service_health.want(std::move(ports), addresses);
    service_health.update(*server, now);
  }
  std::string answer(std::string_view address, std::string_view request = "GET / HTTP/1.0") {
    Client client(at(address));
    if (!client.connected()) return "";
    client.send(std::string(request) + "\r\n\r\n");
    client.send_no_more();
    const auto before = server->connections();
    for (int i = 0; i < 1000; ++i) {
      server->step(HttpServer::Clock::now() + 10ms);
      if (i > 0 && server->connections() <= before) break;
    }
    return client.receive_all();
  }
};

BOOST_FIXTURE_TEST_SUITE(serve_service_health, Fixture)

// HC-21..HC-24
BOOST_AUTO_TEST_CASE(answers) {
  want({health_port("web", 30000, 2), health_port("idle", 30001, 0)});
  const std::string good = answer("127.0.0.1:30000");
  BOOST_TEST(status_of(good) == 200);
  BOOST_TEST(body_of(good) ==
             "{\n\t\"service\": {\n\t\t\"namespace\": \"shop\",\n\t\t\"name\": \"web\"\n\t},\n"
             "\t\"localEndpoints\": 2,\n\t\"serviceProxyHealthy\": true\n}");
  for (const char* header :
       {"Content-Type: application/json\r\n", "X-Content-Type-Options: nosniff\r\n",
        "X-Load-Balancing-Endpoint-Weight: 2\r\n"})
    BOOST_TEST(good.find(header) != std::string::npos, header);

  const std::string idle = answer("127.0.0.1:30001");
  BOOST_TEST(status_of(idle) == 503);
  BOOST_TEST(idle.find("X-Load-Balancing-Endpoint-Weight: 0\r\n") != std::string::npos);
  BOOST_TEST(body_of(idle).find("\"localEndpoints\": 0,\n\t\"serviceProxyHealthy\": true") !=
             std::string::npos);

  health.sync_failed();  // nor does the node's eligibility, which nobody has told of, matter
  const std::string bad = answer("127.0.0.1:30000");
  BOOST_TEST(status_of(bad) == 503);
  BOOST_TEST(bad.find("X-Load-Balancing-Endpoint-Weight: 2\r\n") != std::string::npos);
  BOOST_TEST(body_of(bad).find("\"serviceProxyHealthy\": false") != std::string::npos);
}

// HC-20
BOOST_AUTO_TEST_CASE(any_path_and_method) {
  want({health_port("web", 30000, 1)});
  for (const char* request : {"GET /healthz?x HTTP/1.0", "POST /a/b HTTP/1.0", "DELETE * HTTP/1.0",
                              "HEAD /healthz HTTP/1.0"})
    BOOST_TEST(status_of(answer("127.0.0.1:30000", request)) == 200, request);
}

// HC-25
BOOST_AUTO_TEST_CASE(where_it_listens) {
  const NodePortAddresses kSome{
      std::vector<Address>{*Address::parse("127.0.0.1"), *Address::parse("127.0.0.3")},
      std::vector<Address>{*Address::parse("::1")}};
  const NodePortAddresses kNoIpv4{std::vector<Address>{}, std::nullopt};
  const struct {
    std::optional<std::size_t> ipv4;
    std::optional<std::size_t> ipv6;
    NodePortAddresses addresses;
    const char* address;
    int status;
  } kTable[] = {
      {1, std::nullopt, kEverywhere, "127.0.0.2:30000", 200},
      {1, std::nullopt, kEverywhere, "[::1]:30000", 0},
      {std::nullopt, 1, kEverywhere, "127.0.0.1:30000", 0},
      {std::nullopt, 1, kEverywhere, "[::1]:30000", 200},
      {1, 0, kEverywhere, "127.0.0.1:30000", 200},  // each family its own endpoints
      {1, 0, kEverywhere, "[::1]:30000", 503},
      {1, 1, kSome, "127.0.0.1:30000", 200},
      {1, 1, kSome, "127.0.0.2:30000", 0},
      {1, 1, kSome, "127.0.0.3:30000", 200},
      {1, 1, kSome, "[::1]:30000", 200},
      {1, 1, kNoIpv4, "127.0.0.1:30000", 0},
      {1, 1, kNoIpv4, "[::1]:30000", 200},
  };
  for (const auto& one : kTable) {
    want({health_port("web", 30000, one.ipv4, one.ipv6)}, one.addresses);
    BOOST_TEST(status_of(answer(one.address)) == one.status, one.address);
  }
  BOOST_TEST(failures.empty());
}

// HC-26, HC-28
BOOST_AUTO_TEST_CASE(what_is_no_longer_wanted_is_cut) {
  want({health_port("web", 30000, 1), health_port("other", 30001, 1)});
  Client client(at("127.0.0.1:30000"));
  Client of_other(at("127.0.0.1:30001"));
  for (int i = 0; i < 1000 && server->connections() < 2; ++i)
    server->step(HttpServer::Clock::now() + 10ms);

  // The counts change: everybody stays.
  want({health_port("web", 30000, 7), health_port("other", 30001, 1)});
  BOOST_TEST(server->connections() == 2);
  client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  for (int i = 0; i < 3; ++i) server->step(HttpServer::Clock::now() + 10ms);
  BOOST_TEST(client.receive_response().find("Weight: 7\r\n") != std::string::npos);

  // A port moves on, to another Service even.
  want({health_port("web", 30002, 1), health_port("new", 30000, 3)});
  BOOST_TEST(client.is_closed_by_server());
  BOOST_TEST(of_other.is_closed_by_server());
  BOOST_TEST(server->connections() == 0);
  BOOST_TEST(status_of(answer("127.0.0.1:30001")) == 0);
  BOOST_TEST(answer("127.0.0.1:30002").find("\"web\"") != std::string::npos);
  BOOST_TEST(answer("127.0.0.1:30000").find("\"new\"") != std::string::npos);
  BOOST_TEST(failures.empty());

  want({});
  for (const char* address : {"127.0.0.1:30000", "127.0.0.1:30002"})
    BOOST_TEST(status_of(answer(address)) == 0);
}

// HC-27, BEYOND-30
BOOST_AUTO_TEST_CASE(a_port_that_is_taken) {
  auto squatter = HttpServer::create();
  const auto squatting = (*squatter)->listen(at("127.0.0.3:30000"), {});
  BOOST_REQUIRE(squatting.ok());
  const NodePortAddresses kTwo{
      std::vector<Address>{*Address::parse("127.0.0.2"), *Address::parse("127.0.0.3")},
      std::nullopt};
  want({health_port("other", 30001, 1), health_port("web", 30000, 1)}, kTwo);
  BOOST_REQUIRE(failures.size() == 1);
  BOOST_TEST(failures[0].service_namespace == "shop");
  BOOST_TEST(failures[0].service_name == "web");
  BOOST_TEST(failures[0].note ==
             "node node-1 failed to start healthcheck \"shop/web\" on port 30000: "
             "127.0.0.3:30000: cannot listen: Address already in use");
  BOOST_TEST(status_of(answer("127.0.0.2:30000")) == 0);  // not half open
  BOOST_TEST(status_of(answer("127.0.0.2:30001")) == 200);

  // It is tried at every sync and after a while, and told of once.
  want({health_port("other", 30001, 1), health_port("web", 30000, 1)}, kTwo);
  BOOST_REQUIRE(service_health.retry_at());
  BOOST_TEST((*service_health.retry_at() == now + ServiceHealth::kRetryAfter));
  now = *service_health.retry_at();
  service_health.update(*server, now);
  BOOST_TEST(failures.size() == 1);

  (*squatter)->close(*squatting);
  service_health.update(*server, now);
  BOOST_TEST(status_of(answer("127.0.0.2:30000")) == 0);  // not yet
  now = *service_health.retry_at();
  service_health.update(*server, now);
  BOOST_TEST(!service_health.retry_at());
  BOOST_TEST(status_of(answer("127.0.0.2:30000")) == 200);
  BOOST_TEST(status_of(answer("127.0.0.3:30000")) == 200);
}

// An address that comes later and is not there yet does not cost those that are.
BOOST_AUTO_TEST_CASE(an_address_more) {
  const auto addresses = [](std::vector<Address> ipv4) {
    return NodePortAddresses{std::move(ipv4), std::nullopt};
  };
  const Address kFirst = *Address::parse("127.0.0.1");
  const Address kForeign = *Address::parse("192.0.2.1");
  want({health_port("web", 30000, 1)}, addresses({kFirst}));
  Client client(at("127.0.0.1:30000"));
  for (int i = 0; i < 1000 && server->connections() < 1; ++i)
    server->step(HttpServer::Clock::now() + 10ms);
  want({health_port("web", 30000, 1)}, addresses({kFirst, kForeign}));
  BOOST_TEST(failures.size() == 1);
  BOOST_TEST(server->connections() == 1);
  want({health_port("web", 30000, 1)}, addresses({kFirst}));
  BOOST_TEST(!service_health.retry_at());
  BOOST_TEST(server->connections() == 1);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::serve
