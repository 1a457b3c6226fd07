// HTTP/1.x requests as bytes arrive: a pure function over what there is so far.
//
// Lenient where clients in the field are (bare line feeds, empty lines in front), strict where two
// readings of the same bytes could differ: a request is either understood or refused. Never reads
// beyond `bytes`, whatever they are; its cost is proportional to their number.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kproxy::serve {

struct Request {
  std::string method;                                        // "GET"
  std::string path;                                          // percent-decoded: "/healthz"
  std::string query;                                         // as sent, without the question mark
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  bool keep_alive = false;

  // All headers of that (lower-case) name, joined by commas; empty if there is none.
  std::string header(std::string_view name) const;
  // "verbose" for ?verbose, ?verbose=1 and ?a=b&verbose.
  bool has_parameter(std::string_view name) const;
};

struct RequestLimits {
  std::size_t head = 8 << 10;  // request line and headers
  std::size_t body = 64 << 10;
};

struct ParsedRequest {
  enum class State : std::uint8_t { incomplete, complete, refused };
  State state = State::incomplete;
  // complete: bytes of the request; what follows them is the next. incomplete: the least number of
  // bytes that may make it complete.
  std::size_t size = 0;
  Request request;                // if complete
  int status = 0;                 // if refused: what to answer, before closing
  bool expects_continue = false;  // incomplete: the client waits to be told to send the body
};
ParsedRequest parse_request(std::string_view bytes, const RequestLimits& limits);

// Whether a list header (Accept-Encoding) takes `token`: names it, or *, with a quality above 0.
bool accepts(std::string_view list, std::string_view token);

// One entry of an Accept header.
struct MediaRange {
  std::string type;                                             // "application/json", in lower case
  std::vector<std::pair<std::string, std::string>> parameters;  // without q; names in lower case
  double quality = 1;

  std::string_view parameter(std::string_view name) const;  // empty if absent
};
// Best quality first, otherwise in their order; those of quality 0 are left out.
std::vector<MediaRange> parse_accept(std::string_view header);

}  // namespace kproxy::serve
