// How much of everything a compiled ruleset has.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "compiler/kpcompile/compilation.h"
#include "compiler/service/service_port.h"

namespace kproxy::kpcompile {

struct Counts {
  std::size_t services = 0;  // that are served
  std::size_t service_ports = 0;
  std::size_t endpoints = 0;  // of each Service port
  std::size_t base_chains = 0;
  std::size_t chains = 0;  // base chains too
  std::size_t rules = 0;
  std::size_t sets = 0;
  std::size_t maps = 0;
  std::size_t conflicts = 0;
  std::vector<std::pair<std::string, std::size_t>> elements;  // by set, in canonical order
};

Counts count(const Compilation& compilation);

// The endpoints that a Service port can use under any policy, in order of address and port.
std::vector<service::Endpoint> endpoints_of(const service::ServicePort& port);

}  // namespace kproxy::kpcompile
