// What the API server has said and is not in force yet, and the metrics that tell of it.
//
// Costs a few words for each batch of changes until the next sync that succeeds, up to a bound that
// only syncs failing for long can reach: then durations are told of the oldest alone. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "runtime/serve/proxy_metrics.h"
#include "runtime/source/observations.h"

namespace kproxy {

class PendingChanges {
 public:
  using Clock = std::chrono::steady_clock;

  // The metrics must outlive this.
  explicit PendingChanges(serve::ProxyMetrics& metrics);

  void observe(const source::Observations& seen, Clock::time_point now);
  // All that was observed is in force. What was read before the first time is no change, and how
  // long it took is not told.
  void in_force(Clock::time_point now);

 private:
  struct Batch {
    Clock::time_point read;
    source::FamilyCounts slices;
  };

  void show();

  serve::ProxyMetrics& metrics_;
  const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  bool any_in_force_ = false;
  std::uint64_t service_events_ = 0, slice_events_ = 0;
  source::FamilyCounts services_{};
  std::vector<Batch> batches_;
  std::vector<source::ChangeTrigger> triggers_;
};

}  // namespace kproxy
