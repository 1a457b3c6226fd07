// Everything that kproxy serves by HTTP, in a thread of its own: its health, the health ports of
// Services, metrics and pages for operators.
//
//   serve::ProxyMetrics metrics;
//   serve::Health health(2 * sync_period);
//   serve::Servers servers(log, health, metrics, node_name, on_health_port_failure);
//   servers.set_configuration(json);
//   for (const serve::ListenFailure& failure : *servers.start(settings)) ...an event; exit if hard
//   ... after each successful sync:
//   servers.want_health_ports(ports, node_port_addresses);
//
// The main thread never waits for a client: what it hands over is a value behind a mutex.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/log/log.h"
#include "runtime/serve/health.h"
#include "runtime/serve/http_server.h"
#include "runtime/serve/listen_address.h"
#include "runtime/serve/pages.h"
#include "runtime/serve/proxy_metrics.h"
#include "runtime/serve/service_health.h"

namespace kproxy::serve {

struct Settings {
  std::optional<ListenAddress> health;   // none: no /healthz and /livez
  std::optional<ListenAddress> metrics;  // none: no metrics and no pages
  // Both may be the same: then /healthz is the proxy's health.
  PageSettings pages;
  ServerLimits limits;
  std::chrono::milliseconds retry_after{5000};  // where one of them is taken
  bool hard_fail = false;                       // then nothing is served; it is not tried again
};

// An address that cannot be listened on; for an event of the Node.
struct ListenFailure {
  static constexpr const char* kHealth = "FailedToStartProxierHealthcheck";
  static constexpr const char* kMetrics = "FailedToStartMetricServer";

  std::string reason;
  std::string note;
};

class Servers {
 public:
  // All references must outlive this. on_failure: see ServiceHealth.
  Servers(const log::Log& log, const Health& health, ProxyMetrics& metrics, std::string node,
          ServiceHealth::OnFailure on_failure);
  ~Servers();  // ends the thread and every connection
  Servers(const Servers&) = delete;
  Servers& operator=(const Servers&) = delete;

  // Listens and starts the thread, once. What could not be listened on is logged and returned. An
  // error if nothing can be served, then or later.
  Result<std::vector<ListenFailure>> start(Settings settings);
  // What /configz shows: the effective KubeProxyConfiguration as JSON, with kind and apiVersion.
  void set_configuration(std::string json);
  // The health ports there shall be from now on, by the sync that just succeeded.
  void want_health_ports(std::vector<HealthPort> ports, NodePortAddresses addresses);

 private:
  using Clock = std::chrono::steady_clock;
  struct Listening {
    ListenAddress address;
    Handler handler;
    const char* reason;
    std::string what;     // "proxy healthz"
    std::string trouble;  // as logged last
    bool open = false;
  };

  void run();
  std::optional<ListenFailure> open(Listening& listening);

  const log::Log& log_;
  const Health& health_;
  ProxyMetrics& metrics_;
  ServiceHealth service_health_;
  std::mutex configuration_mutex_;
  std::string configuration_;
  std::unique_ptr<Pages> pages_;
  std::vector<Listening> listening_;
  std::chrono::milliseconds retry_after_{};
  bool hard_fail_ = false;
  std::unique_ptr<HttpServer> server_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace kproxy::serve
