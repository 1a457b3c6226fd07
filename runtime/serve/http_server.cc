#include "runtime/serve/http_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace kproxy::serve {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kReadable = EPOLLIN;
constexpr std::size_t kReadAtOnce = 16 << 10;
constexpr int kAcceptAtOnce = 64;              // then everybody else has a turn
constexpr auto kAcceptAgainAfter = 100ms;      // where the kernel had nothing to accept with
constexpr std::size_t kDrainAtMost = 1 << 20;  // from a client that was refused

Error system_error(std::string where, std::string_view what) {
  return {std::move(where), std::string(what) + ": " + std::strerror(errno), ""};
}

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  explicit SocketAddress(const ListenAddress& from) {
    const auto& bytes = from.address.bytes();
    if (from.address.family() == Family::ipv4) {
      auto& ipv4 = reinterpret_cast<sockaddr_in&>(storage);
      ipv4.sin_family = AF_INET;
      ipv4.sin_port = htons(from.port.value);
      std::memcpy(&ipv4.sin_addr, bytes.data() + from.address.wire_offset(), 4);
      size = sizeof ipv4;
    } else {
      auto& ipv6 = reinterpret_cast<sockaddr_in6&>(storage);
      ipv6.sin6_family = AF_INET6;
      ipv6.sin6_port = htons(from.port.value);
      std::memcpy(&ipv6.sin6_addr, bytes.data(), 16);
      size = sizeof ipv6;
    }
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Port port_of(int fd) {
  sockaddr_in6 address{};  // the port is at the same place in both families
  socklen_t size = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  return Port{ntohs(address.sin6_port)};
}

void set_option(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof value);
}

Result<FileDescriptor> listening_socket(const ListenAddress& at) {
  const SocketAddress address(at);
  FileDescriptor fd(
      socket(address.get()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // Where the kernel has no IPv6, both families are the one there is.
  if (!fd && errno == EAFNOSUPPORT && at.both_families)
    return listening_socket({Address::ipv4(0), at.port, false});
  if (!fd) return system_error(at.to_string(), "cannot make a socket");
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);  // accepted connections inherit it
  if (at.address.family() == Family::ipv6)
    set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, at.both_families ? 0 : 1);
  if (bind(fd.get(), address.get(), address.size) != 0 || ::listen(fd.get(), SOMAXCONN) != 0)
    return system_error(at.to_string(), "cannot listen");
  return fd;
}

// With its memory: thousands of requests later, most connections hold nothing.
void release(std::string& text) {
  std::string().swap(text);
}

bool watch(int epoll, int operation, int fd, std::uint64_t id, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = id;
  return epoll_ctl(epoll, operation, fd, &event) == 0;
}

}  // namespace

struct HttpServer::Connection {
  ConnectionId id;
  ListenerId listener;
  FileDescriptor fd;
  std::shared_ptr<const Handler> handler;
  ConnectionState state = ConnectionState::reading;
  Clock::time_point since;     // in that state; a request begins with its first byte
  Clock::time_point deadline;  // for that state
  std::string in;
  std::size_t needed = 1;  // bytes of `in` before it is worth a look
  std::string out;
  std::size_t sent = 0;     // of `out`
  std::size_t drained = 0;  // read and thrown away
  bool ended = false;       // the client sends no more
  bool close_after = false;
  bool told_to_continue = false;
  std::size_t accounted = 0;  // in buffered_
};

HttpServer::HttpServer(const ServerLimits& limits) : limits_(limits) {}
HttpServer::~HttpServer() = default;

Result<std::unique_ptr<HttpServer>> HttpServer::create(const ServerLimits& limits) {
  std::unique_ptr<HttpServer> server(new HttpServer(limits));
  server->epoll_ = FileDescriptor(epoll_create1(EPOLL_CLOEXEC));
  server->wake_ = FileDescriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!server->epoll_ || !server->wake_ ||
      !watch(server->epoll_.get(), EPOLL_CTL_ADD, server->wake_.get(), 0, EPOLLIN))
    return system_error("HTTP server", "cannot wait for events");
  server->now_ = Clock::now();
  return server;
}

Result<HttpServer::ListenerId> HttpServer::listen(const ListenAddress& address, Handler handler) {
  Result<FileDescriptor> fd = listening_socket(address);
  if (!fd) return fd.error();
  const ListenerId id = next_id_++;
  if (!watch(epoll_.get(), EPOLL_CTL_ADD, fd->get(), id, accepting_ ? kReadable : 0))
    return system_error(address.to_string(), "cannot wait for connections");
  ListenAddress actual = address;
  actual.port = port_of(fd->get());
  listeners_.emplace(
      id, Listener{std::move(*fd), actual, std::make_shared<const Handler>(std::move(handler))});
  return id;
}

void HttpServer::close(ListenerId listener) {
  listeners_.erase(listener);
  std::vector<ConnectionId> cut;
  for (const auto& [id, connection] : connections_)
    if (connection->listener == listener) cut.push_back(id);
  for (ConnectionId id : cut) drop(id);
}

ListenAddress HttpServer::address_of(ListenerId listener) const {
  const auto at = listeners_.find(listener);
  return at == listeners_.end() ? ListenAddress{} : at->second.address;
}

void HttpServer::wake() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(wake_.get(), &one, sizeof one);
}

void HttpServer::step(Clock::time_point until) {
  const auto wait =
      std::chrono::ceil<std::chrono::milliseconds>(next_deadline(until) - Clock::now());
  epoll_event events[64];
  const int count =
      epoll_wait(epoll_.get(), events, std::size(events),
                 static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, 3'600'000)));
  now_ = Clock::now();
  if (!accepting_ && now_ >= accept_at_) {
    accepting_ = true;
    listen_for(EPOLLIN);
  }
  for (int i = 0; i < count; ++i) {
    const std::uint64_t id = events[i].data.u64;
    if (id == 0) {
      std::uint64_t wakes = 0;
      [[maybe_unused]] const ssize_t size = read(wake_.get(), &wakes, sizeof wakes);
    } else if (listeners_.contains(id)) {
      accept_from(id);
    } else {
      serve(id, events[i].events);
    }
  }
  for (ConnectionId id : std::exchange(ready_, {})) serve(id, 0);
  end_overdue();
}

void HttpServer::accept_from(ListenerId id) {
  const Listener& listener = listeners_.at(id);
  for (int i = 0; i < kAcceptAtOnce; ++i) {
    FileDescriptor fd(accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      if (connections_.size() >= limits_.connections) make_room();
      add_connection(std::move(fd), id, listener);
    } else if (errno == EAGAIN) {
      return;
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
      // The client stays in the kernel's queue. Asking again at once would be a busy loop.
      make_room();
      accepting_ = false;
      accept_at_ = now_ + kAcceptAgainAfter;
      listen_for(0);
      return;
    }  // else that one client is gone again
  }
}

void HttpServer::add_connection(FileDescriptor fd, ListenerId listener, const Listener& from) {
  const ConnectionId id = next_id_++;
  if (!watch(epoll_.get(), EPOLL_CTL_ADD, fd.get(), id, EPOLLIN)) return;
  auto connection = std::make_unique<Connection>();
  connection->id = id;
  connection->listener = listener;
  connection->fd = std::move(fd);
  connection->handler = from.handler;
  connection->since = now_;
  connection->deadline = now_ + limits_.request_time;
  connections_.emplace(id, std::move(connection));
}

// Whoever has kept the server waiting longest goes; those that are being answered stay if they can.
void HttpServer::make_room() {
  const auto waiting_longer = [](const auto& a, const auto& b) {
    const auto rank = [](const Connection& connection) {
      return std::pair(connection.state == ConnectionState::writing, connection.since);
    };
    return rank(*a.second) < rank(*b.second);
  };
  const auto oldest = std::min_element(connections_.begin(), connections_.end(), waiting_longer);
  if (oldest != connections_.end()) drop(oldest->first);
}

void HttpServer::listen_for(std::uint32_t events) {
  for (const auto& [id, listener] : listeners_)
    watch(epoll_.get(), EPOLL_CTL_MOD, listener.fd.get(), id, events);
}

void HttpServer::serve(ConnectionId id, std::uint32_t events) {
  const auto at = connections_.find(id);
  if (at == connections_.end()) return;  // gone since the event was reported
  Connection& connection = *at->second;
  if (!advance(connection, events)) return drop(id);
  buffered_ -= connection.accounted;
  connection.accounted = connection.in.capacity() + connection.out.capacity();
  buffered_ += connection.accounted;
  while (buffered_ > limits_.buffered_bytes && !connections_.empty()) make_room();
}

bool HttpServer::advance(Connection& connection, std::uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return false;
  switch (connection.state) {
    case ConnectionState::reading:
      return ((events & EPOLLIN) == 0 || receive(connection)) && take_request(connection);
    case ConnectionState::writing:
      return send(connection);
    case ConnectionState::draining:
      break;
  }
  char discarded[kReadAtOnce];
  const ssize_t size = recv(connection.fd.get(), discarded, sizeof discarded, 0);
  if (size <= 0) return size < 0 && (errno == EAGAIN || errno == EINTR);
  connection.drained += static_cast<std::size_t>(size);
  return connection.drained <= kDrainAtMost;
}

bool HttpServer::receive(Connection& connection) {
  char bytes[kReadAtOnce];
  const ssize_t size = recv(connection.fd.get(), bytes, sizeof bytes, 0);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) {
    connection.ended = true;
    return true;
  }
  if (connection.in.empty()) {
    connection.since = now_;
    connection.deadline = now_ + limits_.request_time;
  }
  connection.in.append(bytes, static_cast<std::size_t>(size));
  return true;
}

// Nothing more is read from a client while it is being answered: what it may have buffered here is
// one request and what came with its end.
bool HttpServer::take_request(Connection& connection) {
  if (connection.in.size() < connection.needed) return !connection.ended;
  ParsedRequest parsed = parse_request(connection.in, limits_.request);
  switch (parsed.state) {
    case ParsedRequest::State::incomplete:
      connection.needed = parsed.size;
      if (parsed.expects_continue && !connection.told_to_continue) {
        constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
        ::send(connection.fd.get(), kContinue.data(), kContinue.size(), MSG_NOSIGNAL);
        connection.told_to_continue = true;
      }
      return !connection.ended;
    case ParsedRequest::State::refused:
      refuse(connection, parsed.status);
      break;
    case ParsedRequest::State::complete:
      connection.in.erase(0, parsed.size);
      connection.needed = 1;
      connection.told_to_continue = false;
      answer(connection, parsed.request);
      break;
  }
  return send(connection);
}

void HttpServer::answer(Connection& connection, const Request& request) {
  connection.close_after = !request.keep_alive;
  connection.out = response_bytes(request, (*connection.handler)(request), request.keep_alive,
                                  std::chrono::system_clock::now());
  begin(connection, ConnectionState::writing, limits_.response_time);
}

void HttpServer::refuse(Connection& connection, int status) {
  release(connection.in);
  connection.close_after = true;
  connection.out = response_bytes({}, plain_text(status, reason_phrase(status)), false,
                                  std::chrono::system_clock::now());
  begin(connection, ConnectionState::writing, limits_.response_time);
}

bool HttpServer::send(Connection& connection) {
  while (connection.sent < connection.out.size()) {
    const ssize_t size = ::send(connection.fd.get(), connection.out.data() + connection.sent,
                                connection.out.size() - connection.sent, MSG_NOSIGNAL);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    connection.sent += static_cast<std::size_t>(size);
  }
  release(connection.out);
  connection.sent = 0;
  if (connection.close_after) {
    // Closing with input unread would reset the connection before the client has read the answer.
    shutdown(connection.fd.get(), SHUT_WR);
    release(connection.in);
    begin(connection, ConnectionState::draining, limits_.linger_time);
    return true;
  }
  if (connection.in.empty()) {
    if (connection.ended) return false;
    release(connection.in);
    begin(connection, ConnectionState::reading, limits_.idle_time);
    return true;
  }
  begin(connection, ConnectionState::reading, limits_.request_time);
  ready_.push_back(connection.id);
  return true;
}

void HttpServer::begin(Connection& connection, ConnectionState state,
                       std::chrono::milliseconds time) {
  connection.state = state;
  connection.since = now_;
  connection.deadline = now_ + time;
  std::uint32_t events = kReadable;
  if (state == ConnectionState::writing) events = EPOLLOUT;
  // The end of input would be reported again and again.
  if (state == ConnectionState::reading && connection.ended) events = 0;
  watch(epoll_.get(), EPOLL_CTL_MOD, connection.fd.get(), connection.id, events);
}

void HttpServer::drop(ConnectionId id) {
  const auto at = connections_.find(id);
  buffered_ -= at->second->accounted;
  connections_.erase(at);
}

void HttpServer::end_overdue() {
  std::vector<ConnectionId> overdue;
  for (const auto& [id, connection] : connections_)
    if (now_ >= connection->deadline) overdue.push_back(id);
  for (ConnectionId id : overdue) {
    Connection& connection = *connections_.at(id);
    const bool midway = connection.state == ConnectionState::reading && !connection.in.empty();
    if (midway) refuse(connection, 408);
    if (!midway || !send(connection)) drop(id);
  }
}

HttpServer::Clock::time_point HttpServer::next_deadline(Clock::time_point until) const {
  if (!ready_.empty()) return now_;
  if (!accepting_) until = std::min(until, accept_at_);
  for (const auto& [id, connection] : connections_) until = std::min(until, connection->deadline);
  return until;
}

}  // namespace kproxy::serve
