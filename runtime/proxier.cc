#include "runtime/proxier.h"

#include <malloc.h>

#include <algorithm>
#include <iostream>
#include <map>

#include "compiler/ruleset/render.h"
#include "compiler/ruleset/text_diff.h"
#include "runtime/config/text_file.h"
#include "runtime/kernel/kube_proxy_tables.h"

namespace kproxy {
namespace {

using namespace std::chrono_literals;

// Chains for a number of endpoints are kept for a while: Services that scale to and fro would
// otherwise make and remove them all the time.
constexpr auto kCollectAfter = 5s;
// A transaction of somebody else's is looked at when it is likely to be over, and not again at once
// where somebody keeps at it.
constexpr auto kRepairAfter = 20ms;
constexpr auto kRepairInterval = 300ms;
constexpr auto kFirstRetry = 1s;
constexpr auto kVerifyInterval = 1h;

// What a comparison of the whole table takes is much, and most often not needed again for an hour.
void give_memory_back() {
  malloc_trim(0);
}

double milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}
double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

}  // namespace

Proxier::Proxier(Settings settings, snapshot::Snapshot& snapshot, const log::Log& log,
                 serve::ProxyMetrics& metrics, serve::Health& health)
    : settings_(std::move(settings)),
      snapshot_(snapshot),
      log_(log),
      metrics_(metrics),
      health_(health),
      tracker_(settings_.options) {}

void Proxier::set_periods(Clock::duration sync_period, Clock::duration min_sync_period) {
  settings_.sync_period = sync_period;
  settings_.min_sync_period = min_sync_period;
}

Status Proxier::compile() {
  const snapshot::Changes changes = snapshot_.take_changes();
  changed_at_.reset();
  const auto begin = Clock::now();
  Errors warnings;
  const Status compiled = tracker_.update(snapshot_, changes, warnings);
  compile_time_ = Clock::now() - begin;
  metrics_.compile_duration.observe(seconds(compile_time_));
  for (const Error& warning : warnings)
    if (repetition_.tell(warning.message(), begin)) log_.warning(warning.message());
  if (!compiled) return compiled;
  metrics_.services.set(static_cast<double>(ruleset().service_count()));
  tell_conflicts();
  on_compiled(changes);
  return compiled;
}

Status Proxier::check_golden() const {
  if (settings_.golden.empty()) return ok_status();
  const Result<std::string> golden = config::read_text(settings_.golden);
  if (!golden) return golden.error();
  ruleset::Tracker candidate(settings_.options);
  Errors warnings;  // told when it is compiled to be applied
  if (const Status compiled = candidate.update(snapshot_, {}, warnings); !compiled) return compiled;
  std::string text;
  ruleset::render(candidate.ruleset(), [&](std::string_view piece) { text += piece; });
  if (text == *golden) return ok_status();
  const auto before = ruleset::RulesetText::parse(settings_.golden, *golden);
  if (!before) return before.error();
  const auto after = ruleset::RulesetText::parse("the compiled ruleset", std::move(text));
  if (!after) return after.error();
  std::cout << ruleset::to_text(ruleset::diff(*before, *after)) << std::flush;
  return Error{settings_.golden, "is not what the snapshot compiles to", "nothing was applied"};
}

Status Proxier::connect() {
  auto socket = apply::NetlinkSocket::open();
  if (!socket) return socket.error();
  connect(std::move(*socket));
  return ok_status();
}

void Proxier::connect(std::unique_ptr<apply::Transport> transport) {
  transport_ = std::move(transport);
  engine_.emplace(*transport_, tracker_.ruleset().owners());
}

Status Proxier::reconcile(std::string_view message) {
  const auto begin = Clock::now();
  const auto other_tables = kernel::kube_proxy_tables(engine_->conversation());
  if (!other_tables) return other_tables.error();
  tracker_.ruleset().collect();
  tracker_.ruleset().skip_change();  // desired() has it all
  const Result<apply::Applied> applied = engine_->reconcile(
      [this] {
        apply::Desired all = desired();
        elements_ = all.elements.size();
        return all;
      },
      *other_tables);
  if (monitor_) monitor_->set_own_port(transport_->port_id());
  if (!applied) return applied.error();
  if (std::exchange(suspected_, false) && applied->differences != 0) repaired(*applied);
  succeeded(message, *applied, true, begin);
  give_memory_back();
  return ok_status();
}

bool Proxier::sync_all(std::string_view message) {
  const auto begin = Clock::now();
  const Status done = reconcile(message);
  if (!done) failed(done.error(), true, begin);
  return done.ok();
}

// Comes after the first load, which is faster while nobody listens; what happened between the two
// shows when the table is looked at once.
Status Proxier::listen() {
  Result<apply::Monitor> monitor = apply::Monitor::open(transport_->port_id());
  if (!monitor) return monitor.error();
  monitor_.emplace(std::move(*monitor));
  repair_at_ = Clock::now() + kRepairAfter;
  return ok_status();
}

Result<std::size_t> Proxier::verify() {
  const Result<apply::Differences> differences = engine_->verify([this] { return desired(); });
  if (!differences) return differences.error();
  for (const std::string& line : differences->lines) std::cout << line << '\n';
  if (differences->count > differences->lines.size())
    std::cout << "... and " << differences->count - differences->lines.size() << " more\n";
  std::cout << (differences->none() ? "The kernel holds what the snapshot compiles to.\n"
                                    : std::to_string(differences->count) + " differences.\n")
            << std::flush;
  if (!std::cout) return Error{"stdout", "cannot be written", ""};
  return differences->none() ? 0 : std::max<std::size_t>(1, differences->count);
}

void Proxier::changed() {
  metrics_.queued();
  health_.sync_queued();
  if (!changed_at_) changed_at_ = Clock::now();
}

void Proxier::notified() {
  if (monitor_->touched() && !repair_at_)
    repair_at_ = std::max(Clock::now() + kRepairAfter, repaired_at_ + kRepairInterval);
}

void Proxier::run() {
  const auto now = Clock::now();
  const auto due = [now](std::optional<Clock::time_point>& timer) {
    if (!timer || now < *timer) return false;
    timer.reset();
    return true;
  };
  if (changed_at_ && now >= ended_at_ + settings_.min_sync_period) sync();
  const bool touched = due(repair_at_);
  if (due(retry_at_) || (touched && retry_at_)) {
    retry_at_.reset();
    suspected_ = suspected_ || touched;
    sync_all("Synced after a failure");  // without a change that has to wait still
  } else if (touched) {
    repair();
  }
  if (due(verify_at_) && !retry_at_) {
    repair();
    verify_at_ = Clock::now() + kVerifyInterval;
  }
  if (!retry_at_ && due(collect_at_)) collect();
}

std::optional<Proxier::Clock::time_point> Proxier::next() const {
  std::optional<Clock::time_point> next;
  std::optional<Clock::time_point> sync_at;
  if (changed_at_) sync_at = ended_at_ + settings_.min_sync_period;
  // What nothing uses any more waits until a retry went well.
  const auto collect_at = retry_at_ ? std::nullopt : collect_at_;
  for (const auto& timer : {sync_at, collect_at, retry_at_, repair_at_, verify_at_})
    if (timer && (!next || *timer < *next)) next = timer;
  return next;
}

void Proxier::sync() {
  const auto begin = Clock::now();
  if (const Status compiled = compile(); !compiled) {
    failed(compiled.error(), false, begin);
    return;
  }
  // After a failure the next attempt compares everything; a change is a reason not to wait long.
  if (retry_at_) {
    retry_at_ = std::min(*retry_at_, ended_at_ + kFirstRetry);
    return;
  }
  const ruleset::Change change = tracker_.ruleset().take_change();
  apply::Applied applied;
  if (!change.empty()) {
    Result<apply::Applied> result = engine_->apply(change, [this] { return desired(); });
    monitor_->set_own_port(transport_->port_id());
    if (!result) {
      failed(result.error(), false, begin);
      return;
    }
    applied = std::move(*result);
    elements_ += change.insert.size() - change.erase.size();
    collect_at_ = Clock::now() + kCollectAfter;
    if (applied.tampered) repaired(applied);
  }
  succeeded("Synced", applied, false, begin);
}

// No sync: nothing that packets meet changes.
void Proxier::collect() {
  if (!tracker_.ruleset().collect()) return;
  const Result<apply::Applied> applied =
      engine_->apply(tracker_.ruleset().take_change(), [this] { return desired(); });
  monitor_->set_own_port(transport_->port_id());
  if (applied) {
    count(*applied);
    log_.info(2, "Removed chains that nothing uses any more", {{"bytes", applied->bytes}});
    return;
  }
  for (Family family : kFamilies) metrics_.cleanup_failures[family].add();
  retry_later();
  trouble("Cannot remove chains that nothing uses any more", applied.error());
}

// Only what differs is sent; often nothing does (another kproxy has looked, say).
void Proxier::repair() {
  const auto begin = Clock::now();
  const Result<apply::Applied> applied = engine_->repair([this] { return desired(); });
  repaired_at_ = Clock::now();
  monitor_->set_own_port(transport_->port_id());
  metrics_.verify_duration.observe(seconds(repaired_at_ - begin));
  give_memory_back();
  if (!applied) {
    suspected_ = true;
    failed(applied.error(), true, begin);
    return;
  }
  if (applied->differences == 0) {
    if (applied->transactions != 0 || !applied->troubles.empty()) count(*applied);
    return;
  }
  repaired(*applied);
  succeeded("Repaired", *applied, true, begin);
}

void Proxier::repaired(const apply::Applied& applied) {
  notified();  // nobody may have read yet who it was
  metrics_.drift_found.add();
  metrics_.drift_differences.add(applied.differences);
  metrics_.drift_repaired.add();
  log_.warning("The table was changed by somebody else; repaired",
               {{"differences", applied.differences}, {"by", monitor_->author()}});
  for (const std::string& line : applied.lines) log_.warning("Differed", {{"what", line}});
}

void Proxier::retry_later() {
  retry_interval_ = retry_interval_ == Clock::duration{}
                        ? std::min<Clock::duration>(kFirstRetry, settings_.sync_period)
                        : std::min<Clock::duration>(2 * retry_interval_, settings_.sync_period);
  retry_at_ = Clock::now() + retry_interval_;
}

void Proxier::failed(const Error& error, bool full, Clock::time_point begin) {
  ended_at_ = Clock::now();
  retry_later();
  health_.sync_queued();
  health_.sync_failed();
  metrics_.synced({seconds(ended_at_ - begin), full, false});
  trouble("Cannot sync; the rules stay as they were, and it is tried again", error);
  on_failed(error);
}

void Proxier::succeeded(std::string_view message, const apply::Applied& applied, bool full,
                        Clock::time_point begin) {
  ended_at_ = Clock::now();
  retry_interval_ = {};
  synced_once_ = true;
  if (full) verify_at_ = ended_at_ + kVerifyInterval;
  health_.synced();
  if (changed_at_) health_.sync_queued();
  metrics_.synced({seconds(ended_at_ - begin), full, true});
  count(applied);
  log_.info(2, message,
            {{"services", ruleset().service_count()},
             {"inserted", applied.inserted},
             {"erased", applied.erased},
             {"transactions", applied.transactions},
             {"bytes", applied.bytes},
             {"compile_ms", milliseconds(compile_time_)},
             {"encode_ms", milliseconds(applied.encode)},
             {"commit_ms", milliseconds(applied.commit)}});
  on_synced();
}

void Proxier::count(const apply::Applied& applied) {
  metrics_.commit_duration.observe(seconds(applied.commit));
  metrics_.transactions.add(applied.transactions);
  metrics_.transaction_bytes.add(applied.bytes);
  metrics_.transaction_elements.with({"insert"}).add(applied.inserted);
  metrics_.transaction_elements.with({"erase"}).add(applied.erased);
  metrics_.elements.set(static_cast<double>(elements_ - engine_->rejected().size()));

  for (const Error& error : applied.troubles) trouble("An attempt failed", error);
  tell_isolated(applied);
  for (const std::string& line : applied.lines) log_.info(4, "Differed", {{"what", line}});
}

// Walks all elements to find whose they are: when the kernel refuses one, which it hardly ever
// does, and not at each sync while that one is left out.
void Proxier::tell_isolated(const apply::Applied& applied) {
  const std::set<ruleset::Element>& rejected = engine_->rejected();
  metrics_.isolated.set(static_cast<double>(rejected.size()));
  if (applied.rejected.empty() && rejected.size() == isolated_.size()) return;
  std::erase_if(isolated_, [&](const auto& each) { return !rejected.contains(each.first); });
  for (const apply::Rejected& one : applied.rejected) isolated_[one.element] = {};
  if (!applied.rejected.empty())
    for (const ruleset::Ruleset::Listed& listed : ruleset().listing())
      if (const auto found = isolated_.find(listed.element);
          found != isolated_.end() && listed.service != nullptr)
        found->second = *listed.service;

  metrics_.isolated_of_services.reset();
  std::map<snapshot::ObjectName, int> counts;
  for (const auto& [element, service] : isolated_)
    if (!service.name.empty()) ++counts[service];
  for (const auto& [service, count] : counts)
    metrics_.isolated_of_services.with({service.ns, service.name}).set(count);
  for (const apply::Rejected& one : applied.rejected) {
    Error error = one.error;
    if (const snapshot::ObjectName& service = isolated_.at(one.element); !service.name.empty())
      error.where = "Service " + service.to_string() + ": " + error.where;
    trouble("The kernel does not take an element; the rest is applied", error);
  }
}

void Proxier::tell_conflicts() {
  std::set<std::string> now;
  for (const Error& conflict : ruleset().conflicts()) {
    if (!conflicts_.contains(conflict.message())) log_.warning(conflict.message());
    now.insert(conflict.message());
  }
  conflicts_ = std::move(now);
  metrics_.conflicts.set(static_cast<double>(conflicts_.size()));
}

void Proxier::trouble(std::string_view message, const Error& error) {
  if (const auto again = repetition_.tell(error.message(), Clock::now()))
    log_.error(message, error, {{"kept_back", *again}});
}

apply::Desired Proxier::desired() const {
  apply::Desired desired{ruleset().structure(), ruleset().elements()};
  std::sort(desired.elements.begin(), desired.elements.end(), ruleset::key_less);
  return desired;
}

}  // namespace kproxy
