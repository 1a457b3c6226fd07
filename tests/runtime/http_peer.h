// A web server for tests on a loopback port, in the thread of the test: it does something only in
// pump(), so that nothing races and nothing sleeps. It keeps the requests that arrived and answers
// when it is told to. One request at a time on a connection.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace kproxy::source {

class HttpPeer {
 public:
  struct Request {
    int connection;
    std::string line;    // "GET /path HTTP/1.1"
    std::string header;  // all lines of it
    std::string body;

    bool has(const std::string& header_line) const {
      return header.find("\r\n" + header_line + "\r\n") != std::string::npos;
    }
  };

  HttpPeer();
  ~HttpPeer();
  HttpPeer(const HttpPeer&) = delete;
  HttpPeer& operator=(const HttpPeer&) = delete;

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Takes what has arrived.
  void pump();
  // The first request that is not answered yet and whose line has that in it; null if there is
  // none. Answered is what begin() or answer() were called for.
  const Request* waiting(const std::string& part) const;
  // The connections that are open.
  std::size_t connections() const { return connections_.size(); }

  void answer(const Request& request, int status, const std::string& body,
              const std::string& header = "");
  // A stream of chunks; returns the connection.
  int begin(const Request& request);
  void send(int connection, const std::string& text);
  void finish(int connection);  // cleanly
  void cut(int connection);

 private:
  bool take(int connection);
  void write(int connection, const std::string& text);

  int listener_ = -1;
  int port_ = 0;
  std::map<int, std::string> connections_;  // and what has arrived of a request
  std::vector<Request> requests_;
};

}  // namespace kproxy::source
