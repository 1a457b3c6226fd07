#include "runtime/serve/servers.h"

#include <signal.h>

#include <algorithm>
#include <system_error>

namespace kproxy::serve {
namespace {

// Of this proxy as load balancers and probes see it.
Response health_answer(const Health& health, ProxyMetrics& metrics, const Request& request) {
  const bool healthz = request.path == "/healthz";
  if (!healthz && request.path != "/livez") return plain_text(404, "no such page\n");
  Health::Answer answer = healthz ? health.healthz() : health.livez();
  (healthz ? metrics.healthz : metrics.livez).with({std::to_string(answer.status)}).add();
  return {answer.status,
          {{"Content-Type", "application/json"}, {"X-Content-Type-Options", "nosniff"}},
          std::move(answer.body),
          false};
}

}  // namespace

Servers::Servers(const log::Log& log, const Health& health, ProxyMetrics& metrics, std::string node,
                 ServiceHealth::OnFailure on_failure)
    : log_(log),
      health_(health),
      metrics_(metrics),
      service_health_(log, health, std::move(node), std::move(on_failure)) {}

Servers::~Servers() {
  stopping_ = true;
  if (server_) server_->wake();
  if (thread_.joinable()) thread_.join();
}

Result<std::vector<ListenFailure>> Servers::start(Settings settings) {
  auto server = HttpServer::create(settings.limits);
  if (!server) return server.error();
  server_ = std::move(*server);
  settings.pages.configuration = [this] {
    const std::lock_guard lock(configuration_mutex_);
    return configuration_;
  };
  pages_ = std::make_unique<Pages>(std::move(settings.pages), metrics_);

  const Handler health = [this](const Request& request) {
    return health_answer(health_, metrics_, request);
  };
  const Handler pages = [this](const Request& request) { return pages_->answer(request); };
  const Handler both = [health, pages](const Request& request) {
    const bool of_health = request.path == "/healthz" || request.path == "/livez";
    return of_health ? health(request) : pages(request);
  };
  const bool shared = settings.health && settings.health == settings.metrics;
  if (settings.health)
    listening_.push_back({*settings.health, shared ? both : health, ListenFailure::kHealth,
                          shared ? "health and metrics" : "health", "", false});
  if (settings.metrics && !shared)
    listening_.push_back({*settings.metrics, pages, ListenFailure::kMetrics, "metrics", "", false});

  retry_after_ = settings.retry_after;
  hard_fail_ = settings.hard_fail;
  std::vector<ListenFailure> failures;
  for (Listening& listening : listening_)
    if (auto failure = open(listening)) failures.push_back(std::move(*failure));
  if (hard_fail_ && !failures.empty()) return failures;

  // Signals are for the main thread.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  Status started = ok_status();
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    started = Error{"HTTP", "cannot start a thread: " + error.code().message(), ""};
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (!started) return started.error();
  return failures;
}

void Servers::set_configuration(std::string json) {
  const std::lock_guard lock(configuration_mutex_);
  configuration_ = std::move(json);
}

void Servers::want_health_ports(std::vector<HealthPort> ports, NodePortAddresses addresses) {
  service_health_.want(std::move(ports), std::move(addresses));
  if (server_) server_->wake();
}

void Servers::run() {
  auto retry_at = Clock::now() + retry_after_;
  while (!stopping_) {
    auto now = Clock::now();
    bool all_open = true;
    for (Listening& listening : listening_) {
      if (!listening.open && now >= retry_at) open(listening);
      all_open = all_open && listening.open;
    }
    if (now >= retry_at) retry_at = now + retry_after_;
    service_health_.update(*server_, now);
    auto until = all_open ? now + std::chrono::hours(1) : retry_at;
    if (const auto retry = service_health_.retry_at()) until = std::min(until, *retry);
    server_->step(until);
  }
}

// Says so where that is news.
std::optional<ListenFailure> Servers::open(Listening& listening) {
  const auto id = server_->listen(listening.address, listening.handler);
  if (id) {
    listening.open = true;
    log_.info(listening.trouble.empty() ? 2 : 0, "Listening",
              {{"for", listening.what}, {"address", server_->address_of(*id).to_string()}});
    return std::nullopt;
  }
  const std::string trouble = id.error().message();
  if (trouble != listening.trouble)
    log_.error("Cannot listen for " + listening.what + (hard_fail_ ? "" : "; it is tried again"),
               id.error());
  listening.trouble = trouble;
  return ListenFailure{listening.reason,
                       "failed to listen for " + listening.what + " on " + trouble};
}

}  // namespace kproxy::serve
