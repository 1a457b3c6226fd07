// Passes of StaleFlows, to their end, as the daemon carries them out.
#pragma once

#include <poll.h>

#include <boost/test/unit_test.hpp>
#include <iterator>
#include <vector>

#include "runtime/kernel/stale_flows.h"

namespace kproxy::tests {

// Until there is something for clear() to do; not for ever.
inline void await(const kernel::StaleFlows& flows) {
  pollfd event{flows.file_descriptor(), POLLIN, 0};
  if (event.fd >= 0) BOOST_REQUIRE(poll(&event, 1, 20000) == 1);
}

inline std::vector<kernel::Pass> clear_all(kernel::StaleFlows& flows,
                                           const service::NodeView& node) {
  std::vector<kernel::Pass> passes;
  for (int i = 0; i < 100000 && flows.pending(); ++i) {
    await(flows);
    std::vector<kernel::Pass> ended = flows.clear({}, node);
    std::move(ended.begin(), ended.end(), std::back_inserter(passes));
  }
  BOOST_TEST(!flows.pending());
  return passes;
}

}  // namespace kproxy::tests
