#include "runtime/sync_trouble.h"

namespace kproxy {

std::optional<source::ClusterEvent> SyncTrouble::failed(const std::string& node, const Error& error,
                                                        Clock::time_point now) {
  if (!since_) since_ = now;
  if (now < *since_ + kPatience || (posted_ && now < *posted_ + kInterval)) return std::nullopt;
  const std::string cause = error.message();
  if (told_.size() == kMostCauses || !told_.insert(cause).second) return std::nullopt;
  posted_ = now;
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now - *since_).count();
  source::ClusterEvent event = source::event_about_node(node);
  event.type = "Warning";
  event.reason = "FailedToSyncProxyRules";
  event.action = "SyncProxyRules";
  event.note = "No sync has succeeded for " + std::to_string(seconds) +
               " s; the rules stay as they were, and it is tried again: " + cause;
  return event;
}

void SyncTrouble::succeeded() {
  since_.reset();
  told_.clear();
}

}  // namespace kproxy
