#include "runtime/serve/health.h"

#include <time.h>

#include <algorithm>
#include <cstdio>

namespace kproxy::serve {
namespace {

// What Go writes for a time that was never set.
constexpr const char* kNever = "0001-01-01T00:00:00Z";

const char* text_of(bool value) {
  return value ? "true" : "false";
}

std::string text_of(const std::optional<std::chrono::system_clock::time_point>& time) {
  return time ? rfc3339(*time) : kNever;
}

}  // namespace

std::string rfc3339(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto second = floor<seconds>(time);
  const std::time_t count = system_clock::to_time_t(second);
  tm parts{};
  gmtime_r(&count, &parts);
  char text[64];
  std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  const auto fraction = static_cast<long long>(nanoseconds(time - second).count());
  if (fraction != 0) {
    size += static_cast<std::size_t>(
        std::snprintf(text + size, sizeof text - size, ".%09lld", fraction));
    while (text[size - 1] == '0') --size;
  }
  return std::string(text, size) + 'Z';
}

void Health::set_timeout(std::chrono::nanoseconds timeout) {
  const std::lock_guard lock(mutex_);
  timeout_ = timeout;
}

void Health::sync_queued() {
  for (Family family : kFamilies) sync_queued(family);
}

void Health::sync_queued(Family family) {
  const Moment now = now_();
  const std::lock_guard lock(mutex_);
  auto& since = families_[index_of(family)].outstanding_since;
  if (!since) since = now.steady;
}

void Health::synced() {
  for (Family family : kFamilies) synced(family);
}

void Health::synced(Family family) {
  const Moment now = now_();
  const std::lock_guard lock(mutex_);
  families_[index_of(family)] = {std::nullopt, now.wall, false};
}

void Health::sync_failed() {
  const Moment now = now_();
  const std::lock_guard lock(mutex_);
  for (FamilyState& state : families_) {
    state.failed = true;
    if (!state.outstanding_since) state.outstanding_since = now.steady;
  }
}

void Health::set_node_eligible(bool eligible) {
  const std::lock_guard lock(mutex_);
  node_eligible_ = eligible;
}

bool Health::healthy() const {
  const Moment now = now_();
  const std::lock_guard lock(mutex_);
  return all_healthy(now);
}

Health::Answer Health::healthz() const {
  return answer(true);
}
Health::Answer Health::livez() const {
  return answer(false);
}

bool Health::healthy(const FamilyState& state, const Moment& now) const {
  if (state.failed && !state.last_synced) return false;
  return !state.outstanding_since || now.steady - *state.outstanding_since < timeout_;
}

bool Health::all_healthy(const Moment& now) const {
  return std::all_of(families_.begin(), families_.end(),
                     [&](const FamilyState& state) { return healthy(state, now); });
}

Health::Answer Health::answer(bool with_node) const {
  const Moment now = now_();
  const std::lock_guard lock(mutex_);
  const bool all = all_healthy(now);
  const bool good = all && (node_eligible_ || !with_node);
  std::optional<std::chrono::system_clock::time_point> last_synced;
  std::string families;
  for (Family family : kFamilies) {
    const FamilyState& state = families_[index_of(family)];
    if (!state.started()) continue;
    last_synced = std::max(last_synced, state.last_synced);
    families += families.empty() ? "" : ",";
    families += '"' + std::string(to_string(family)) + "\":{\"lastUpdated\":\"" +
                text_of(state.last_synced) + "\",\"healthy\":" + text_of(healthy(state, now)) + '}';
  }
  std::string body = "{\"lastUpdated\":\"" + (good ? rfc3339(now.wall) : text_of(last_synced)) +
                     "\",\"currentTime\":\"" + rfc3339(now.wall) + '"';
  if (with_node) body += std::string(",\"nodeEligible\":") + text_of(node_eligible_);
  body += std::string(",\"healthy\":") + text_of(all);
  if (!families.empty()) body += ",\"status\":{" + families + '}';
  return {good ? 200 : 503, body + '}'};
}

}  // namespace kproxy::serve
