// The health ports of Services (spec.healthCheckNodePort), by which load balancers outside learn
// which nodes have endpoints of a Service: a listener for each Service and family.
//
// The main thread says what there shall be, after each successful sync; that costs a lock and a
// wake-up. Listening, answering and, every few seconds, trying again where a port was taken is
// done by the thread that serves HTTP.
#pragma once

#include <array>
#include <chrono>
#include <compare>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "compiler/service/health_port.h"
#include "runtime/log/log.h"
#include "runtime/serve/health.h"
#include "runtime/serve/http_server.h"
#include "runtime/serve/listen_address.h"

namespace kproxy::serve {

using service::HealthPort;
using service::NodePortAddresses;

// A health port that cannot be listened on. For an event of the Service: a warning with this reason
// and action.
struct HealthPortFailure {
  static constexpr const char* kReason = "FailedToStartServiceHealthcheck";
  static constexpr const char* kAction = "Listen";

  std::string service_namespace;
  std::string service_name;
  std::string note;  // names the node, the Service, the port and what is wrong
};

class ServiceHealth {
 public:
  static constexpr std::chrono::seconds kRetryAfter{5};
  // Called by the thread that serves, once for each new kind of trouble; must not block.
  using OnFailure = std::function<void(const HealthPortFailure&)>;

  // health must outlive this.
  ServiceHealth(const log::Log& log, const Health& health, std::string node, OnFailure on_failure)
      : log_(log), health_(health), node_(std::move(node)), on_failure_(std::move(on_failure)) {}
  ServiceHealth(const ServiceHealth&) = delete;
  ServiceHealth& operator=(const ServiceHealth&) = delete;

  // Any thread. Replaces what was wanted before; wake the thread that serves afterwards.
  void want(std::vector<HealthPort> ports, NodePortAddresses addresses);

  // The rest is for the thread that serves.

  // Closes, opens and tries again, as far as it is time to.
  void update(HttpServer& server, std::chrono::steady_clock::time_point now);
  // When update() has something to try again.
  std::optional<std::chrono::steady_clock::time_point> retry_at() const { return retry_at_; }

 private:
  struct Key {
    std::string service_namespace;
    std::string service_name;
    Family family;
    auto operator<=>(const Key&) const = default;
  };
  // One Service in one family.
  struct Listening {
    Port port;
    std::vector<ListenAddress> wanted;
    std::size_t local_endpoints = 0;
    std::map<ListenAddress, HttpServer::ListenerId> open;
    std::string trouble;  // as told last; empty: none
  };
  using Clock = std::chrono::steady_clock;

  struct Wanted {
    std::vector<HealthPort> ports;
    NodePortAddresses addresses;
  };

  void replace(HttpServer& server, const Wanted& wanted);
  bool open_missing(HttpServer& server, const Key& key, Listening& listening);
  Response answer(const Key& key) const;

  const log::Log& log_;
  const Health& health_;
  const std::string node_;
  const OnFailure on_failure_;

  std::mutex mutex_;
  std::optional<Wanted> wanted_;  // new since the last update()

  std::map<Key, Listening> listening_;
  std::optional<Clock::time_point> retry_at_;
};

}  // namespace kproxy::serve
