// HTTP to one server: requests that run at the same time, and whose answers arrive piece by piece.
//
// Everything that libcurl waits for is behind one file descriptor; work() does what is due and
// never waits. HTTP/1.1, a connection for each request under way: a watch that is not read for a
// while then holds up nobody else, and the kernel's keepalive finds a peer that has vanished.
// TLS 1.2 or later. libcurl is used here and nowhere else. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/types/error.h"
#include "runtime/config/api_access.h"

namespace kproxy::source {

// Who asks. Texts, as they are at this moment.
struct Identity {
  std::string token;
  std::string user_name, password;
  config::Pem certificate, key;
  std::uint64_t generation = 0;  // of what a plugin said: which time it was asked
};

struct HttpRequest {
  std::string method = "GET";
  std::string target;  // path and query
  std::string body;    // JSON; of a POST
  bool gzip = false;   // the answer may be compressed
};

// Receives an answer. The functions must not start or cancel requests, except for on_end().
class HttpAnswer {
 public:
  virtual ~HttpAnswer() = default;
  virtual void on_status(int code, std::optional<std::chrono::seconds> retry_after) = 0;
  // False ends the request: on_end() follows.
  virtual bool on_body(std::string_view bytes) = 0;
  // clean: the answer was read to the end that its header promised. Else what went wrong.
  virtual void on_end(bool clean, const std::string& trouble) = 0;
};

class HttpClient {
 public:
  using Id = std::uint64_t;

  // `access` says all but who asks.
  static Result<std::unique_ptr<HttpClient>> open(const config::ApiAccess& access,
                                                  std::string user_agent);
  // Ends all requests; nobody is told.
  virtual ~HttpClient() = default;

  virtual int fd() const = 0;
  virtual void work() = 0;
  // The answer must outlive the request.
  virtual Id start(const HttpRequest& request, const Identity& identity, HttpAnswer& answer) = 0;
  // Ends it at once; nobody is told.
  virtual void cancel(Id id) = 0;
};

}  // namespace kproxy::source
