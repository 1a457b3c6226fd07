// Pages that are text for people, and JSON or YAML for those who ask for a version of them by the
// Accept header: /flagz and /statusz.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "runtime/serve/http_response.h"

namespace kproxy::serve {

// An object of config.k8s.io, without kind, apiVersion and metadata.
struct StructuredPage {
  using Map = std::vector<std::pair<std::string, std::string>>;
  using List = std::vector<std::string>;
  using Value = std::variant<std::string, std::int64_t, Map, List>;

  std::string kind;  // "Flagz"
  std::string text;  // what people get
  std::vector<std::pair<std::string, Value>> fields;
};

// In the form asked for; 406 if that is none of these.
Response negotiated(const Request& request, const StructuredPage& page);

}  // namespace kproxy::serve
