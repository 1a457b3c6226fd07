#include "tests/runtime/http_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdio>

namespace kproxy::source {

HttpPeer::HttpPeer() : listener_(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  BOOST_REQUIRE(bind(listener_, any, size) == 0);
  BOOST_REQUIRE(listen(listener_, 16) == 0);
  BOOST_REQUIRE(getsockname(listener_, any, &size) == 0);
  port_ = ntohs(address.sin_port);
}

HttpPeer::~HttpPeer() {
  for (const auto& [connection, text] : connections_) close(connection);
  close(listener_);
}

void HttpPeer::pump() {
  for (int fd; (fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
    connections_[fd];
  for (auto at = connections_.begin(); at != connections_.end();) {
    const int connection = (at++)->first;
    if (!take(connection)) cut(connection);
  }
}

bool HttpPeer::take(int connection) {
  std::string& text = connections_[connection];
  char buffer[4096];
  ssize_t size;
  while ((size = recv(connection, buffer, sizeof buffer, 0)) > 0)
    text.append(buffer, static_cast<std::size_t>(size));
  if (size == 0) return false;
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return true;
  Request request{connection, text.substr(0, text.find("\r\n")), text.substr(0, end + 2), ""};
  const std::size_t length_at = request.header.find("Content-Length: ");
  const std::size_t length =
      length_at == std::string::npos ? 0 : std::stoul(request.header.substr(length_at + 16));
  if (text.size() < end + 4 + length) return true;
  request.body = text.substr(end + 4, length);
  text.erase(0, end + 4 + length);
  requests_.push_back(std::move(request));
  return true;
}

const HttpPeer::Request* HttpPeer::waiting(const std::string& part) const {
  const auto at = std::find_if(requests_.begin(), requests_.end(), [&part](const Request& request) {
    return request.line.find(part) != std::string::npos;
  });
  return at == requests_.end() ? nullptr : &*at;
}

void HttpPeer::answer(const Request& request, int status, const std::string& body,
                      const std::string& header) {
  const int connection = request.connection;
  std::erase_if(requests_,
                [connection](const Request& known) { return known.connection == connection; });
  write(connection, "HTTP/1.1 " + std::to_string(status) + " Whatever\r\n" + header +
                        "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
}

int HttpPeer::begin(const Request& request) {
  const int connection = request.connection;
  std::erase_if(requests_,
                [connection](const Request& known) { return known.connection == connection; });
  write(connection,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
  return connection;
}

void HttpPeer::send(int connection, const std::string& text) {
  char size[32];
  std::snprintf(size, sizeof size, "%zx\r\n", text.size());
  write(connection, size + text + "\r\n");
}

void HttpPeer::finish(int connection) {
  write(connection, "0\r\n\r\n");
}

void HttpPeer::cut(int connection) {
  std::erase_if(requests_,
                [connection](const Request& known) { return known.connection == connection; });
  connections_.erase(connection);
  close(connection);
}

void HttpPeer::write(int connection, const std::string& text) {
  BOOST_REQUIRE(::send(connection, text.data(), text.size(), MSG_NOSIGNAL) ==
                static_cast<ssize_t>(text.size()));
}

}  // namespace kproxy::source
