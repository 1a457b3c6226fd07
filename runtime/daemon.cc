#include "runtime/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iostream>

#include "compiler/ruleset/render.h"
#include "compiler/ruleset/text_diff.h"
#include "runtime/apply/kernel_features.h"
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
constexpr auto kLastRetry = 30s;

double milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double, std::milli>(time).count();
}

// SIGTERM and SIGINT, as something to poll.
class StopSignals {
 public:
  StopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    fd_ = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  }
  ~StopSignals() {
    if (fd_ >= 0) close(fd_);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_ = -1;
};

}  // namespace

Daemon::Daemon(const config::CommandLine& settings, const log::Log& log)
    : settings_(settings), log_(log), file_(settings.snapshot, pool_), tracker_(settings.options) {}

int Daemon::follow() {
  const StopSignals signals;
  if (const Status watched = file_.watch(); !watched) {
    log_.error("Cannot follow the snapshot file", watched.error());
    return 1;
  }
  Status status = read_and_compile();
  if (status) status = check_golden();
  if (status) status = connect();
  if (status) status = reconcile("Synced with what the kernel had");
  if (status) status = listen();
  if (!status) {
    log_.error("Cannot start", status.error());
    return 1;
  }
  log_.info(0, "Following the snapshot file",
            {{"file", settings_.snapshot}, {"node", tracker_.ruleset().node().name}});
  for (;;) {
    pollfd events[] = {{signals.fd(), POLLIN, 0},
                       {file_.fd(), POLLIN, 0},
                       {monitor_->file_descriptor(), POLLIN, 0}};
    if (poll(events, std::size(events), milliseconds_to_next_timer()) < 0 && errno != EINTR) {
      log_.error("Cannot wait", {"poll", std::strerror(errno), ""});
      return 1;
    }
    if (events[0].revents != 0) break;
    if (events[1].revents != 0 && file_.changed()) sync_file();
    if (events[2].revents != 0 && monitor_->touched() && !repair_at_)
      repair_at_ = std::max(Clock::now() + kRepairAfter, repaired_at_ + kRepairInterval);
    run_timers();
  }
  log_.info(0, "Stopping; the rules stay");
  return 0;
}

int Daemon::once() {
  Status status = read_and_compile();
  if (status) status = check_golden();
  if (status) status = connect();
  if (status) status = reconcile("Synced with what the kernel had");
  if (!status) {
    log_.error("Cannot apply", status.error());
    return 1;
  }
  return rejected_ == 0 ? 0 : 1;
}

int Daemon::verify() {
  Status status = read_and_compile();
  if (status) status = connect();
  if (!status) {
    log_.error("Cannot verify", status.error());
    return 2;
  }
  const Result<apply::Differences> differences = engine_->verify([this] { return desired(); });
  if (!differences) {
    log_.error("Cannot verify", differences.error());
    return 2;
  }
  for (const std::string& line : differences->lines) std::cout << line << '\n';
  if (differences->count > differences->lines.size())
    std::cout << "... and " << differences->count - differences->lines.size() << " more\n";
  std::cout << (differences->none() ? "The kernel holds what the snapshot compiles to.\n"
                                    : std::to_string(differences->count) + " differences.\n")
            << std::flush;
  if (!std::cout) return 2;
  return differences->none() ? 0 : 1;
}

int Daemon::cleanup() {
  ruleset::OwnerNames owners;
  auto socket = apply::NetlinkSocket::open();
  Status status = ok_status();
  if (!socket)
    status = socket.error();
  else
    status = apply::Engine(**socket, owners).remove_table();
  if (status) return 0;
  log_.error("encountered an error while tearing down rules", status.error());
  return 1;
}

Status Daemon::read_and_compile() {
  snapshot::Diagnostics diagnostics;
  const Status read = file_.read(snapshot_, diagnostics);
  if (!read) return read;
  tell_once(diagnostics);
  const auto start = Clock::now();
  Errors warnings;
  const Status compiled = tracker_.update(snapshot_, warnings);
  compile_time_ = Clock::now() - start;
  for (const Error& warning : warnings) log_.warning(warning.message());
  return compiled;
}

Status Daemon::check_golden() const {
  if (settings_.golden.empty()) return ok_status();
  const Result<std::string> golden = config::read_text(settings_.golden);
  if (!golden) return golden.error();
  std::string text;
  ruleset::render(tracker_.ruleset(), [&](std::string_view piece) { text += piece; });
  if (text == *golden) return ok_status();
  const auto before = ruleset::RulesetText::parse(settings_.golden, *golden);
  if (!before) return before.error();
  const auto after = ruleset::RulesetText::parse("the compiled ruleset", std::move(text));
  if (!after) return after.error();
  std::cout << ruleset::to_text(ruleset::diff(*before, *after)) << std::flush;
  return Error{settings_.golden, "is not what the snapshot compiles to", "nothing was applied"};
}

void Daemon::tell_once(const snapshot::Diagnostics& diagnostics) {
  std::set<std::string> now;
  for (const Error& error : diagnostics.errors)
    if (now.insert(error.message()).second && !told_.contains(error.message()))
      log_.error("Left out", error);
  for (const Error& warning : diagnostics.warnings)
    if (now.insert(warning.message()).second && !told_.contains(warning.message()))
      log_.warning(warning.message());
  told_ = std::move(now);
}

Status Daemon::connect() {
  if (const Status release = apply::check_kernel_release(); !release) return release;
  auto socket = apply::NetlinkSocket::open();
  if (!socket) return socket.error();
  transport_ = std::move(*socket);
  engine_.emplace(*transport_, tracker_.ruleset().owners());
  return apply::probe_features(engine_->conversation());
}

Status Daemon::reconcile(std::string_view message) {
  tracker_.ruleset().skip_change();  // desired() has it all
  const Result<apply::Applied> applied = engine_->reconcile(
      [this] { return desired(); }, kernel::kube_proxy_tables(engine_->conversation()));
  if (monitor_) monitor_->set_own_port(transport_->port_id());
  if (!applied) return applied.error();
  report(message, *applied);
  rejected_ = applied->rejected.size();
  return ok_status();
}

// Only what differs is sent; often nothing does (another kproxy has looked, say).
void Daemon::repair() {
  const auto differences = engine_->verify([this] { return desired(); });
  repaired_at_ = Clock::now();
  if (!differences) return retry_later(differences.error());
  if (differences->none()) return;
  if (const Status status = reconcile("Repaired"); !status) return retry_later(status.error());
  repaired_at_ = Clock::now();
  log_.warning("The table was changed by somebody else; repaired",
               {{"differences", differences->count}});
  for (const std::string& line : differences->lines) log_.warning("Differed", {{"what", line}});
}

// Comes after the first load, which is faster while nobody listens; what happened between the two
// shows when the table is looked at once.
Status Daemon::listen() {
  Result<apply::Monitor> monitor = apply::Monitor::open(transport_->port_id());
  if (!monitor) return monitor.error();
  monitor_.emplace(std::move(*monitor));
  repair_at_ = Clock::now() + kRepairAfter;
  return ok_status();
}

void Daemon::sync() {
  const ruleset::Change change = tracker_.ruleset().take_change();
  if (change.empty()) return;
  const Result<apply::Applied> applied = engine_->apply(change, [this] { return desired(); });
  monitor_->set_own_port(transport_->port_id());
  if (!applied) {
    retry_later(applied.error());
    return;
  }
  report("Synced", *applied);
  collect_at_ = Clock::now() + kCollectAfter;
}

void Daemon::sync_file() {
  if (const Status status = read_and_compile(); !status) {
    log_.error("Cannot use the changed snapshot; the rules stay as they were", status.error());
    return;
  }
  const Status golden = check_golden();
  withheld_ = !golden.ok();
  if (withheld_) {
    log_.error("Not applied; the rules stay as they were", golden.error());
    return;
  }
  if (!retry_at_) sync();  // else the next attempt compares everything anyway
}

void Daemon::run_timers() {
  if (withheld_) return;
  const auto now = Clock::now();
  if (retry_at_ && now >= *retry_at_) {
    retry_at_.reset();
    if (const Status status = reconcile("Synced after a failure"); status)
      retry_interval_ = {};
    else
      retry_later(status.error());
  }
  if (repair_at_ && now >= *repair_at_) {
    repair_at_.reset();
    if (!retry_at_) repair();
  }
  if (collect_at_ && now >= *collect_at_) {
    collect_at_.reset();
    if (!retry_at_ && tracker_.ruleset().collect()) {
      sync();
      collect_at_.reset();
    }
  }
}

int Daemon::milliseconds_to_next_timer() const {
  if (withheld_) return -1;
  std::optional<Clock::time_point> next;
  for (const auto& timer : {collect_at_, retry_at_, repair_at_})
    if (timer && (!next || *timer < *next)) next = timer;
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
  return static_cast<int>(std::max<std::int64_t>(0, left.count()));
}

void Daemon::report(std::string_view message, const apply::Applied& applied) const {
  for (const Error& trouble : applied.troubles) log_.error("An attempt failed", trouble);
  for (const apply::Rejected& rejected : applied.rejected)
    log_.error("The kernel does not take an element; the rest is applied", rejected.error);
  for (const std::string& line : applied.lines) log_.info(4, "Differed", {{"what", line}});
  log_.info(2, message,
            {{"services", tracker_.ruleset().service_count()},
             {"inserted", applied.inserted},
             {"erased", applied.erased},
             {"transactions", applied.transactions},
             {"bytes", applied.bytes},
             {"compile_ms", milliseconds(compile_time_)},
             {"encode_ms", milliseconds(applied.encode)},
             {"commit_ms", milliseconds(applied.commit)}});
}

void Daemon::retry_later(const Error& error) {
  retry_interval_ = retry_interval_ == Clock::duration{}
                        ? Clock::duration(kFirstRetry)
                        : std::min<Clock::duration>(2 * retry_interval_, kLastRetry);
  retry_at_ = Clock::now() + retry_interval_;
  log_.error("Cannot sync; the rules stay as they were, and it is tried again", error);
}

apply::Desired Daemon::desired() const {
  apply::Desired desired{tracker_.ruleset().structure(), tracker_.ruleset().elements()};
  std::sort(desired.elements.begin(), desired.elements.end(), ruleset::key_less);
  return desired;
}

}  // namespace kproxy
