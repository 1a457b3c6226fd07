// Clients for the HTTP server, well-behaved and not, over loopback in a network namespace.
#pragma once

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "runtime/serve/http_server.h"
#include "tests/runtime/becomes.h"
#include "tests/runtime/network_namespace.h"

namespace kproxy::tests {

// A namespace in which loopback works.
class LoopbackNamespace : public NetworkNamespace {
 public:
  LoopbackNamespace() {
    const serve::FileDescriptor fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    BOOST_REQUIRE(ioctl(fd.get(), SIOCSIFFLAGS, &request) == 0);
  }
};

// "0.0.0.0:10256", "[fd00::1]:80", "[::]:80" (both families), with port 0, too.
inline serve::ListenAddress at(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[')) host = host.substr(1, host.size() - 2);
  const auto address = Address::parse(host);
  BOOST_REQUIRE_MESSAGE(address, text);
  const int port = std::stoi(std::string(text.substr(colon + 1)));
  return {*address, Port{static_cast<std::uint16_t>(port)}, *address == Address()};
}

// A TCP connection on which nothing takes longer than some seconds.
class Client {
 public:
  explicit Client(const serve::ListenAddress& to) {
    sockaddr_in6 ipv6{};
    sockaddr_in ipv4{};
    const bool is_ipv4 = to.address.family() == Family::ipv4;
    fd_ =
        serve::FileDescriptor(socket(is_ipv4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
    BOOST_REQUIRE(fd_);
    timeval patience{10, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const auto* bytes = to.address.bytes().data() + to.address.wire_offset();
    if (is_ipv4) {
      ipv4.sin_family = AF_INET;
      ipv4.sin_port = htons(to.port.value);
      std::memcpy(&ipv4.sin_addr, bytes, 4);
      connected_ = connect(fd_.get(), reinterpret_cast<sockaddr*>(&ipv4), sizeof ipv4) == 0;
    } else {
      ipv6.sin6_family = AF_INET6;
      ipv6.sin6_port = htons(to.port.value);
      std::memcpy(&ipv6.sin6_addr, bytes, 16);
      connected_ = connect(fd_.get(), reinterpret_cast<sockaddr*>(&ipv6), sizeof ipv6) == 0;
    }
  }

  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }

  // Whether all was taken.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t size = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (size <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
    return true;
  }
  void send_no_more() { shutdown(fd_.get(), SHUT_WR); }

  // Up to the end of the text, or of the connection.
  std::string receive_until(std::string_view end) {
    while (buffer_.find(end) == std::string::npos && receive()) {
    }
    const std::size_t found = buffer_.find(end);
    return take(found == std::string::npos ? buffer_.size() : found + end.size());
  }
  // One response with its body. to_head: there is none.
  std::string receive_response(bool to_head = false) {
    std::string response = receive_until("\r\n\r\n");
    const std::size_t length = response.find("Content-Length: ");
    if (length == std::string::npos || to_head) return response;
    const auto size = static_cast<std::size_t>(std::stoul(response.substr(length + 16)));
    while (buffer_.size() < size && receive()) {
    }
    return response + take(std::min(size, buffer_.size()));
  }
  // All there is until the server closes.
  std::string receive_all() {
    while (receive()) {
    }
    return take(buffer_.size());
  }
  // Whether the connection ends, instead of time running out.
  bool is_closed_by_server() {
    char byte;
    const ssize_t size = recv(fd_.get(), &byte, 1, 0);
    return size == 0 || (size < 0 && errno == ECONNRESET);
  }

 private:
  bool receive() {
    char bytes[65536];
    const ssize_t size = recv(fd_.get(), bytes, sizeof bytes, 0);
    if (size <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(size));
    return true;
  }
  std::string take(std::size_t size) {
    std::string taken = buffer_.substr(0, size);
    buffer_.erase(0, size);
    return taken;
  }

  serve::FileDescriptor fd_;
  bool connected_ = false;
  std::string buffer_;
};

// The whole answer to a request on a connection of its own; empty if there was none.
inline std::string fetch(const serve::ListenAddress& from, std::string_view method,
                         std::string_view target, std::string_view headers = "",
                         std::string_view body = "") {
  Client client(from);
  if (!client.connected()) return "";
  std::string request = std::string(method) + ' ' + std::string(target) +
                        " HTTP/1.1\r\nHost: node\r\nConnection: close\r\n" + std::string(headers);
  if (!body.empty()) request += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  client.send(request + "\r\n" + std::string(body));
  return client.receive_all();
}

inline std::string get(const serve::ListenAddress& from, std::string_view target) {
  return fetch(from, "GET", target);
}

inline std::string body_of(const std::string& response) {
  const std::size_t end = response.find("\r\n\r\n");
  return end == std::string::npos ? "" : response.substr(end + 4);
}

inline int status_of(const std::string& response) {
  return response.starts_with("HTTP/1.1 ") ? std::stoi(response.substr(9, 3)) : 0;
}

// An HttpServer with one listener, and the thread that works it.
class RunningServer {
 public:
  explicit RunningServer(serve::Handler handler, const serve::ServerLimits& limits = {},
                         std::string_view address = "127.0.0.1:0") {
    auto server = serve::HttpServer::create(limits);
    BOOST_REQUIRE(server.ok());
    server_ = std::move(*server);
    const auto listener = server_->listen(at(address), std::move(handler));
    BOOST_REQUIRE_MESSAGE(listener.ok(), (listener.ok() ? "" : listener.error().message()));
    address_ = server_->address_of(*listener);
    thread_ = std::thread([this] {
      while (!stopping_) {
        server_->step(serve::HttpServer::Clock::now() + std::chrono::seconds(1));
        connections_ = server_->connections();
        most_ = std::max(most_.load(), connections_.load());
        ++steps_;
      }
    });
  }
  ~RunningServer() {
    stopping_ = true;
    server_->wake();
    thread_.join();
  }

  const serve::ListenAddress& address() const { return address_; }
  std::size_t connections() const { return connections_; }
  std::size_t most_connections() const { return most_; }
  int steps() const { return steps_; }

 private:
  std::unique_ptr<serve::HttpServer> server_;
  serve::ListenAddress address_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> most_{0};
  std::atomic<int> steps_{0};
  std::thread thread_;
};

}  // namespace kproxy::tests
