#include "runtime/source/resource_watch.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace kproxy::source {
namespace {

using Clock = std::chrono::steady_clock;
using snapshot::WatchEvent;

constexpr std::size_t kLongestRefusal = 16 * 1024;
constexpr std::size_t kLongestMessage = 300;

std::string_view hint_for(int code) {
  if (code == 401) return "the API server does not know the token or certificate";
  if (code == 403)
    return "list and watch must be granted, as the ClusterRole system:node-proxier does";
  return {};
}

bool is_of(const snapshot::Service& service, Family family) {
  return service.cluster_ips[index_of(family)].has_value();
}
bool is_of(const snapshot::EndpointSlice& slice, Family family) {
  return slice.family == family && !slice.service.empty();
}

// Counts the change from what is known of an object to what is heard; null where it is not there.
// Whether it is one.
template <typename Object>
bool count_change(const Object* known, const Object* heard, FamilyCounts& changes) {
  if (known == nullptr ? heard == nullptr : heard != nullptr && *known == *heard) return false;
  for (Family family : kFamilies)
    changes[index_of(family)] +=
        (known != nullptr && is_of(*known, family)) || (heard != nullptr && is_of(*heard, family));
  return true;
}

FamilyCounts count_services(const snapshot::Snapshot& snapshot) {
  FamilyCounts counts{};
  for (const auto& [name, entry] : snapshot.services())
    for (Family family : kFamilies)
      counts[index_of(family)] += entry.service && is_of(*entry.service, family);
  return counts;
}
FamilyCounts count_slices(const snapshot::Snapshot& snapshot) {
  FamilyCounts counts{};
  for (const auto& [name, entry] : snapshot.services())
    for (const snapshot::EndpointSlice* slice : entry.slices)
      for (Family family : kFamilies) counts[index_of(family)] += is_of(*slice, family);
  return counts;
}

}  // namespace

ResourceWatch::ResourceWatch(Resource resource, Reflector::Random random,
                             snapshot::StringPool& pool, Session& session)
    : session_(session),
      reflector_(std::move(resource), std::move(random)),
      decoder_("API server: " + reflector_.resource().path, reflector_.resource().kind, pool) {}

ResourceWatch::~ResourceWatch() {
  if (id_) session_.http.cancel(*id_);
}

std::optional<Time> ResourceWatch::next() const {
  if (id_) return reflector_.waited();
  if (waits_for_identity_) return std::nullopt;
  return reflector_.next();
}

void ResourceWatch::work(Time now) {
  if (id_ && now >= reflector_.waited()) {
    session_.http.cancel(*id_);
    if (code_ == 0)
      session_.observations.requests.push_back({"GET", "<error>", session_.host, now - begun_});
    end(Reflector::End::stalled, code_ == 0 ? "has not answered" : "says nothing more", now);
  }
  if (id_ || now < *reflector_.next()) return;
  const Result<std::optional<Identity>> identity = session_.credentials.identity(now);
  waits_for_identity_ = identity.ok() && !identity->has_value();
  if (waits_for_identity_) return;
  if (identity) return begin(now, **identity);
  reflector_.begin(now);
  reflector_.end(Reflector::End::torn, now);
  session_.observations.troubles.push_back(identity.error());
}

void ResourceWatch::begin(Time now, const Identity& identity) {
  request_ = reflector_.begin(now);
  begun_ = now;
  code_ = 0;
  refusal_.clear();
  spoiled_.clear();
  lines_ = LineSplitter();
  items_ = ItemSplitter();
  HttpRequest request;
  request.target = request_.target;
  request.gzip = request_.mode == Reflector::Mode::page;
  identity_ = identity.generation;
  id_ = session_.http.start(request, identity, *this);
}

void ResourceWatch::on_status(int code, std::optional<std::chrono::seconds> retry_after) {
  const Time now = Clock::now();
  code_ = code;
  session_.observations.requests.push_back(
      {"GET", std::to_string(code), session_.host, now - begun_});
  reflector_.status(code, retry_after, now);
  if (code == 401) session_.credentials.refused(identity_);
  if (code == 200 && request_.begins_list)
    session_.snapshot->begin_list(reflector_.resource().kind);
}

bool ResourceWatch::on_body(std::string_view bytes) {
  reflector_.received(Clock::now());
  if (code_ != 200) {
    refusal_.append(bytes.substr(0, kLongestRefusal - std::min(kLongestRefusal, refusal_.size())));
    return true;
  }
  bool wanted = true;
  std::size_t left_out = 0;
  if (request_.mode == Reflector::Mode::page) {
    wanted = items_.push(bytes, [this](std::string_view item) { take_item(item); });
    if (!wanted) spoiled_ = "answers with something that is no list";
    left_out = items_.take_too_large();
  } else {
    wanted = lines_.push(bytes, [this](std::string_view line) { return take_line(line); });
    left_out = lines_.take_too_long();
  }
  if (left_out > 0)
    session_.diagnostics->errors.push_back(
        {where(), "an object larger than 16 MiB is left out",
         "the API server stores none above 1.5 MB: is this one?"});
  return wanted;
}

bool ResourceWatch::take_line(std::string_view line) {
  WatchEvent event = decoder_.event(line, *session_.diagnostics);
  const auto effect = reflector_.event(event);
  if (effect == Reflector::Effect::stop) {
    code_ = event.status.code;
    refusal_ = event.status.message;
    return false;
  }
  if (effect == Reflector::Effect::apply) apply(std::move(event));
  follow(effect);
  return true;
}

void ResourceWatch::take_item(std::string_view item) {
  apply(decoder_.item(item, *session_.diagnostics));
}

void ResourceWatch::apply(WatchEvent event) {
  const std::string& kind = reflector_.resource().kind;
  if (kind == "Service") observe_service(event);
  if (kind == "EndpointSlice") observe_slice(event);
  if (event.object)
    session_.snapshot->put(std::move(*event.object));
  else if (!event.name.name.empty())
    session_.snapshot->erase(kind, event.name);  // deleted, or not to be read any more
}

void ResourceWatch::observe_service(const WatchEvent& event) {
  const auto* entry = session_.snapshot->find(event.name);
  count_change(entry != nullptr && entry->service ? &*entry->service : nullptr,
               event.object ? std::get_if<snapshot::Service>(&*event.object) : nullptr,
               session_.observations.service_changes);
  ++session_.observations.service_events;
}

void ResourceWatch::observe_slice(const WatchEvent& event) {
  Observations& seen = session_.observations;
  const auto* slice = event.object ? std::get_if<snapshot::EndpointSlice>(&*event.object) : nullptr;
  const bool changed =
      count_change(session_.snapshot->find_slice(event.name), slice, seen.slice_changes);
  if (slice != nullptr && (slice->service.empty() || !slice->family)) return;
  ++seen.slice_events;
  if (slice != nullptr && event.trigger && changed)
    seen.triggers.push_back({*slice->family, *event.trigger});
}

void ResourceWatch::follow(Reflector::Effect effect) {
  if (effect == Reflector::Effect::list_end) end_list();
}

// What the list did not name goes.
void ResourceWatch::end_list() {
  const std::string& kind = reflector_.resource().kind;
  const auto end = [&](auto count, FamilyCounts& changes) {
    const FamilyCounts before = count(*session_.snapshot);
    session_.snapshot->end_list(kind);
    const FamilyCounts after = count(*session_.snapshot);
    for (std::size_t i = 0; i < before.size(); ++i) changes[i] += before[i] - after[i];
  };
  if (kind == "Service")
    end(count_services, session_.observations.service_changes);
  else if (kind == "EndpointSlice")
    end(count_slices, session_.observations.slice_changes);
  else
    session_.snapshot->end_list(kind);
}

void ResourceWatch::on_end(bool clean, const std::string& trouble) {
  const Time now = Clock::now();
  std::string what = spoiled_.empty() ? trouble : spoiled_;
  if (code_ == 0)
    session_.observations.requests.push_back({"GET", "<error>", session_.host, now - begun_});
  if (code_ == 200 && clean) {
    if (request_.mode == Reflector::Mode::page)
      clean = finish_page(what);
    else
      lines_.finish([this](std::string_view line) { return take_line(line); });
  }
  end(clean ? Reflector::End::clean : Reflector::End::torn, what, now);
}

bool ResourceWatch::finish_page(std::string& trouble) {
  const Result<snapshot::ListHead> head = decoder_.list(items_.rest());
  if (!head) {
    trouble = head.error().message();
    return false;
  }
  follow(reflector_.page(*head));
  return true;
}

void ResourceWatch::end(Reflector::End how, const std::string& what, Time now) {
  id_.reset();
  std::string message = what;
  if (code_ != 0 && code_ != 200) {
    if (const auto status = snapshot::decode_status(refusal_)) {
      reflector_.refusal(*status);
      refusal_ = status->message;
    }
    message = "refuses with " + std::to_string(code_);
    if (!refusal_.empty())
      message += ": " + refusal_.substr(0, std::min(refusal_.find('\n'), kLongestMessage));
  }
  reflector_.end(how, now);
  if (request_.mode != Reflector::Mode::page) ++session_.observations.watch_restarts;
  // Worth a word is only what delays us and is not to be expected.
  const bool expected = reflector_.resource().optional && code_ == 404;
  if (*reflector_.next() > now && !expected)
    session_.observations.troubles.push_back(trouble(message, now));
}

std::string ResourceWatch::where() const {
  return "API server: " + reflector_.resource().path;
}

Error ResourceWatch::trouble(const std::string& what, Time now) const {
  char again[64];
  std::snprintf(again, sizeof again, "asked again in %.1f s",
                std::chrono::duration<double>(*reflector_.next() - now).count());
  std::string hint(hint_for(code_));
  hint += hint.empty() ? "" : "; ";
  const bool listed = request_.mode == Reflector::Mode::page;
  const std::string early = listed ? "gives no version to watch from" : "ends the watch at once";
  return {where(), what.empty() ? early : what, hint + again};
}

}  // namespace kproxy::source
