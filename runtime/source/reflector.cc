#include "runtime/source/reflector.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace kproxy::source {
namespace {

using namespace std::chrono_literals;
using snapshot::WatchEvent;
using Milliseconds = std::chrono::milliseconds;

constexpr auto kPageSize = "500";
// How long a server may take to answer, and to go on with a list it has begun. A list may hang for
// a minute in a server whose store does not answer.
constexpr auto kPatience = 30s;
// A watch is asked to last so long, and as much again at most: not all end together.
constexpr auto kWatch = 300s;
// After its time a watch that the server has forgotten is given up.
constexpr auto kGrace = 30s;
// A watch that told nothing is a good one if it lasted so long.
constexpr auto kGoodWatch = 5s;
// The first delay doubles until the last; each is stretched by up to a quarter, so that the nodes
// of a cluster do not come back together.
constexpr Milliseconds kFirstDelay = 800ms;
constexpr Milliseconds kLastDelay = 24s;
constexpr Milliseconds kRareDelay = 10min;  // for what the server probably does not have
constexpr std::chrono::seconds kLongestRetryAfter = 2min;

std::string percent_encoded(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string encoded;
  for (char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    const auto byte = static_cast<unsigned char>(c);
    if (plain)
      encoded += c;
    else
      (encoded += '%').append({kHex[byte >> 4], kHex[byte & 15]});
  }
  return encoded;
}

// "5m11s", as Go prints it.
std::string to_text(std::chrono::seconds duration) {
  const auto count = duration.count();
  return std::to_string(count / 60) + "m" + std::to_string(count % 60) + "s";
}

// Versions are decimal numbers, of one counter for the whole cluster.
bool is_version(std::string_view text) {
  return !text.empty() && text.size() <= 20 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_newer(std::string_view version, std::string_view than) {
  return version.size() != than.size() ? version.size() > than.size() : version > than;
}

// A 4xx says that the request itself is wrong, except for these.
bool is_refused_for_good(int code) {
  return code >= 400 && code < 500 && code != 401 && code != 403 && code != 404 && code != 408 &&
         code != 410 && code != 429;
}

}  // namespace

Reflector::Reflector(Resource resource, Random random)
    : resource_(std::move(resource)), random_(std::move(random)) {}

std::optional<Time> Reflector::next() const {
  if (under_way_) return std::nullopt;
  return next_;
}

std::string Reflector::query(
    std::initializer_list<std::pair<std::string_view, std::string>> more) const {
  std::vector<std::pair<std::string_view, std::string>> all(more);
  all.emplace_back("fieldSelector", resource_.field_selector);
  all.emplace_back("labelSelector", resource_.label_selector);
  std::sort(all.begin(), all.end());
  std::string text;
  for (const auto& [key, value] : all)
    if (!value.empty())
      text.append(text.empty() ? "?" : "&").append(key).append("=").append(percent_encoded(value));
  return text;
}

Reflector::Request Reflector::begin(Time now) {
  under_way_ = true;
  begun_ = active_ = now;
  code_ = 0;
  answered_ = accepted_ = done_ = progress_ = version_too_large_ = false;
  retry_after_.reset();
  duration_ =
      std::chrono::seconds(kWatch.count() + static_cast<std::int64_t>(random_() * kWatch.count()));
  mode_ = !version_.empty()                 ? Mode::watch
          : pages_next_ || streams_refused_ ? Mode::page
                                            : Mode::stream;
  begins_list_ = mode_ == Mode::stream || (mode_ == Mode::page && continues_.empty());
  const std::string seconds = std::to_string(duration_.count());
  std::string target = resource_.path;
  switch (mode_) {
    case Mode::stream:
      target += query({{"allowWatchBookmarks", "true"},
                       {"resourceVersionMatch", "NotOlderThan"},
                       {"sendInitialEvents", "true"},
                       {"timeout", to_text(duration_)},
                       {"timeoutSeconds", seconds},
                       {"watch", "true"}});
      break;
    case Mode::page:
      target += query({{"continue", continues_}, {"limit", kPageSize}});
      break;
    case Mode::watch:
      target += query({{"allowWatchBookmarks", "true"},
                       {"resourceVersion", version_},
                       {"timeout", to_text(duration_)},
                       {"timeoutSeconds", seconds},
                       {"watch", "true"}});
      break;
  }
  return {mode_, std::move(target), begins_list_};
}

Time Reflector::waited() const {
  const Time longest = begun_ + duration_ + kGrace;
  const bool patient = answered_ && (mode_ == Mode::watch || (mode_ == Mode::stream && done_));
  return patient ? longest : std::min(longest, active_ + kPatience);
}

void Reflector::status(int code, std::optional<std::chrono::seconds> retry_after, Time now) {
  answered_ = true;
  active_ = now;
  code_ = code;
  accepted_ = code == 200;
  retry_after_ = retry_after;
}

void Reflector::refusal(const snapshot::ServerStatus& status) {
  version_too_large_ = status.version_too_large;
  if (!retry_after_) retry_after_ = status.retry_after;
}

Reflector::Effect Reflector::event(const WatchEvent& event) {
  switch (event.type) {
    case WatchEvent::Type::error:
      code_ = event.status.code;
      refusal(event.status);
      return Effect::stop;
    case WatchEvent::Type::bookmark:
      if (mode_ == Mode::stream && !done_ && event.end_of_list && is_version(event.version)) {
        done_ = listed_ = true;
        learn(event.version);
        return Effect::list_end;
      }
      break;
    case WatchEvent::Type::unreadable:
      return Effect::none;
    default:
      break;
  }
  // While a list is being read, no version says that all before it was seen.
  if (mode_ == Mode::watch || done_) learn(event.version);
  return event.type == WatchEvent::Type::bookmark ? Effect::none : Effect::apply;
}

Reflector::Effect Reflector::page(const snapshot::ListHead& head) {
  done_ = true;
  if (begins_list_) list_version_ = head.version;
  continues_ = head.continues;
  if (!continues_.empty()) return Effect::none;
  listed_ = true;
  learn(list_version_);
  return Effect::list_end;
}

void Reflector::learn(const std::string& version) {
  if (!is_version(version) || !is_newer(version, version_)) return;
  version_ = version;
  progress_ = true;
}

void Reflector::end(End how, Time now) {
  under_way_ = false;
  const bool in_list = mode_ != Mode::watch && !done_;
  // One way of listing that leads nowhere is left for the other.
  const bool leads_nowhere = how == End::stalled || code_ >= 500;
  if (in_list) pages_next_ = mode_ == Mode::stream && leads_nowhere;
  conclude(now);
  if (in_list) continues_.clear();
}

void Reflector::conclude(Time now) {
  missing_ = false;
  const bool in_list = mode_ != Mode::watch && !done_;
  const bool lasted = accepted_ && !in_list && now - begun_ >= kGoodWatch;
  if (lasted) listed_again_ = false;
  if (lasted || (code_ == 200 && mode_ == Mode::watch && progress_)) failures_ = 0;
  if (code_ == 200) {
    // A list that gives no version to go on from would be followed by itself.
    const bool good = !in_list && (lasted || progress_ || !continues_.empty());
    return good ? again(now) : later(now);
  }
  if (version_too_large_) version_.clear();  // perhaps another server has to catch up
  if (code_ == 410) {
    version_.clear();
    // At once, but no server gets us to list without a pause.
    const bool at_once = !(begins_list_ && in_list) && !listed_again_;
    listed_again_ = true;
    return at_once ? again(now) : later(now);
  }
  if (is_refused_for_good(code_)) {
    if (mode_ == Mode::stream) {
      streams_refused_ = true;
      return again(now);
    }
    if (resource_.field_selector_saves && mode_ == Mode::page && begins_list_) {
      resource_.field_selector_saves = streams_refused_ = false;
      resource_.field_selector.clear();
      return again(now);
    }
    version_.clear();
  }
  if (resource_.optional && (code_ == 404 || code_ == 403)) {
    listed_ = true;
    missing_ = true;
  }
  later(now);
}

void Reflector::later(Time now) {
  const Milliseconds last = missing_ ? kRareDelay : kLastDelay;
  Milliseconds delay = kFirstDelay;
  for (int i = 0; i < failures_ && delay < last; ++i) delay *= 2;
  if (missing_ && code_ == 404) delay = last;
  ++failures_;
  delay = std::min(delay, last);
  if (retry_after_)
    delay = std::max<Milliseconds>(delay, std::min(*retry_after_, kLongestRetryAfter));
  next_ = now + Milliseconds(static_cast<std::int64_t>(static_cast<double>(delay.count()) *
                                                       (1 + random_() / 4)));
}

}  // namespace kproxy::source
