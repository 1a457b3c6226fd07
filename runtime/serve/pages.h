// The pages of the metrics server: /metrics and /metrics/slis, /proxyMode, /healthz (of this
// server, not of the proxy), /configz, /flagz, /statusz and, where profiling is on, /debug/.
//
// Made from settings that do not change, the metrics, and functions that say what may change. Paths
// are exact. Used by the thread that serves alone.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/serve/debug_pages.h"
#include "runtime/serve/http_response.h"
#include "runtime/serve/proxy_metrics.h"

namespace kproxy::serve {

struct PageSettings {
  std::function<std::string()> configuration;              // as JSON; Servers gives it
  std::vector<std::pair<std::string, std::string>> flags;  // names without dashes, and values
  std::string binary_version;                              // "1.36.2"
  std::string emulation_version;                           // "1.36"
  std::string toolchain;                                   // in the place of Go's version
  bool flagz = true;
  bool statusz = true;
  bool profiling = false;                  // /debug/
  std::function<void(int)> set_verbosity;  // with profiling; may be left out
};

class Pages {
 public:
  // metrics must outlive this.
  Pages(PageSettings settings, ProxyMetrics& metrics);
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  Response answer(const Request& request) const;

 private:
  void add_health_pages();
  void add_metrics_pages();
  void add_settings_pages();

  Response flagz(const Request& request) const;
  Response statusz(const Request& request) const;

  const PageSettings settings_;
  ProxyMetrics& metrics_;
  const std::chrono::system_clock::time_point started_wall_;
  const std::chrono::steady_clock::time_point started_;
  PageMap pages_;
};

}  // namespace kproxy::serve
