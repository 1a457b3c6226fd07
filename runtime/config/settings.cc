#include "runtime/config/settings.h"

#include <algorithm>
#include <array>
#include <limits>

#include "compiler/options/duration.h"
#include "compiler/options/number.h"

namespace kproxy::config {
namespace {

using options::text_of;
using std::chrono::nanoseconds;

constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();

struct IntegerRange {
  std::string_view field;
  std::int64_t lowest, highest;
};
constexpr IntegerRange kIntegers[] = {
    {"clientConnection.burst", 0, kMaxInt32},
    {"conntrack.maxPerCore", 0, kMaxInt32},
    {"conntrack.min", 0, kMaxInt32},
    {"logging.verbosity", 0, kMaxInt32},
    {"oomScoreAdj", -1000, 1000},
};

enum class Sign : std::uint8_t { positive, not_negative };
struct DurationRange {
  std::string_view field;
  Sign sign;
};
constexpr DurationRange kDurations[] = {
    {"configSyncPeriod", Sign::positive},
    {"conntrack.tcpCloseWaitTimeout", Sign::not_negative},
    {"conntrack.tcpEstablishedTimeout", Sign::not_negative},
    {"conntrack.udpStreamTimeout", Sign::not_negative},
    {"conntrack.udpTimeout", Sign::not_negative},
    {"nftables.minSyncPeriod", Sign::not_negative},
    {"nftables.syncPeriod", Sign::positive},
};

// What kube-proxy 1.36 lets hidden metrics be shown for.
constexpr std::string_view kPreviousMinor = "1.35";

constexpr double kDefaultQps = 5;
constexpr std::int64_t kDefaultBurst = 10;

std::string quoted(std::string_view text) {
  return '"' + std::string(text) + '"';
}

// "64Ki", "1M", "0". Nothing where it is no size.
std::optional<double> parse_size(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 14> kUnits{{
      {"Ki", 0x1p10},
      {"Mi", 0x1p20},
      {"Gi", 0x1p30},
      {"Ti", 0x1p40},
      {"Pi", 0x1p50},
      {"Ei", 0x1p60},
      {"k", 1e3},
      {"M", 1e6},
      {"G", 1e9},
      {"T", 1e12},
      {"P", 1e15},
      {"E", 1e18},
      {"m", 1e-3},
      {"", 1},
  }};
  for (const auto& [unit, factor] : kUnits) {
    if (!text.ends_with(unit)) continue;
    const auto number = options::parse_number(text.substr(0, text.size() - unit.size()));
    if (number) return *number * factor;
  }
  return std::nullopt;
}

// One check a member function; each knows its field's name.
class Judge {
 public:
  Judge(const options::Values& values, const options::Where& where, Errors& errors)
      : values_(values), where_(where), errors_(errors) {}

  Settings judge() {
    for (const IntegerRange& range : kIntegers) check(range);
    for (const DurationRange& range : kDurations) check(range);
    Settings settings;
    sync_periods(settings);
    settings.healthz = listen("healthzBindAddress");
    settings.metrics = listen("metricsBindAddress");
    settings.bind_address_hard_fail = boolean("bindAddressHardFail");
    settings.profiling = boolean("enableProfiling");
    settings.show_hidden_metrics = hidden_metrics();
    settings.oom_score_adj = static_cast<int>(integer("oomScoreAdj"));
    settings.conntrack = conntrack();
    settings.client = client();
    settings.gates = gates();
    settings.logging = logging(settings.gates);
    return settings;
  }

 private:
  void error(std::string_view field, std::string what, std::string hint = {}) {
    errors_.push_back({where_(field), std::move(what), std::move(hint)});
  }

  const std::string& text(std::string_view field) const { return text_of(values_, field); }
  bool boolean(std::string_view field) const { return text(field) == "true"; }
  std::int64_t integer(std::string_view field) const {
    return options::parse_integer(text(field)).value_or(0);
  }
  nanoseconds duration(std::string_view field) const {
    return options::parse_duration(text(field)).value_or(nanoseconds(0));
  }

  void check(const IntegerRange& range) {
    const std::int64_t value = integer(range.field);
    if (value < range.lowest || value > range.highest)
      error(range.field, "is " + text(range.field) + ", not within " +
                             std::to_string(range.lowest) + ".." + std::to_string(range.highest));
  }

  void check(const DurationRange& range) {
    const nanoseconds value = duration(range.field);
    if (value < nanoseconds(0) || (value == nanoseconds(0) && range.sign == Sign::positive))
      error(range.field, "is " + text(range.field) +
                             (range.sign == Sign::positive ? ", not above zero" : ", below zero"));
  }

  void sync_periods(Settings& settings) {
    settings.sync_period = duration("nftables.syncPeriod");
    settings.min_sync_period = duration("nftables.minSyncPeriod");
    settings.config_sync_period = duration("configSyncPeriod");
    if (settings.min_sync_period > settings.sync_period)
      error("nftables.minSyncPeriod", "is " + text("nftables.minSyncPeriod") +
                                          ", longer than nftables.syncPeriod, " +
                                          text("nftables.syncPeriod"));
  }

  std::optional<Listen> listen(std::string_view field) {
    const std::string& address = text(field);
    if (address == kSwitchedOff) return std::nullopt;
    const auto listen = parse_listen(address);
    if (!listen)
      error(field, "is " + quoted(address) + ", not an IP address and a port within 1..65535",
            "like 127.0.0.1:10249 or [::1]:10249; none switches the server off");
    return listen;
  }

  bool hidden_metrics() {
    const std::string& version = text("showHiddenMetricsForVersion");
    if (!version.empty() && version != kPreviousMinor)
      error("showHiddenMetricsForVersion", "is " + quoted(version) + ", not the previous release",
            "only " + std::string(kPreviousMinor) + " can be given");
    return !version.empty();
  }

  Conntrack conntrack() const {
    const auto seconds = [this](std::string_view field) {
      return std::chrono::duration_cast<std::chrono::seconds>(duration(field));
    };
    Conntrack conntrack;
    conntrack.max_per_core = integer("conntrack.maxPerCore");
    conntrack.min = integer("conntrack.min");
    conntrack.tcp_established_timeout = seconds("conntrack.tcpEstablishedTimeout");
    conntrack.tcp_close_wait_timeout = seconds("conntrack.tcpCloseWaitTimeout");
    conntrack.udp_timeout = seconds("conntrack.udpTimeout");
    conntrack.udp_stream_timeout = seconds("conntrack.udpStreamTimeout");
    conntrack.tcp_be_liberal = boolean("conntrack.tcpBeLiberal");
    return conntrack;
  }

  ClientConnection client() const {
    ClientConnection client;
    client.kubeconfig = text("clientConnection.kubeconfig");
    client.content_type = text("clientConnection.contentType");
    client.accept_content_types = text("clientConnection.acceptContentTypes");
    // Zero is the default's, also as a flag.
    client.qps = options::parse_number(text("clientConnection.qps")).value_or(0);
    if (client.qps == 0) client.qps = kDefaultQps;
    client.burst = integer("clientConnection.burst");
    if (client.burst == 0) client.burst = kDefaultBurst;
    return client;
  }

  // What is wrong with gates has been said by options::check().
  options::Gates gates() const {
    Errors said;
    return options::judge_gates(options::settings_of(values_).feature_gates, where_, said);
  }

  Logging logging(const options::Gates& gates) {
    const auto on = [&gates](std::string_view gate) { return gates.find(gate)->second.on; };
    Logging logging;
    const std::string& format = text("logging.format");
    logging.json = format == "json";
    logging.verbosity = static_cast<int>(integer("logging.verbosity"));
    if (format != "text" && format != "json")
      error("logging.format", "is " + quoted(format) + ", not a format", "text or json");
    if (logging.json && !on("LoggingBetaOptions"))
      error("logging.format", "is json, which the feature gate LoggingBetaOptions must allow");
    logging.vmodule = vmodule(logging.json);
    logging.flush_frequency = flush_frequency();
    for (const std::string_view stream : {"text", "json"})
      stream_options(stream, on("LoggingAlphaOptions"));
    logging.split_stream = boolean(logging.json ? "logging.options.json.splitStream"
                                                : "logging.options.text.splitStream");
    return logging;
  }

  std::string vmodule(bool json) {
    std::string joined;
    const auto& items = values_.find("logging.vmodule")->second;
    for (std::size_t i = 0; i < items.size(); ++i) {
      const std::size_t equals = std::min(items[i].rfind('='), items[i].size());
      const std::string pattern = items[i].substr(0, equals);
      const auto level = options::parse_integer(
          std::string_view(items[i]).substr(std::min(equals + 1, items[i].size())));
      if (pattern.empty() || pattern.find_first_of("=,") != std::string::npos || !level ||
          *level < 0 || *level > kMaxInt32)
        error("logging.vmodule[" + std::to_string(i) + "]",
              "is " + quoted(items[i]) + ", not a file's name and a verbosity", "like daemon=4");
      if (!joined.empty()) joined += ',';
      joined += items[i];
    }
    if (json && !items.empty())
      error("logging.vmodule", "works with the text format only", "leave it out");
    return joined;
  }

  nanoseconds flush_frequency() {
    const std::string& frequency = text("logging.flushFrequency");
    if (const auto count = options::parse_integer(frequency)) return nanoseconds(*count);
    const auto period = options::parse_duration(frequency);
    if (!period)
      error("logging.flushFrequency", "is " + quoted(frequency) + ", not a duration", "like 5s");
    return period.value_or(nanoseconds(0));
  }

  void stream_options(std::string_view stream, bool allowed) {
    const std::string prefix = "logging.options." + std::string(stream) + '.';
    const std::string split = prefix + "splitStream", buffer = prefix + "infoBufferSize";
    const auto size = parse_size(text(buffer));
    if (!size || *size < 0)
      error(buffer, "is " + quoted(text(buffer)) + ", not a size", "like 64Ki");
    if (allowed) return;
    const std::string_view gate = "needs the feature gate LoggingAlphaOptions";
    if (boolean(split)) error(split, std::string(gate));
    if (size && *size > 0) error(buffer, std::string(gate));
  }

  const options::Values& values_;
  const options::Where& where_;
  Errors& errors_;
};

}  // namespace

std::optional<Listen> parse_listen(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) return std::nullopt;
  const auto address = Address::parse(host);
  const auto port = options::parse_integer(text.substr(colon + 1));
  if (!address || !port || *port < 1 || *port > 65535) return std::nullopt;
  return Listen{*address, Port{static_cast<std::uint16_t>(*port)}};
}

Settings judge(const options::Values& values, const options::Where& where, Errors& errors) {
  return Judge(values, where, errors).judge();
}

}  // namespace kproxy::config
