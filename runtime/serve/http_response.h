// HTTP/1.1 responses: what handlers give, and the bytes of it.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "runtime/serve/http_request.h"

namespace kproxy::serve {

struct Response {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;  // without those of the connection
  std::string body;
  bool compressible = false;  // gzip it for those who take that
};

// Status line, headers and body; to a HEAD no body, but the same headers.
std::string response_bytes(const Request& request, Response response, bool keep_alive,
                           std::chrono::system_clock::time_point now);

// Text for people; browsers shall not guess it to be something else.
Response plain_text(int status, std::string body);

// "Not Found"; empty for a code that is not in use here.
const char* reason_phrase(int status);

}  // namespace kproxy::serve
