#include "runtime/serve/service_health.h"

#include <algorithm>

#include "compiler/types/json_text.h"

namespace kproxy::serve {
namespace {

std::vector<ListenAddress> listen_addresses(Family family, Port port,
                                            const NodePortAddresses& addresses) {
  const auto& accepted = addresses[index_of(family)];
  if (!accepted) return {{family == Family::ipv4 ? Address::ipv4(0) : Address(), port, false}};
  std::vector<ListenAddress> all;
  for (const Address& address : *accepted) all.push_back({address, port, false});
  return all;
}

}  // namespace

void ServiceHealth::want(std::vector<HealthPort> ports, NodePortAddresses addresses) {
  const std::lock_guard lock(mutex_);
  wanted_ = Wanted{std::move(ports), std::move(addresses)};
}

void ServiceHealth::update(HttpServer& server, Clock::time_point now) {
  std::optional<Wanted> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted.swap(wanted_);
  }
  if (wanted)
    replace(server, *wanted);
  else if (!retry_at_ || now < *retry_at_)
    return;
  retry_at_.reset();
  for (auto& [key, listening] : listening_)
    if (!open_missing(server, key, listening)) retry_at_ = now + kRetryAfter;
}

// Closes first, everywhere: a port may go from one Service to another.
void ServiceHealth::replace(HttpServer& server, const Wanted& wanted) {
  std::map<Key, Listening> next;
  for (const HealthPort& port : wanted.ports) {
    for (Family family : kFamilies) {
      const auto& endpoints = port.local_endpoints[index_of(family)];
      if (!endpoints) continue;
      Listening& listening = next[{port.service_namespace, port.service_name, family}];
      listening.port = port.port;
      listening.wanted = listen_addresses(family, port.port, wanted.addresses);
      listening.local_endpoints = *endpoints;
    }
  }
  for (auto& [key, before] : listening_) {
    const auto after = next.find(key);
    for (const auto& [address, id] : before.open) {
      const bool stays =
          after != next.end() &&
          std::count(after->second.wanted.begin(), after->second.wanted.end(), address) != 0;
      if (stays)
        after->second.open.emplace(address, id);
      else
        server.close(id);
    }
    if (after != next.end()) after->second.trouble = before.trouble;
  }
  listening_ = std::move(next);
}

// Either all that is missing is opened, or none of it.
bool ServiceHealth::open_missing(HttpServer& server, const Key& key, Listening& listening) {
  std::vector<ListenAddress> opened;
  std::string trouble;
  for (const ListenAddress& address : listening.wanted) {
    if (listening.open.contains(address)) continue;
    const auto id = server.listen(address, [this, key](const Request&) { return answer(key); });
    if (!id) {
      trouble = id.error().message();
      break;
    }
    listening.open.emplace(address, *id);
    opened.push_back(address);
  }
  const std::string service = key.service_namespace + '/' + key.service_name;
  const int port = listening.port.value;
  if (trouble.empty()) {
    if (!listening.trouble.empty())
      log_.info(0, "Listening for health checks again", {{"service", service}, {"port", port}});
    listening.trouble.clear();
    return true;
  }
  for (const ListenAddress& address : opened) {
    server.close(listening.open.at(address));
    listening.open.erase(address);
  }
  if (trouble == listening.trouble) return false;
  listening.trouble = trouble;
  log_.error("Cannot listen for health checks of a Service; it is tried again",
             {"Service " + service + " port " + std::to_string(port), trouble, ""});
  if (on_failure_)
    on_failure_({key.service_namespace, key.service_name,
                 "node " + node_ + " failed to start healthcheck \"" + service + "\" on port " +
                     std::to_string(port) + ": " + trouble});
  return false;
}

Response ServiceHealth::answer(const Key& key) const {
  const auto at = listening_.find(key);
  const std::size_t endpoints = at == listening_.end() ? 0 : at->second.local_endpoints;
  const bool healthy = health_.healthy();
  std::string body = "{\n\t\"service\": {\n\t\t\"namespace\": " + json_text(key.service_namespace) +
                     ",\n\t\t\"name\": " + json_text(key.service_name) +
                     "\n\t},\n\t\"localEndpoints\": " + std::to_string(endpoints) +
                     ",\n\t\"serviceProxyHealthy\": " + (healthy ? "true" : "false") + "\n}";
  return {endpoints > 0 && healthy ? 200 : 503,
          {{"Content-Type", "application/json"},
           {"X-Content-Type-Options", "nosniff"},
           {"X-Load-Balancing-Endpoint-Weight", std::to_string(endpoints)}},
          std::move(body),
          false};
}

}  // namespace kproxy::serve
