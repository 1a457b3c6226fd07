#include "runtime/serve/http_response.h"

#include <time.h>

#include "runtime/serve/gzip.h"

namespace kproxy::serve {
namespace {

std::string http_date(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

}  // namespace

const char* reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 400:
      return "Bad Request";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "";
  }
}

std::string response_bytes(const Request& request, Response response, bool keep_alive,
                           std::chrono::system_clock::time_point now) {
  if (response.compressible) {
    response.headers.emplace_back("Vary", "Accept-Encoding");
    if (accepts(request.header("accept-encoding"), "gzip")) {
      if (auto compressed = gzip(response.body)) {
        response.headers.emplace_back("Content-Encoding", "gzip");
        response.body = std::move(*compressed);
      }
    }
  }
  std::string bytes = "HTTP/1.1 " + std::to_string(response.status) + ' ' +
                      reason_phrase(response.status) + "\r\nDate: " + http_date(now) + "\r\n";
  for (const auto& [name, value] : response.headers) bytes += name + ": " + value + "\r\n";
  bytes += "Content-Length: " + std::to_string(response.body.size()) +
           "\r\nConnection: " + (keep_alive ? "keep-alive" : "close") + "\r\n\r\n";
  if (request.method != "HEAD") bytes += response.body;
  return bytes;
}

Response plain_text(int status, std::string body) {
  return {status,
          {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}},
          std::move(body),
          false};
}

}  // namespace kproxy::serve
