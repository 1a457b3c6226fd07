// The HTTP server and its clients: the usual ones, and those that mean harm.
#include <sys/resource.h>
#include <zlib.h>

#include <boost/test/unit_test.hpp>
#include <deque>
#include <string>

#include "runtime/serve/http_server.h"
#include "tests/runtime/serve_fixture.h"

namespace kproxy::serve {
namespace {

using namespace std::chrono_literals;
using namespace tests;

const std::string kGet = "GET /here HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string kLast = "GET /here HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

Response echo(const Request& request) {
  return plain_text(200, request.method + ' ' + request.path + ' ' + request.body);
}

Response large(const Request&) {
  return plain_text(200, std::string(8 << 20, 'x'));
}

std::string inflated(const std::string& data) {
  z_stream stream{};
  BOOST_REQUIRE(inflateInit2(&stream, 15 + 16) == Z_OK);
  std::string out(1 << 20, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
  stream.avail_in = static_cast<uInt>(data.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  BOOST_TEST(inflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  inflateEnd(&stream);
  return out;
}

struct Fixture {
  LoopbackNamespace network;
};

BOOST_FIXTURE_TEST_SUITE(serve_http_server, Fixture)

BOOST_AUTO_TEST_CASE(connections_are_kept) {
  RunningServer server(echo);
  Client client(server.address());
  for (int i = 0; i < 3; ++i) {
    client.send(kGet);
    const std::string response = client.receive_response();
    BOOST_TEST(status_of(response) == 200);
    BOOST_TEST(body_of(response) == "GET /here ");
    BOOST_TEST(response.find("Connection: keep-alive\r\n") != std::string::npos);
    BOOST_TEST(response.find("\r\nDate: ") != std::string::npos);
  }
  client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  BOOST_TEST(client.receive_all().find("Connection: close\r\n") != std::string::npos);
  BOOST_TEST(server.most_connections() == 1);
}

BOOST_AUTO_TEST_CASE(head_has_the_length_without_the_body) {
  RunningServer server(echo);
  Client client(server.address());
  client.send("HEAD /here HTTP/1.1\r\nHost: a\r\n\r\n" + kGet);
  const std::string response = client.receive_response(true);
  BOOST_TEST(response.find("Content-Length: 11\r\n") != std::string::npos);
  BOOST_TEST(body_of(client.receive_response()) == "GET /here ");
}

BOOST_AUTO_TEST_CASE(bodies_in_pieces) {
  RunningServer server(echo);
  Client client(server.address());
  const std::string put = "PUT /v HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
  for (char byte : put) client.send({&byte, 1});
  BOOST_TEST(body_of(client.receive_response()) == "PUT /v hello");
  client.send("PUT /v HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
  BOOST_TEST(client.receive_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("7");
  BOOST_TEST(body_of(client.receive_response()) == "PUT /v 7");
}

// HC-43
BOOST_AUTO_TEST_CASE(compressed_where_asked_for) {
  const std::string text(100'000, 'x');
  RunningServer server([&](const Request&) {
    Response response = plain_text(200, text);
    response.compressible = true;
    return response;
  });
  const std::string plain = fetch(server.address(), "GET", "/");
  BOOST_TEST(body_of(plain) == text);
  BOOST_TEST(plain.find("Content-Encoding") == std::string::npos);
  const std::string compressed =
      fetch(server.address(), "GET", "/", "Accept-Encoding: deflate, gzip\r\n");
  BOOST_TEST(compressed.find("Content-Encoding: gzip\r\n") != std::string::npos);
  BOOST_TEST(compressed.size() < 2000);
  BOOST_TEST(inflated(body_of(compressed)) == text);
}

BOOST_AUTO_TEST_CASE(pipelined_requests_are_answered_in_turn) {
  RunningServer server(echo);
  Client client(server.address());
  std::string requests;
  for (int i = 0; i < 500; ++i)
    requests += "GET /" + std::to_string(i) + " HTTP/1.1\r\nHost: a\r\n\r\n";
  BOOST_TEST(client.send(requests));
  for (int i = 0; i < 500; ++i)
    BOOST_REQUIRE(body_of(client.receive_response()) == "GET /" + std::to_string(i) + ' ');
}

BOOST_AUTO_TEST_CASE(a_client_that_says_no_more_is_answered) {
  RunningServer server(echo);
  Client client(server.address());
  client.send(kGet + kGet + "GET /part");
  client.send_no_more();
  BOOST_TEST(body_of(client.receive_response()) == "GET /here ");
  BOOST_TEST(body_of(client.receive_response()) == "GET /here ");
  BOOST_TEST(client.is_closed_by_server());
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_at_once) {
  RunningServer server(echo);
  for (int i = 0; i < 50; ++i) {
    Client client(server.address());
    if (i % 2 == 0) client.send(kGet);
    const linger reset{1, 0};
    setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  BOOST_TEST(body_of(get(server.address(), "/here")) == "GET /here ");
  BOOST_TEST(becomes([&] { return server.connections() == 0; }));
}

// The answer is read even by those who are still sending.
BOOST_AUTO_TEST_CASE(refused) {
  RunningServer server(echo);
  const struct {
    std::string bytes;
    int status;
  } kTable[] = {
      {"garbage\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(200'000, 'x'), 431},
      {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + std::string(200'000, 'x'),
       413},
      {"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505},
  };
  for (const auto& one : kTable) {
    Client client(server.address());
    client.send(one.bytes);
    const std::string response = client.receive_all();
    BOOST_TEST(status_of(response) == one.status, one.bytes.substr(0, 40));
    BOOST_TEST(response.find("Connection: close\r\n") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(slow_requests_end) {
  ServerLimits limits;
  limits.request_time = 300ms;
  RunningServer server(echo, limits);
  Client silent(server.address());
  Client slow(server.address());
  BOOST_TEST(becomes([&, next = std::size_t{0}]() mutable {
    slow.send(kGet.substr(next % 20, 1));
    ++next;
    return next > 5 && server.connections() < 2;
  }));
  BOOST_TEST(status_of(slow.receive_all()) == 408);
  BOOST_TEST(silent.is_closed_by_server());
}

BOOST_AUTO_TEST_CASE(idle_connections_end) {
  ServerLimits limits;
  limits.idle_time = 100ms;
  RunningServer server(echo, limits);
  Client client(server.address());
  client.send(kGet);
  client.receive_response();
  BOOST_TEST(client.is_closed_by_server());
}

BOOST_AUTO_TEST_CASE(clients_that_do_not_read_are_dropped) {
  ServerLimits limits;
  limits.response_time = 300ms;
  RunningServer server(large, limits);
  Client client(server.address());
  client.send(kGet);
  BOOST_TEST(becomes([&] { return server.connections() == 1; }));
  BOOST_TEST(becomes([&] { return server.connections() == 0; }));
  const std::string got = client.receive_all();
  BOOST_TEST(got.size() < std::size_t{8 << 20});
}

// Nobody gets the server to hold more than it allows for all of them together.
BOOST_AUTO_TEST_CASE(memory_is_bounded) {
  ServerLimits limits;
  limits.buffered_bytes = 20 << 20;  // two of the large responses, not three
  std::atomic<int> asked = 0;
  const auto counted = [&asked](const Request& request) {
    ++asked;
    return large(request);
  };
  RunningServer server(counted, limits);
  std::deque<Client> clients;
  // Nobody reads before all have been answered, or else the first leaves room for a third.
  for (int i = 1; i <= 10; ++i) {
    clients.emplace_back(server.address()).send(kLast);
    BOOST_TEST(becomes([&] { return asked == i; }));
  }
  BOOST_TEST(becomes([&] { return server.connections() <= 2; }));
  std::size_t whole = 0;
  for (Client& client : clients)
    if (client.receive_all().size() > std::size_t{8 << 20}) ++whole;
  BOOST_TEST(whole >= 1);
  BOOST_TEST(whole <= 2);
}

BOOST_AUTO_TEST_CASE(ten_thousand_connections) {
  constexpr std::size_t kConnections = 10'000;
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit enough{before.rlim_max, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &enough);
  const std::size_t count = std::min<std::size_t>(kConnections, before.rlim_max - 500);
  ServerLimits limits;
  limits.connections = 100;
  {
    RunningServer server(echo, limits);
    std::deque<Client> clients;
    for (std::size_t i = 0; i < count; ++i) {
      Client& client = clients.emplace_back(server.address());
      BOOST_REQUIRE(client.connected());
      if (i % 3 == 0) client.send("GET / HTTP/1.1\r\n");
      if (i % 1000 == 0) BOOST_TEST(body_of(get(server.address(), "/here")) == "GET /here ");
    }
    BOOST_TEST(server.most_connections() <= limits.connections);
    BOOST_TEST(clients.front().is_closed_by_server());
  }
  setrlimit(RLIMIT_NOFILE, &before);
}

BOOST_AUTO_TEST_CASE(descriptors_run_out) {
  RunningServer server(echo);
  Client client(server.address());
  BOOST_TEST(becomes([&] { return server.connections() == 1; }));
  Client more(server.address());
  BOOST_TEST(becomes([&] { return server.connections() == 2; }));
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const FileDescriptor next(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const rlimit none{3, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &none);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(server.address().port.value);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  BOOST_TEST(connect(next.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  // The one that waited longest makes room; asking the kernel again waits a little.
  BOOST_TEST(client.is_closed_by_server());
  const int steps = server.steps();
  more.send(kGet);
  BOOST_TEST(body_of(more.receive_response()) == "GET /here ");
  BOOST_TEST(server.steps() - steps < 20);
  setrlimit(RLIMIT_NOFILE, &before);
  ::send(next.get(), kGet.data(), kGet.size(), MSG_NOSIGNAL);
  char answer[16];
  BOOST_TEST(recv(next.get(), answer, sizeof answer, MSG_WAITALL) == 16);
  BOOST_TEST(std::string(answer, 12) == "HTTP/1.1 200");
}

// HC-26: what a listener has accepted goes with it; another one may take its port at once.
BOOST_AUTO_TEST_CASE(closing_cuts_connections) {
  auto server = HttpServer::create();
  BOOST_REQUIRE(server.ok());
  const auto step_until = [&](const std::function<bool()>& so) {
    for (int i = 0; i < 1000 && !so(); ++i) (*server)->step(HttpServer::Clock::now() + 10ms);
    BOOST_TEST(so());
  };
  const auto first = (*server)->listen(at("127.0.0.1:8000"), echo);
  const auto other = (*server)->listen(at("127.0.0.1:8001"), echo);
  BOOST_REQUIRE((first.ok() && other.ok()));
  Client client(at("127.0.0.1:8000"));
  Client of_other(at("127.0.0.1:8001"));
  step_until([&] { return (*server)->connections() == 2; });
  (*server)->close(*first);
  BOOST_TEST((*server)->connections() == 1);
  BOOST_TEST(client.is_closed_by_server());
  BOOST_TEST(!Client(at("127.0.0.1:8000")).connected());
  BOOST_TEST((*server)->listen(at("127.0.0.1:8000"), echo).ok());
  BOOST_TEST(Client(at("127.0.0.1:8000")).connected());
}

// HC-01
BOOST_AUTO_TEST_CASE(addresses) {
  const struct {
    const char* listen;
    const char* connect;
    bool reached;
  } kTable[] = {
      {"0.0.0.0:9000", "127.0.0.1:9000", true},   {"0.0.0.0:9000", "[::1]:9000", false},
      {"[::]:9000", "127.0.0.1:9000", true},      {"[::]:9000", "[::1]:9000", true},
      {"127.0.0.2:9000", "127.0.0.2:9000", true}, {"127.0.0.2:9000", "127.0.0.1:9000", false},
      {"[::1]:9000", "[::1]:9000", true},         {"[::1]:9000", "127.0.0.1:9000", false},
  };
  for (const auto& one : kTable) {
    RunningServer server(echo, {}, one.listen);
    BOOST_TEST(!get(at(one.connect), "/").empty() == one.reached,
               one.listen << " from " << one.connect);
  }
}

BOOST_AUTO_TEST_CASE(addresses_that_cannot_be_had) {
  auto server = HttpServer::create();
  BOOST_REQUIRE((*server)->listen(at("127.0.0.1:9000"), echo).ok());
  const auto taken = (*server)->listen(at("127.0.0.1:9000"), echo);
  BOOST_REQUIRE(!taken.ok());
  BOOST_TEST(taken.error().message() == "127.0.0.1:9000: cannot listen: Address already in use");
  const auto foreign = (*server)->listen(at("192.0.2.1:9000"), echo);
  BOOST_REQUIRE(!foreign.ok());
  BOOST_TEST(foreign.error().where == "192.0.2.1:9000");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::serve
