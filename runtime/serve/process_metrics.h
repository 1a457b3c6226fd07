// The process_* metrics: what the kernel says of this process when a page is asked for.
#pragma once

#include "runtime/serve/metrics.h"

namespace kproxy::serve {

struct ProcessMetrics {
  // start_time goes to both pages.
  ProcessMetrics(Registry& registry, Registry& sli_registry);

 private:
  std::vector<std::unique_ptr<Computed>> metrics_;
};

}  // namespace kproxy::serve
