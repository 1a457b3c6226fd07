#include "runtime/daemon.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "runtime/apply/kernel_features.h"
#include "runtime/config/api_access.h"
#include "runtime/config/effective.h"
#include "runtime/config/node_check.h"
#include "runtime/config/reload.h"
#include "runtime/config/version.h"
#include "runtime/kernel/leftovers.h"
#include "runtime/kernel/own_addresses.h"
#include "runtime/kernel/privileges.h"
#include "runtime/kernel/sysctls.h"
#include "runtime/one_shot.h"
#include "runtime/server_settings.h"

namespace kproxy {
namespace {

using namespace std::chrono_literals;

constexpr auto kWaitForNode = 30s;
constexpr auto kWaitForPodCidrs = 5min;
constexpr auto kWaitForServiceCidrs = 3s;  // when all else is there
// How soon a change of the node's own addresses shows in where health ports listen.
constexpr auto kLookAtAddresses = 5s;
// So long events may take that are posted when all else has ended.
constexpr auto kLastEvents = 2s;
// So long the loop may be kept from other things by connection tracking, at a time.
constexpr auto kStaleFlowsShare = 5ms;

// SIGTERM and SIGINT, as something to poll.
class StopSignals {
 public:
  StopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
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

Daemon::Daemon(config::CommandLine settings, Reparse reparse, log::Log& log)
    : settings_(std::move(settings)),
      reparse_(std::move(reparse)),
      log_(log),
      health_(2 * settings_.settings.sync_period),
      proxier_({.options = settings_.options,
                .golden = settings_.golden,
                .sync_period = settings_.settings.sync_period,
                .min_sync_period = settings_.settings.min_sync_period},
               snapshot_, log_, metrics_, health_),
      configuration_(settings_.config_file) {
  metrics_.set_build(build_info(settings_.version));
  std::vector<serve::FeatureGate> gates;
  for (const auto& [name, gate] : settings_.settings.gates)
    gates.push_back({name, std::string(gate.stage), gate.on});
  metrics_.set_features(gates);
  proxier_.on_compiled = [this](const snapshot::Changes& changes) {
    facts_.update(snapshot_, changes, proxier_.ruleset().node());
  };
  proxier_.on_synced = [this] { publish(); };
  proxier_.on_failed = [this](const Error& error) {
    if (!cluster_) return;
    if (const auto event = sync_trouble_.failed(settings_.options.node, error, Clock::now()))
      cluster_->post_event(*event);
  };
}

Daemon::~Daemon() = default;

int Daemon::run() {
  // Before there are threads, so that none of them is sent a signal.
  const StopSignals signals;
  Status status = ok_status();
  if (!settings_.config_file.empty()) {
    status = configuration_.start();
    configuration_.know_present();
  }
  if (status) status = settings_.snapshot.empty() ? start_with_cluster() : start_with_file();
  if (!status) {
    log_.error("Cannot start", status.error());
    return 1;
  }
  while (!exit_status_) {
    pollfd events[] = {
        {signals.fd(), POLLIN, 0},
        {file_ ? file_->fd() : cluster_->fd(), POLLIN, 0},
        {proxier_.fd(), POLLIN, 0},
        {settings_.config_file.empty() ? -1 : configuration_.fd(), POLLIN, 0},
        {may_clear_stale_flows() ? facts_.stale_flows().file_descriptor() : -1, POLLIN, 0}};
    if (poll(events, std::size(events), milliseconds_to_next_timer()) < 0 && errno != EINTR) {
      log_.error("Cannot wait", {"poll", std::strerror(errno), ""});
      return 1;
    }
    if (events[0].revents != 0) {
      log_.info(0, "Stopping; the rules stay");
      return 0;
    }
    if (events[3].revents != 0) follow_configuration();
    if (events[1].revents != 0) file_ ? follow_file() : follow_cluster();
    if (events[2].revents != 0) proxier_.notified();
    if (const Status advanced = advance(); !advanced) stop(advanced.error());
    if (phase_ == Phase::running) {
      proxier_.run();
      clear_stale_flows();
      look_at_addresses();
    }
    post_failures();
  }
  if (cluster_) post_last_events();
  return *exit_status_;
}

// The reason why kproxy ends may be among them.
void Daemon::post_last_events() {
  const auto until = Clock::now() + kLastEvents;
  while (cluster_->posting()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    pollfd event{cluster_->fd(), POLLIN, 0};
    if (left.count() <= 0 || poll(&event, 1, static_cast<int>(left.count())) <= 0) return;
    snapshot::Diagnostics ignored;
    cluster_->work(snapshot_, ignored);
    observe();
  }
}

// A file says everything at once, and a mistake in it is best told at once.
Status Daemon::start_with_file() {
  drop_privileges(kernel::Stage::serving);
  file_ = std::make_unique<source::SnapshotFile>(settings_.snapshot, pool_);
  Status status = file_->watch();
  if (!status) return status;
  snapshot::Diagnostics diagnostics;
  status = file_->read(snapshot_, diagnostics);
  if (!status) return status;
  tell(diagnostics);
  proxier_.changed();
  status = proxier_.check_golden();
  if (status) status = proxier_.compile();
  if (status) status = apply::check_kernel();
  if (status) status = proxier_.connect();
  if (!status) return status;
  status = start_servers();
  if (!status || exit_status_) return status;
  status = proxier_.reconcile("Synced with what the kernel had");
  if (status) status = proxier_.listen();
  if (!status) return status;
  phase_ = Phase::running;
  log_.info(0, "Following the snapshot file",
            {{"file", settings_.snapshot},
             {"node", proxier_.ruleset().node().name},
             {"version", config::own_version()}});
  return status;
}

Status Daemon::start_with_cluster() {
  const config::ClientConnection& client = settings_.settings.client;
  const auto access = config::find_api_access(client.kubeconfig, client.master);
  if (!access) return access.error();
  // Before anything of another mode goes, and however long there is no API server.
  if (const Status suits = apply::check_kernel(); !suits) return suits;
  log_.info(0, "Starting", {{"version", config::own_version()}, {"kubernetes", settings_.version}});
  for (const Error& error : kernel::remove_leftovers())
    log_.error("Cannot remove all that another mode of kube-proxy left", error);
  runs_plugins_ = access->exec.has_value();
  drop_privileges(kernel::Stage::starting);
  auto cluster = source::ApiServer::open(*access, settings_.options.node, pool_);
  if (!cluster) return cluster.error();
  cluster_ = std::move(*cluster);
  log_.info(0, "Waiting for the Node",
            {{"server", access->server}, {"node", settings_.options.node}});
  return ok_status();
}

Status Daemon::advance() {
  if (phase_ == Phase::waiting_for_node) {
    if (!cluster_->node_listed() || node_is_awaited()) return ok_status();
    if (exit_status_) return ok_status();
    timer_.reset();
    if (const Status status = start_services(); !status) return status;
    if (exit_status_) return ok_status();
    phase_ = Phase::waiting_for_lists;
  }
  if (phase_ == Phase::waiting_for_lists && cluster_->complete() && !service_cidrs_are_awaited()) {
    timer_.reset();
    proxier_.changed();
    if (const Status compiled = proxier_.compile(); !compiled) return compiled;
    if (const Status connected = proxier_.connect(); !connected) return connected;
    phase_ = Phase::running;
    proxier_.sync_all("Synced with what the kernel had");
    if (const Status listening = proxier_.listen(); !listening) return listening;
    log_.info(0, "Following the API server", {{"node", settings_.options.node}});
  }
  return ok_status();
}

// A Node that is not there yet, or has no addresses, or lacks podCIDRs that are needed. Its time
// begins with the server's first answer: before, nobody knows what there is.
bool Daemon::node_is_awaited() {
  const auto found = snapshot_.nodes().find(settings_.options.node);
  const snapshot::Node* node = found == snapshot_.nodes().end() ? nullptr : &found->second;
  const bool by_pod_cidrs =
      settings_.options.detect_local_mode == options::DetectLocalMode::node_cidr;
  const bool usable = node != nullptr && !node->addresses.empty();
  if (usable && (!by_pod_cidrs || !node->pod_cidrs.empty())) return false;
  const auto now = Clock::now();
  if (!node_listed_) node_listed_ = now;
  const auto give_up = *node_listed_ + kWaitForNode;
  timer_ = give_up;
  if (now < give_up) return true;
  if (!usable && !std::exchange(node_missing_told_, true))
    log_.error("The Node is not there, or has no addresses; going on without",
               {"Node " + settings_.options.node, "is not known", ""});
  if (!by_pod_cidrs) return false;
  timer_ = give_up + kWaitForPodCidrs;
  if (now < *timer_) return true;
  stop({"",
        node == nullptr
            ? "timeout waiting for node \"" + settings_.options.node + "\" to exist"
            : "timeout waiting for PodCIDR allocation on node \"" + settings_.options.node + "\"",
        ""});
  return false;
}

// Without them Services work, which must not wait for a list that may never come. What comes later
// is taken then.
bool Daemon::service_cidrs_are_awaited() {
  if (cluster_->service_cidrs_listed()) return false;
  if (!timer_) timer_ = Clock::now() + kWaitForServiceCidrs;
  if (Clock::now() < *timer_) return true;
  log_.warning("The ServiceCIDRs cannot be listed; going on without until they can");
  return false;
}

Status Daemon::start_services() {
  for (const Error& error : set_kernel_settings(settings_.settings.conntrack))
    log_.error("could not set conntrack parameters from kube-proxy configuration; going on", error);
  if (const Status suits = check_node(); !suits) return suits;
  if (const Status set = kernel::set_oom_score_adj(settings_.settings.oom_score_adj); !set)
    log_.error("Cannot set oom_score_adj", set.error());
  drop_privileges(kernel::Stage::serving);
  if (const Status started = start_servers(); !started || exit_status_) return started;
  source::ClusterEvent starting = source::event_about_node(settings_.options.node);
  starting.reason = "Starting";
  starting.action = "StartKubeProxy";
  cluster_->post_event(starting);
  return ok_status();
}

void Daemon::drop_privileges(kernel::Stage stage) {
  if (const Status dropped = kernel::drop_privileges(stage, runs_plugins_); !dropped)
    log_.error("Cannot give up privileges; going on", dropped.error());
}

Status Daemon::check_node() {
  config::NodeFacts facts;
  facts.dual_stack = kernel::has_ipv6();
  const auto node = snapshot_.nodes().find(settings_.options.node);
  std::string addresses;
  if (node != snapshot_.nodes().end()) {
    facts.pod_cidrs = node->second.pod_cidrs;
    for (const Address& address : node->second.addresses)
      addresses += (addresses.empty() ? "" : " ") + address.to_string();
    if (!node->second.addresses.empty()) facts.primary = node->second.addresses.front().family();
  }
  const auto& bound = settings_.options.bind_address;
  if (bound && !bound->is_unspecified()) facts.primary = bound->family();
  log_.info(0, "Node addresses", {{"node", settings_.options.node}, {"addresses", addresses}});
  if (facts.primary == Family::ipv6 && !facts.dual_stack)
    return Error{"", "no support for primary IP family \"IPv6\"", ""};
  for (Family family : kFamilies)
    if (const auto own = kernel::own_addresses(family))
      for (const Cidr& cidr : *own) facts.addresses.push_back(cidr.address());
  config::Findings findings = config::check_node(settings_, facts);
  for (const Error& warning : findings.warnings) log_.warning(warning.message());
  for (const Error& error : findings.errors) log_.error("Configuration", error);
  if (findings.fatal.empty()) return ok_status();
  for (std::size_t i = 1; i < findings.fatal.size(); ++i)
    log_.error("Cannot start", findings.fatal[i]);
  return findings.fatal.front();
}

Status Daemon::start_servers() {
  servers_.emplace(log_, health_, metrics_, settings_.options.node,
                   [this](const serve::HealthPortFailure& failure) {
                     const std::lock_guard lock(failures_mutex_);
                     failures_.push_back(failure);
                   });
  serve::Settings wanted = server_settings(settings_);
  wanted.hard_fail = settings_.settings.bind_address_hard_fail;
  wanted.pages.set_verbosity = [this](int level) { log_.verbosity().set_level(level); };
  servers_->set_configuration(config::to_json(settings_.values));
  const auto failures = servers_->start(std::move(wanted));
  if (!failures) return failures.error();
  for (const serve::ListenFailure& failure : *failures) {
    if (cluster_) {
      source::ClusterEvent event = source::event_about_node(settings_.options.node);
      event.type = "Warning";
      event.reason = failure.reason;
      event.action = "StartKubeProxy";
      event.note = failure.note;
      cluster_->post_event(event);
    }
  }
  if (settings_.settings.bind_address_hard_fail && !failures->empty())
    stop({"bindAddressHardFail", "is set, and not all addresses could be listened on", ""});
  return ok_status();
}

void Daemon::follow_file() {
  if (!file_->changed()) return;
  snapshot::Diagnostics diagnostics;
  if (const Status read = file_->read(snapshot_, diagnostics); !read) {
    log_.error("Cannot use the changed snapshot; the rules stay as they were", read.error());
    return;
  }
  tell(diagnostics);
  if (settings_.golden.empty()) return proxier_.changed();
  metrics_.queued();  // and stays so until it is found good
  Status same = proxier_.check_golden();
  if (same) same = proxier_.compile();
  if (same)
    proxier_.sync_all("Synced");
  else
    log_.error("Not applied; the rules stay as they were", same.error());
}

void Daemon::follow_cluster() {
  snapshot::Diagnostics diagnostics;
  cluster_->work(snapshot_, diagnostics);
  tell(diagnostics);
  observe();
  remember_node();
  health_.set_node_eligible(node_ && !node_->being_deleted && !node_->to_be_deleted);
  if (phase_ != Phase::running) return;
  if (snapshot_.has_changes())
    proxier_.changed();
  else if (proxier_.in_sync())
    pending_.in_force(Clock::now());  // what came changes nothing
}

// With its Node deleted, this node is what it was: its addresses still accept node ports.
void Daemon::remember_node() {
  const auto found = snapshot_.nodes().find(settings_.options.node);
  if (found != snapshot_.nodes().end()) {
    node_ = found->second;
  } else if (node_) {
    log_.warning("The Node was deleted; going on with what is known of it",
                 {{"node", node_->name.name}});
    node_->being_deleted = true;
    snapshot_.put(*node_);
  }
}

void Daemon::observe() {
  const source::Observations seen = cluster_->take_observations();
  pending_.observe(seen, Clock::now());
  metrics_.watch_restarts.add(seen.watch_restarts);
  for (const source::RequestSeen& request : seen.requests)
    metrics_.requested(request.code, request.method, request.method, request.host,
                       request.duration);
  for (const Error& error : seen.troubles)
    // The hint says when it is tried again, which is another time each time.
    if (const auto again = repetition_.tell(error.where + ": " + error.what, Clock::now()))
      log_.error("Trouble with the API server", error, {{"kept_back", *again}});
}

void Daemon::tell(const snapshot::Diagnostics& diagnostics) {
  metrics_.unusable_objects.add(diagnostics.errors.size());
  for (const Error& error : diagnostics.errors)
    if (const auto again = repetition_.tell(error.message(), Clock::now()))
      log_.error("Left out", error, {{"kept_back", *again}});
  for (const Error& warning : diagnostics.warnings)
    if (repetition_.tell(warning.message(), Clock::now())) log_.warning(warning.message());
}

// What follows a sync that succeeded.
void Daemon::publish() {
  if (file_) {
    const auto found = snapshot_.nodes().find(proxier_.ruleset().node().name);
    health_.set_node_eligible(found == snapshot_.nodes().end() ||
                              (!found->second.being_deleted && !found->second.to_be_deleted));
  }
  sync_trouble_.succeeded();
  // A change that waits for the least time between syncs was no part of this one.
  if (proxier_.in_sync()) pending_.in_force(Clock::now());
  for (Family family : kFamilies) {
    using Policy = ServiceFacts::TrafficPolicy;
    metrics_.set_no_local_endpoints(family, "internal",
                                    facts_.without_local_endpoints(family, Policy::internal));
    metrics_.set_no_local_endpoints(family, "external",
                                    facts_.without_local_endpoints(family, Policy::external));
  }
  if (facts_.take_health_ports_changed()) publish_health_ports();
}

void Daemon::publish_health_ports() {
  if (!servers_) return;
  for (Family family : kFamilies) {
    auto addresses = kernel::own_addresses(family);
    if (addresses)
      own_addresses_[index_of(family)] = std::move(*addresses);
    else if (repetition_.tell(addresses.error().message(), Clock::now()))
      log_.error("Cannot look at the node's addresses; health ports stay where they are",
                 addresses.error());
  }
  servers_->want_health_ports(
      facts_.health_ports(),
      service::node_port_addresses(proxier_.ruleset().node(), own_addresses_));
  timer_.reset();
  if (facts_.has_health_ports()) timer_ = Clock::now() + kLookAtAddresses;
}

void Daemon::look_at_addresses() {
  if (phase_ != Phase::running || !timer_ || Clock::now() < *timer_) return;
  // What is known of Services but not in force yet is nobody's business.
  if (proxier_.in_force())
    publish_health_ports();
  else
    timer_ = Clock::now() + kLookAtAddresses;
}

bool Daemon::may_clear_stale_flows() const {
  return phase_ == Phase::running && proxier_.in_force() && facts_.stale_flows().pending();
}

void Daemon::clear_stale_flows() {
  if (!may_clear_stale_flows()) return;
  const auto until = Clock::now() + kStaleFlowsShare;
  for (const kernel::Pass& pass : facts_.stale_flows().clear(until, proxier_.ruleset().node())) {
    metrics_.conntrack_duration[pass.family].observe(
        std::chrono::duration<double>(pass.duration).count());
    metrics_.conntrack_deleted[pass.family].add(pass.deleted);
    if (pass.error && repetition_.tell(pass.error->message(), Clock::now()))
      log_.error("Cannot clear all stale UDP flows", *pass.error);
    log_.info(4, "Looked for stale UDP flows",
              {{"family", to_string(pass.family)},
               {"examined", pass.examined},
               {"deleted", pass.deleted},
               {"tries", pass.tries}});
  }
}

void Daemon::follow_configuration() {
  using Change = source::FileWatch::Change;
  const Change change = configuration_.changed();
  if (change == Change::none) return;
  if (change == Change::rewritten) return stop({settings_.config_file, config::kFileUpdated, ""});
  configuration_.know_present();
  auto parsed = reparse_();
  if (const auto* wrong = std::get_if<config::Exit>(&parsed)) {
    for (const Error& error : wrong->errors)
      log_.error("The changed configuration is wrong; the one in force stays", error);
    return;
  }
  auto& after = std::get<config::CommandLine>(parsed);
  switch (config::react(settings_, after)) {
    case config::Reaction::nothing:
      return;
    case config::Reaction::restart:
      return stop({settings_.config_file, config::kFileUpdated, ""});
    case config::Reaction::in_place:
      log_.verbosity().set_level(after.settings.logging.verbosity);
      log_.verbosity().set_modules(after.settings.logging.vmodule);
      health_.set_timeout(2 * after.settings.sync_period);
      proxier_.set_periods(after.settings.sync_period, after.settings.min_sync_period);
      settings_.settings = after.settings;
      settings_.values = after.values;
      if (servers_) servers_->set_configuration(config::to_json(settings_.values));
      log_.info(0, "The changed configuration is in force", {{"file", settings_.config_file}});
  }
}

void Daemon::post_failures() {
  std::vector<serve::HealthPortFailure> failures;
  {
    const std::lock_guard lock(failures_mutex_);
    failures.swap(failures_);
  }
  if (!cluster_) return;
  for (const serve::HealthPortFailure& failure : failures) {
    source::ClusterEvent event;
    event.regarding.kind = "Service";
    event.regarding.ns = failure.service_namespace;
    event.regarding.name = failure.service_name;
    event.type = "Warning";
    event.reason = serve::HealthPortFailure::kReason;
    event.action = serve::HealthPortFailure::kAction;
    event.note = failure.note;
    cluster_->post_event(event);
  }
}

void Daemon::stop(const Error& error) {
  log_.error("Exiting; the rules stay", error);
  exit_status_ = 1;
}

int Daemon::milliseconds_to_next_timer() const {
  if (may_clear_stale_flows() && facts_.stale_flows().file_descriptor() < 0) return 0;
  std::optional<Clock::time_point> next = timer_;
  if (phase_ == Phase::running)
    if (const auto due = proxier_.next(); due && (!next || *due < *next)) next = due;
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - Clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

}  // namespace kproxy
