#include "runtime/serve/pages.h"

#include <time.h>

#include <algorithm>
#include <cstdio>

#include "runtime/serve/health.h"
#include "runtime/serve/structured_page.h"

namespace kproxy::serve {
namespace {

constexpr const char* kForPeople =
    "Warning: this page is for people. It is not machine parseable: its form may change.\n";

std::string unix_date(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a %b %e %H:%M:%S UTC %Y", &parts)};
}

Response json_text(std::string body) {
  return {200,
          {{"Content-Type", "application/json"}, {"X-Content-Type-Options", "nosniff"}},
          std::move(body),
          true};
}

Response metrics_text(const Registry& registry) {
  return {
      200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, registry.text(), true};
}

}  // namespace

Pages::Pages(PageSettings settings, ProxyMetrics& metrics)
    : settings_(std::move(settings)),
      metrics_(metrics),
      started_wall_(std::chrono::system_clock::now()),
      started_(std::chrono::steady_clock::now()) {
  pages_["/proxyMode"] = [](const Request&) { return plain_text(200, "nftables"); };
  add_health_pages();
  add_metrics_pages();
  add_settings_pages();
  if (settings_.profiling) add_debug_pages(pages_, settings_.set_verbosity);
}

Response Pages::answer(const Request& request) const {
  const auto page = pages_.find(request.path);
  if (page == pages_.end()) return plain_text(404, "no such page\n");
  return page->second(request);
}

void Pages::add_health_pages() {
  const auto count = [this] {
    metrics_.healthcheck.with({"ping", "healthz"}).set(1);
    metrics_.healthchecks.with({"ping", "success", "healthz"}).add();
  };
  pages_["/healthz"] = [count](const Request& request) {
    count();
    return plain_text(
        200, request.has_parameter("verbose") ? "[+]ping ok\nhealthz check passed\n" : "ok");
  };
  pages_["/healthz/ping"] = [count](const Request&) {
    count();
    return plain_text(200, "ok");
  };
}

void Pages::add_metrics_pages() {
  pages_["/metrics"] = [this](const Request&) { return metrics_text(metrics_.registry); };
  pages_["/metrics/slis"] = [this](const Request& request) {
    if (request.method == "GET" || request.method == "HEAD")
      return metrics_text(metrics_.sli_registry);
    if (request.method == "DELETE") {
      metrics_.healthcheck.reset();
      metrics_.healthchecks.reset();
      return plain_text(200, "metrics reset\n");
    }
    Response response = plain_text(405, "GET shows the metrics, DELETE resets them\n");
    response.headers.emplace_back("Allow", "GET, HEAD, DELETE");
    return response;
  };
}

void Pages::add_settings_pages() {
  if (settings_.configuration)
    pages_["/configz"] = [this](const Request&) {
      return json_text("{\"kubeproxy.config.k8s.io\":" + settings_.configuration() + "}");
    };
  if (settings_.flagz) pages_["/flagz"] = [this](const Request& request) { return flagz(request); };
  if (settings_.statusz)
    pages_["/statusz"] = [this](const Request& request) { return statusz(request); };
}

Response Pages::flagz(const Request& request) const {
  auto flags = settings_.flags;
  std::sort(flags.begin(), flags.end());
  StructuredPage page{"Flagz", std::string("\nkube-proxy flagz\n") + kForPeople + '\n', {}};
  for (const auto& [name, value] : flags) page.text += name + '=' + value + '\n';
  page.fields.emplace_back("flags", std::move(flags));
  return negotiated(request, page);
}

Response Pages::statusz(const Request& request) const {
  const std::int64_t up =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_)
          .count();
  StructuredPage::List paths;
  for (const char* path : {"/configz", "/flagz", "/healthz", "/metrics", "/proxyMode"})
    if (pages_.contains(path)) paths.emplace_back(path);

  StructuredPage page{"Statusz", std::string("\nkube-proxy statusz\n") + kForPeople + '\n', {}};
  char uptime[64];
  std::snprintf(uptime, sizeof uptime, "%lld hr %02d min %02d sec",
                static_cast<long long>(up / 3600), static_cast<int>(up / 60 % 60),
                static_cast<int>(up % 60));
  page.text += "Started: " + unix_date(started_wall_) + "\nUp: " + uptime +
               "\nGo version: " + settings_.toolchain +
               "\nBinary version: " + settings_.binary_version +
               "\nEmulation version: " + settings_.emulation_version + "\nPaths:";
  for (const std::string& path : paths) page.text += ' ' + path;
  page.text += '\n';
  page.fields = {{"startTime", rfc3339(std::chrono::floor<std::chrono::seconds>(started_wall_))},
                 {"uptimeSeconds", up},
                 {"goVersion", settings_.toolchain},
                 {"binaryVersion", settings_.binary_version},
                 {"emulationVersion", settings_.emulation_version},
                 {"paths", std::move(paths)}};
  return negotiated(request, page);
}

}  // namespace kproxy::serve
