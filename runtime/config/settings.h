// What the operator decides about the daemon: all of a KubeProxyConfiguration that does not change
// the ruleset (that part is options::Options), judged, with every default filled in.
//
// One judge for a file and for flags: both become options::Values, the text of each field by its
// path. A plain value, compared field by field where a changed file is looked at; any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/options/fields.h"
#include "compiler/options/gates.h"
#include "compiler/options/settings.h"
#include "compiler/types/address.h"
#include "compiler/types/error.h"

namespace kproxy::config {

// Where a server listens.
struct Listen {
  Address address;
  Port port;
  bool operator==(const Listen&) const = default;
};

// "127.0.0.1:10249", "[::1]:10249". Nothing where the address or the port is none.
std::optional<Listen> parse_listen(std::string_view text);

// In place of an address: the server is switched off.
inline constexpr std::string_view kSwitchedOff = "none";

// Kernel settings of connection tracking, in whole seconds; zero leaves the kernel's value alone.
struct Conntrack {
  std::int64_t max_per_core = 0;
  std::int64_t min = 0;  // not looked at where max_per_core is 0
  std::chrono::seconds tcp_established_timeout{};
  std::chrono::seconds tcp_close_wait_timeout{};
  std::chrono::seconds udp_timeout{};
  std::chrono::seconds udp_stream_timeout{};
  bool tcp_be_liberal = false;
  bool operator==(const Conntrack&) const = default;
};

// The connection to the API server. Neither kubeconfig nor master: that of the Pod this runs in.
struct ClientConnection {
  std::string kubeconfig;  // path
  std::string master;      // URL; before the kubeconfig's
  std::string content_type;
  std::string accept_content_types;  // empty: content_type, then JSON
  double qps = 0;                    // requests a second; negative: without limit
  std::int64_t burst = 0;
  bool operator==(const ClientConnection&) const = default;
};

struct Logging {
  bool json = false;
  int verbosity = 0;
  std::string vmodule;        // "pattern=N,..."
  bool split_stream = false;  // information to stdout instead of stderr
  std::chrono::nanoseconds flush_frequency{};
  bool operator==(const Logging&) const = default;
};

struct Settings {
  std::chrono::nanoseconds sync_period{};
  std::chrono::nanoseconds min_sync_period{};
  std::chrono::nanoseconds config_sync_period{};
  std::optional<Listen> healthz;  // none: switched off
  std::optional<Listen> metrics;  // none: switched off
  bool bind_address_hard_fail = false;
  bool profiling = false;
  bool show_hidden_metrics = false;
  int oom_score_adj = 0;
  Conntrack conntrack;
  ClientConnection client;
  Logging logging;
  options::Gates gates;  // by name: every gate that has an effect
  bool operator==(const Settings&) const = default;
};

// The settings that these values mean, which hold every field (see effective()). All that is wrong
// is added to `errors`, by field; then the settings must not be used.
Settings judge(const options::Values& values, const options::Where& where, Errors& errors);

}  // namespace kproxy::config
