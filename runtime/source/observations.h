// What a source has seen, for logs and metrics: a plain value that is filled and taken.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "compiler/types/address.h"
#include "compiler/types/error.h"

namespace kproxy::source {

// One HTTP request, as it was answered.
struct RequestSeen {
  std::string method;                   // "GET", "POST"
  std::string code;                     // "200"; "<error>" where no answer came
  std::string host;                     // "10.0.0.1:6443"
  std::chrono::nanoseconds duration{};  // until the answer's header
};

// An EndpointSlice changed because of something that happened then.
struct ChangeTrigger {
  Family family;
  std::chrono::system_clock::time_point time;
};

// How many of each family; what is of both counts in both.
using FamilyCounts = std::array<std::uint64_t, 2>;

// What happened since it was last asked, for logs and metrics.
struct Observations {
  std::uint64_t service_events = 0;  // objects that were listed, added, changed or deleted
  std::uint64_t slice_events = 0;
  // Objects that came, became different or went, be it unseen before a new list; of the families
  // they are or were of.
  FamilyCounts service_changes{}, slice_changes{};
  std::uint64_t watch_restarts = 0;  // watches that ended and were resumed, or begun anew
  std::vector<ChangeTrigger> triggers;
  std::vector<RequestSeen> requests;
  Errors troubles;  // refusals, broken connections, credentials that cannot be had
};

}  // namespace kproxy::source
