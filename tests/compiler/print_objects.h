// Objects as one line of text each, so that tests can say what they expect: only what differs from
// an object's defaults is printed.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "compiler/snapshot/decode.h"
#include "compiler/snapshot/objects.h"

namespace kproxy::snapshot {

// "Service shop/web ip=10.96.0.1 ports=http:tcp:80", "EndpointSlice shop/web-1 service=web IPv4
// ports=http:tcp:8080 endpoints=10.0.0.1", ...
std::string print(const Object& object);

struct Decoded {
  std::vector<Object> objects;
  Errors errors;
  Errors warnings;
  std::string fatal;  // empty: the input was read to its end
};

// Decodes `json`, which arrives in pieces of that many bytes.
Decoded decode_text(std::string_view json, StringPool& pool, std::size_t piece = 1 << 20);

// All of it, a line each: objects, "error: ...", "warning: ...", "fatal: ...".
std::string print(const Decoded& decoded);
std::string decode_and_print(std::string_view json, std::size_t piece = 1 << 20);

}  // namespace kproxy::snapshot
