// A small HTTP/1.1 server: many listeners, one thread, bounded everything.
//
// Whoever owns it calls step() in a loop, and calls everything else from that same thread; wake()
// alone may come from anywhere. Handlers are plain functions from a request to a response: they run
// in that thread and must not block. What clients can make it spend is limited: connections, bytes
// held for all of them together, bytes and time for each request and response. Where a limit is
// reached, the connection goes that has kept the server waiting longest; so it is slow and hostile
// clients that lose, and a prompt one is served among thousands of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "compiler/types/error.h"
#include "runtime/serve/file_descriptor.h"
#include "runtime/serve/http_request.h"
#include "runtime/serve/http_response.h"
#include "runtime/serve/listen_address.h"

namespace kproxy::serve {

using Handler = std::function<Response(const Request&)>;

struct ServerLimits {
  RequestLimits request;
  std::size_t connections = 256;
  std::size_t buffered_bytes = 16 << 20;            // requests and responses of all connections
  std::chrono::milliseconds request_time{10'000};   // from its first byte to its last
  std::chrono::milliseconds response_time{10'000};  // until the client has read it
  std::chrono::milliseconds idle_time{120'000};     // between requests
  std::chrono::milliseconds linger_time{1'000};     // for a client to read why it was refused
};

class HttpServer {
 public:
  using ListenerId = std::uint64_t;
  using Clock = std::chrono::steady_clock;

  static Result<std::unique_ptr<HttpServer>> create(const ServerLimits& limits = {});
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  Result<ListenerId> listen(const ListenAddress& address, Handler handler);
  // Stops listening and cuts the listener's connections.
  void close(ListenerId listener);
  // Where it listens; with the port that was found where 0 was asked for.
  ListenAddress address_of(ListenerId listener) const;

  // Waits until there is something to do, and does it: at most until `until`, or until wake().
  void step(Clock::time_point until);
  // Any thread: ends the current or the next step().
  void wake();

  std::size_t connections() const { return connections_.size(); }

 private:
  struct Listener {
    FileDescriptor fd;
    ListenAddress address;
    std::shared_ptr<const Handler> handler;
  };
  enum class ConnectionState : std::uint8_t { reading, writing, draining };
  struct Connection;
  using ConnectionId = std::uint64_t;

  explicit HttpServer(const ServerLimits& limits);

  void accept_from(ListenerId id);
  void add_connection(FileDescriptor fd, ListenerId listener, const Listener& from);
  void make_room();
  void listen_for(std::uint32_t events);
  void serve(ConnectionId id, std::uint32_t events);
  // These say whether the connection stays.
  bool advance(Connection& connection, std::uint32_t events);
  bool receive(Connection& connection);
  bool take_request(Connection& connection);
  bool send(Connection& connection);
  void answer(Connection& connection, const Request& request);
  void refuse(Connection& connection, int status);
  void begin(Connection& connection, ConnectionState state, std::chrono::milliseconds time);
  void drop(ConnectionId id);
  void end_overdue();
  Clock::time_point next_deadline(Clock::time_point until) const;

  ServerLimits limits_;
  FileDescriptor epoll_;
  FileDescriptor wake_;
  std::uint64_t next_id_ = 1;  // of listeners and connections, never used again; 0 is wake_
  std::unordered_map<std::uint64_t, Listener> listeners_;
  std::unordered_map<ConnectionId, std::unique_ptr<Connection>> connections_;
  std::vector<ConnectionId> ready_;  // have more pipelined requests
  std::size_t buffered_ = 0;
  Clock::time_point now_;
  bool accepting_ = true;  // not while out of descriptors or memory
  Clock::time_point accept_at_;
};

}  // namespace kproxy::serve
