// Requests as bytes, whole, in pieces and broken.
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "runtime/serve/http_request.h"

namespace kproxy::serve {
namespace {

using State = ParsedRequest::State;

const RequestLimits kLimits;

ParsedRequest parse(std::string_view bytes) {
  return parse_request(bytes, kLimits);
}

BOOST_AUTO_TEST_SUITE(serve_http_request)

struct Good {
  const char* bytes;
  const char* method;
  const char* path;
  const char* query;
  const char* body;
  bool keep_alive;
};

const Good kGood[] = {
    {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.0\r\n\r\n", "GET", "/", "", "", false},
    {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.1\r\nHost: a\r\nConnection: foo, Close\r\n\r\n", "GET", "/", "", "", false},
    {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", "", "", true},
    {"GET / HTTP/1.7\r\nHost: a\r\n\r\n", "GET", "/", "", "", true},
    {"GET /healthz?verbose&a=%20 HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/healthz", "verbose&a=%20",
     "", true},
    {"GET /he%61lthz/%7e HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/healthz/~", "", "", true},
    {"GET http://node:10256/livez?x HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/livez", "x", "", true},
    {"GET http://node HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", "", true},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*", "", "", true},
    {"PUT /debug/flags/v HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n4", "PUT",
     "/debug/flags/v", "", "4", true},
    {"GET / HTTP/1.1\nHost: a\n\n", "GET", "/", "", "", true},                // by hand
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET", "/", "", "", true},  // after a body
    {"x!#$%&'*+-.^_`|~9 / HTTP/1.1\r\nHost: a\r\n\r\n", "x!#$%&'*+-.^_`|~9", "/", "", "", true},
    {"GET / HTTP/1.1\r\nhOsT: \t a \t\r\nX: caf\xc3\xa9\r\n\r\n", "GET", "/", "", "", true},
};

BOOST_AUTO_TEST_CASE(good) {
  for (const Good& one : kGood) {
    BOOST_TEST_CONTEXT(one.bytes) {
      const ParsedRequest parsed = parse(one.bytes);
      BOOST_REQUIRE(parsed.state == State::complete);
      BOOST_TEST(parsed.size == std::string(one.bytes).size());
      BOOST_TEST(parsed.request.method == one.method);
      BOOST_TEST(parsed.request.path == one.path);
      BOOST_TEST(parsed.request.query == one.query);
      BOOST_TEST(parsed.request.body == one.body);
      BOOST_TEST(parsed.request.keep_alive == one.keep_alive);
    }
  }
}

// However a request is cut, what there is of it waits for the rest, and does not wait too long.
BOOST_AUTO_TEST_CASE(pieces) {
  for (const Good& one : kGood) {
    const std::string_view whole = one.bytes;
    for (std::size_t size = 0; size < whole.size(); ++size) {
      BOOST_TEST_CONTEXT(whole.substr(0, size)) {
        const ParsedRequest parsed = parse(whole.substr(0, size));
        BOOST_TEST((parsed.state == State::incomplete));
        BOOST_TEST(parsed.size > size);
        BOOST_TEST(parsed.size <= whole.size());
      }
    }
    const ParsedRequest parsed = parse(std::string(whole) + "GET /next HTTP");
    BOOST_TEST((parsed.state == State::complete));
    BOOST_TEST(parsed.size == whole.size());
  }
}

struct Bad {
  std::string bytes;
  int status;
};

const Bad kBad[] = {
    {"\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET\r\n\r\n", 400},
    {"GET /\r\n\r\n", 400},  // HTTP/0.9
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/11\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1,1\r\nHost: a\r\n\r\n", 400},
    {"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"CONNECT node:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /% HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
    {std::string("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", 28), 400},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
    {"GET / HTTP/1.1\r\n\r\n", 400},                        // no Host
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},  // which one?
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},            // a space before the colon
    {"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", 400},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", 413},
    {"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
    {"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(8192, 'x'), 431},
    {"GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(8192, 'x') + "\r\n\r\n", 431},
    {std::string(8192, 'x'), 431},
    {std::string(100, '\n'), 400},
    {"\x16\x03\x01\x02\r\n\r\n", 400},  // TLS
};

BOOST_AUTO_TEST_CASE(bad) {
  for (const Bad& one : kBad) {
    BOOST_TEST_CONTEXT(one.bytes) {
      const ParsedRequest parsed = parse(one.bytes);
      BOOST_REQUIRE((parsed.state == State::refused));
      BOOST_TEST(parsed.status == one.status);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_largest) {
  std::string head = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
  head += std::string(kLimits.head - head.size() - 4, 'x') + "\r\n\r\n";
  BOOST_TEST((parse(head).state == State::complete));
  const std::string put = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n";
  BOOST_TEST((parse(put + std::string(65536, 'x')).state == State::complete));
  BOOST_TEST(parse(put).size == put.size() + 65536);
}

BOOST_AUTO_TEST_CASE(a_client_that_waits_to_be_told) {
  const std::string put =
      "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n";
  BOOST_TEST(parse(put).expects_continue);
  BOOST_TEST(!parse(put + "1").expects_continue);
}

// Whatever comes, a parser says one of three things about it, and never wants more than there may
// be.
BOOST_AUTO_TEST_CASE(noise) {
  std::mt19937 random(7);
  for (int i = 0; i < 20000; ++i) {
    std::string bytes = kGood[random() % std::size(kGood)].bytes;
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      const std::size_t place = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[place] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(place, 1);
          break;
        case 2:
          bytes.insert(place, 1, "\r\n\t :,%?"[random() % 8]);
          break;
        default:
          bytes += bytes.substr(place);
          break;
      }
      if (bytes.empty()) bytes = " ";
    }
    const ParsedRequest parsed = parse(bytes);
    if (parsed.state == State::refused)
      BOOST_TEST((parsed.status >= 400 && parsed.status < 600));
    else if (parsed.state == State::complete)
      BOOST_TEST((parsed.size > 0 && parsed.size <= bytes.size()));
    else
      BOOST_TEST((parsed.size > bytes.size() &&
                  parsed.size <= kLimits.head + kLimits.body + bytes.size()));
  }
}

BOOST_AUTO_TEST_CASE(parameters) {
  Request request;
  request.query = "a=b&verbose&c=verbosity";
  BOOST_TEST(request.has_parameter("verbose"));
  BOOST_TEST(request.has_parameter("a"));
  BOOST_TEST(!request.has_parameter("b"));
  BOOST_TEST(!request.has_parameter("verbosity"));
}

BOOST_AUTO_TEST_CASE(encodings) {
  const struct {
    const char* header;
    bool takes_gzip;
  } kTable[] = {
      {"gzip", true},     {"deflate, GZIP;q=0.5", true}, {"gzip;q=0", false},    {"", false},
      {"*", true},        {"*;q=0, gzip", true},         {"gzip;q=0, *", false}, {"br", false},
      {"gzipped", false}, {"gzip;q=0.000", false},       {",,;,gzip", true},
  };
  for (const auto& one : kTable)
    BOOST_TEST(accepts(one.header, "gzip") == one.takes_gzip, one.header);
}

BOOST_AUTO_TEST_CASE(media_ranges) {
  const auto ranges = parse_accept(
      "text/plain;q=0.5, Application/JSON;V=v1beta1; as=Flagz;q=0.9,,a/b;q=0, */*;q=nonsense, x/y");
  BOOST_REQUIRE(ranges.size() == 3);
  BOOST_TEST(ranges[0].type == "x/y");
  BOOST_TEST(ranges[1].type == "application/json");
  BOOST_TEST(ranges[1].parameter("v") == "v1beta1");
  BOOST_TEST(ranges[1].parameter("as") == "Flagz");
  BOOST_TEST(ranges[1].parameter("q") == "");
  BOOST_TEST(ranges[2].type == "text/plain");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::serve
