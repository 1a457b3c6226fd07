#include "runtime/pending_changes.h"

#include <utility>

namespace kproxy {
namespace {

constexpr std::size_t kMost = 10'000;  // whose durations are told

template <typename Duration>
double seconds(Duration time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

PendingChanges::PendingChanges(serve::ProxyMetrics& metrics) : metrics_(metrics) {
  show();
}

void PendingChanges::observe(const source::Observations& seen, Clock::time_point now) {
  service_events_ += seen.service_events;
  slice_events_ += seen.slice_events;
  metrics_.service_changes.add(seen.service_events);
  metrics_.endpoint_changes.add(seen.slice_events);
  for (Family family : kFamilies) {
    const std::size_t i = index_of(family);
    services_[i] += seen.service_changes[i];
    metrics_.family_service_changes[family].add(seen.service_changes[i]);
  }
  if (any_in_force_ && seen.slice_changes != source::FamilyCounts{} && batches_.size() < kMost)
    batches_.push_back({now, seen.slice_changes});
  for (const source::ChangeTrigger& trigger : seen.triggers)
    if (trigger.time >= started_ && triggers_.size() < kMost) triggers_.push_back(trigger);
  show();
}

void PendingChanges::in_force(Clock::time_point now) {
  const auto wall = std::chrono::system_clock::now();
  for (const source::ChangeTrigger& trigger : std::exchange(triggers_, {}))
    metrics_.programming_duration[trigger.family].observe(seconds(wall - trigger.time));
  for (const Batch& batch : std::exchange(batches_, {}))
    for (Family family : kFamilies)
      for (std::uint64_t i = 0; i < batch.slices[index_of(family)]; ++i)
        metrics_.endpoint_change_duration[family].observe(seconds(now - batch.read));
  any_in_force_ = true;
  service_events_ = slice_events_ = 0;
  services_ = {};
  show();
}

void PendingChanges::show() {
  metrics_.service_changes_pending.set(static_cast<double>(service_events_));
  metrics_.endpoint_changes_pending.set(static_cast<double>(slice_events_));
  for (Family family : kFamilies)
    metrics_.family_service_changes_pending[family].set(
        static_cast<double>(services_[index_of(family)]));
}

}  // namespace kproxy
