// kproxy's servers as a whole: every path of both, as clients see them.
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "runtime/serve/servers.h"
#include "tests/runtime/serve_fixture.h"

namespace kproxy::serve {
namespace {

using namespace std::chrono_literals;
using namespace tests;

const ListenAddress kHealthAddress = at("127.0.0.1:10256");
const ListenAddress kMetricsAddress = at("127.0.0.1:10249");

struct Fixture {
  LoopbackNamespace network;
  log::Log log{-1, 0};
  Health health{60s};
  ProxyMetrics metrics;
  std::atomic<int> verbosity{0};
  std::atomic<int> failures{0};
  Servers servers{log, health, metrics, "node-1", [this](const auto&) { ++failures; }};

  Settings settings() {
    servers.set_configuration(R"({"kind":"KubeProxyConfiguration"})");
    Settings settings;
    settings.health = kHealthAddress;
    settings.metrics = kMetricsAddress;
    settings.pages.flags = {{"v", "2"}, {"bind-address", "0.0.0.0"}, {"cluster-cidr", ""}};
    settings.pages.binary_version = "1.36.2";
    settings.pages.emulation_version = "1.36";
    settings.pages.toolchain = "g++ 12";
    settings.pages.profiling = true;
    settings.pages.set_verbosity = [this](int level) { verbosity = level; };
    return settings;
  }
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

BOOST_FIXTURE_TEST_SUITE(serve_pages, Fixture)

// HC-01, HC-02, HC-13
BOOST_AUTO_TEST_CASE(proxy_health) {
  BOOST_TEST(servers.start(settings())->empty());
  const struct {
    const char* method;
    const char* target;
    int status;
  } kTable[] = {
      {"GET", "/healthz", 503},   {"GET", "/livez", 200},      {"POST", "/livez?x", 200},
      {"DELETE", "/livez", 200},  {"HEAD", "/livez", 200},     {"GET", "/", 404},
      {"GET", "/healthz/", 404},  {"GET", "/livez/ping", 404}, {"GET", "/metrics", 404},
      {"GET", "/proxyMode", 404},
  };
  for (const auto& one : kTable) {
    const std::string response = fetch(kHealthAddress, one.method, one.target);
    BOOST_TEST(status_of(response) == one.status, one.method << ' ' << one.target);
    if (one.status == 404) continue;
    BOOST_TEST(has(response, "Content-Type: application/json\r\n"));
    BOOST_TEST(has(response, "X-Content-Type-Options: nosniff\r\n"));
  }
  health.set_node_eligible(true);
  const std::string body = body_of(get(kHealthAddress, "/healthz"));
  BOOST_TEST(body.starts_with("{\"lastUpdated\":\""));
  BOOST_TEST(body.ends_with("\"nodeEligible\":true,\"healthy\":true}"));
  const std::string page = get(kMetricsAddress, "/metrics");
  BOOST_TEST(has(page, "\nkubeproxy_proxy_healthz_total{code=\"200\"} 1\n"));
  BOOST_TEST(has(page, "\nkubeproxy_proxy_healthz_total{code=\"503\"} 1\n"));
  BOOST_TEST(has(page, "\nkubeproxy_proxy_livez_total{code=\"200\"} 4\n"));
}

// HC-40..HC-43, HC-45, HC-49, E2E-42
BOOST_AUTO_TEST_CASE(every_page) {
  BOOST_TEST(servers.start(settings())->empty());
  const struct {
    const char* target;
    int status;
    const char* type;
    const char* body;  // or what it begins with, if it ends in ...
  } kTable[] = {
      {"/proxyMode", 200, "text/plain; charset=utf-8", "nftables"},
      {"/healthz", 200, "text/plain; charset=utf-8", "ok"},
      {"/healthz?verbose", 200, "text/plain; charset=utf-8", "[+]ping ok\nhealthz check passed\n"},
      {"/healthz/ping", 200, "text/plain; charset=utf-8", "ok"},
      {"/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", "# HELP kproxy_..."},
      {"/configz", 200, "application/json",
       R"({"kubeproxy.config.k8s.io":{"kind":"KubeProxyConfiguration"}})"},
      {"/debug/pprof/", 200, "text/plain; charset=utf-8", "/debug/pprof/..."},
      {"/debug/pprof/heap", 200, "text/plain; charset=utf-8", "<malloc version=..."},
      {"/debug/pprof/maps", 200, "text/plain; charset=utf-8", "..."},
      {"/debug/pprof/threads", 200, "text/plain; charset=utf-8", "..."},
      {"/debug/pprof/cmdline", 200, "text/plain; charset=utf-8", "..."},
      {"/debug/pprof/profile", 501, "text/plain; charset=utf-8", "..."},
      {"/debug/pprof/goroutine", 404, "text/plain; charset=utf-8", "..."},
      {"/", 404, "text/plain; charset=utf-8", "..."},
      {"/livez", 404, "text/plain; charset=utf-8", "..."},
      {"/healthz/", 404, "text/plain; charset=utf-8", "..."},
      {"/metrics/", 404, "text/plain; charset=utf-8", "..."},
      {"/proxymode", 404, "text/plain; charset=utf-8", "..."},
  };
  for (const auto& one : kTable) {
    BOOST_TEST_CONTEXT(one.target) {
      const std::string response = get(kMetricsAddress, one.target);
      BOOST_TEST(status_of(response) == one.status);
      BOOST_TEST(has(response, "Content-Type: " + std::string(one.type) + "\r\n"));
      std::string body = one.body;
      if (body.ends_with("...")) {
        body.resize(body.size() - 3);
        BOOST_TEST(body_of(response).starts_with(body));
        BOOST_TEST(!body_of(response).empty());
      } else {
        BOOST_TEST(body_of(response) == body);
      }
    }
  }
  BOOST_TEST(has(fetch(kMetricsAddress, "GET", "/metrics", "Accept-Encoding: gzip\r\n"),
                 "Content-Encoding: gzip\r\n"));
}

// HC-44
BOOST_AUTO_TEST_CASE(service_level_indicators) {
  BOOST_TEST(servers.start(settings())->empty());
  const std::string kCount =
      "kubernetes_healthchecks_total{name=\"ping\",status=\"success\",type=\"healthz\"} ";
  const std::string kLatest = "kubernetes_healthcheck{name=\"ping\",type=\"healthz\"} 1\n";
  get(kMetricsAddress, "/healthz");
  get(kMetricsAddress, "/healthz/ping");
  std::string page = get(kMetricsAddress, "/metrics/slis");
  BOOST_TEST(has(page, kCount + "2\n"));
  BOOST_TEST(has(page, kLatest));
  BOOST_TEST(has(page, "\nprocess_start_time_seconds "));
  BOOST_TEST(status_of(fetch(kMetricsAddress, "DELETE", "/metrics/slis")) == 200);
  page = get(kMetricsAddress, "/metrics/slis");
  BOOST_TEST(!has(page, kCount + "2\n"));
  BOOST_TEST(!has(page, kLatest));
  const std::string refused = fetch(kMetricsAddress, "PUT", "/metrics/slis");
  BOOST_TEST(status_of(refused) == 405);
  BOOST_TEST(has(refused, "Allow: GET, HEAD, DELETE\r\n"));
}

// HC-46..HC-48
BOOST_AUTO_TEST_CASE(content_negotiation) {
  BOOST_TEST(servers.start(settings())->empty());
  const std::string kFlagz = ";g=config.k8s.io;v=v1beta1;as=Flagz";
  const std::string kFlagzText = "\nkube-proxy flagz\n";
  const struct {
    std::string page;
    std::string accept;
    int status;
    const char* type;
    std::string part;
  } kTable[] = {
      {"/flagz", "", 200, "text/plain", kFlagzText},
      {"/flagz", "*/*", 200, "text/plain", kFlagzText},
      {"/flagz", "text/plain", 200, "text/plain", "\nbind-address=0.0.0.0\ncluster-cidr=\nv=2\n"},
      {"/flagz", "text/html, text/plain;q=0.5", 200, "text/plain", kFlagzText},
      {"/flagz", "application/json", 406, "text/plain", ""},
      {"/flagz", "text/html", 406, "text/plain", ""},
      {"/flagz", "application/json" + kFlagz, 200, "application/json",
       R"({"kind":"Flagz","apiVersion":"config.k8s.io/v1beta1","metadata":{"name":"kube-proxy"},)"
       R"("flags":{"bind-address":"0.0.0.0","cluster-cidr":"","v":"2"}})"},
      {"/flagz", "application/yaml" + kFlagz, 200, "application/yaml",
       "kind: \"Flagz\"\napiVersion: \"config.k8s.io/v1beta1\"\nmetadata:\n  \"name\": "
       "\"kube-proxy\"\nflags:\n  \"bind-address\": \"0.0.0.0\"\n"},
      {"/flagz", "application/cbor" + kFlagz + ", application/json" + kFlagz + ";q=0.1", 200,
       "application/json", "{"},
      {"/flagz", "application/json;g=config.k8s.io;v=v1;as=Flagz", 406, "text/plain", ""},
      {"/flagz", "application/json;g=other;v=v1beta1;as=Flagz", 406, "text/plain", ""},
      {"/flagz", "application/json;g=config.k8s.io;v=v1beta1;as=Statusz", 406, "text/plain", ""},
      {"/flagz", "application/json;g=config.k8s.io;v=v1alpha1;as=Flagz", 200, "application/json",
       "\"apiVersion\":\"config.k8s.io/v1alpha1\""},
      {"/statusz", "", 200, "text/plain",
       "\nGo version: g++ 12\nBinary version: 1.36.2\nEmulation version: 1.36\n"
       "Paths: /configz /flagz /healthz /metrics /proxyMode\n"},
      {"/statusz", "", 200, "text/plain", "\nUp: 0 hr 00 min 0"},
      {"/statusz", "", 200, "text/plain", "\nStarted: "},
      {"/statusz", "application/json;g=config.k8s.io;v=v1beta1;as=Statusz", 200, "application/json",
       R"("goVersion":"g++ 12","binaryVersion":"1.36.2","emulationVersion":"1.36",)"
       R"("paths":["/configz","/flagz","/healthz","/metrics","/proxyMode"]})"},
      {"/statusz", "application/yaml;g=config.k8s.io;v=v1beta1;as=Statusz", 200, "application/yaml",
       "paths:\n- \"/configz\"\n"},
  };
  for (const auto& one : kTable) {
    BOOST_TEST_CONTEXT(one.page << " Accept: " << one.accept) {
      const std::string header = one.accept.empty() ? "" : "Accept: " + one.accept + "\r\n";
      const std::string response = fetch(kMetricsAddress, "GET", one.page, header);
      BOOST_TEST(status_of(response) == one.status);
      BOOST_TEST(has(response, "\r\nContent-Type: " + std::string(one.type)));
      BOOST_TEST(has(body_of(response), one.part), response);
      BOOST_TEST(has(response, "\r\nWarning: 299 ") == has(one.accept, "v1alpha1"));
    }
  }
  BOOST_TEST(has(get(kMetricsAddress, "/flagz"), "not machine parseable"));
}

// HC-49
BOOST_AUTO_TEST_CASE(verbosity_is_put) {
  BOOST_TEST(servers.start(settings())->empty());
  const struct {
    const char* method;
    const char* body;
    int status;
    int verbosity;
  } kTable[] = {
      {"PUT", "4", 200, 4}, {"PUT", "0\n", 200, 0}, {"PUT", "", 400, 0},
      {"PUT", "x", 400, 0}, {"PUT", "4x", 400, 0},  {"PUT", "99999999999", 400, 0},
      {"GET", "", 406, 0},  {"POST", "5", 406, 0},
  };
  for (const auto& one : kTable) {
    const std::string response = fetch(kMetricsAddress, one.method, "/debug/flags/v", "", one.body);
    BOOST_TEST(status_of(response) == one.status, one.method << ' ' << one.body);
    BOOST_TEST(verbosity == one.verbosity);
  }
}

BOOST_AUTO_TEST_CASE(what_is_off) {
  Settings off = settings();
  off.pages.profiling = false;
  off.pages.flagz = false;
  off.pages.statusz = false;
  BOOST_TEST(servers.start(off)->empty());
  for (const char* target :
       {"/debug/pprof/", "/debug/pprof/heap", "/debug/flags/v", "/flagz", "/statusz"})
    BOOST_TEST(status_of(get(kMetricsAddress, target)) == 404, target);
  BOOST_TEST(status_of(fetch(kMetricsAddress, "PUT", "/debug/flags/v", "", "4")) == 404);
}

// HC-12, BEYOND-15, BEYOND-16
BOOST_AUTO_TEST_CASE(servers_can_be_left_out) {
  Settings none = settings();
  none.health.reset();
  none.metrics.reset();
  BOOST_TEST(servers.start(none)->empty());
  servers.want_health_ports({{"shop", "web", Port{30000}, {1, std::nullopt}}}, {});
  BOOST_TEST(becomes([] { return status_of(get(at("127.0.0.1:30000"), "/")) == 200; }));
  BOOST_TEST(!Client(kHealthAddress).connected());
  BOOST_TEST(!Client(kMetricsAddress).connected());
  servers.want_health_ports({}, {});
  BOOST_TEST(becomes([] { return !Client(at("127.0.0.1:30000")).connected(); }));
}

// BEYOND-16
BOOST_AUTO_TEST_CASE(one_address_for_both) {
  Settings shared = settings();
  shared.health = shared.metrics = at("[::]:10256");
  BOOST_TEST(servers.start(shared)->empty());
  BOOST_TEST(has(get(kHealthAddress, "/healthz"), "\"nodeEligible\":false"));
  BOOST_TEST(has(get(kHealthAddress, "/livez"), "\"healthy\":true"));
  BOOST_TEST(body_of(get(at("[::1]:10256"), "/proxyMode")) == "nftables");
  BOOST_TEST(status_of(get(kHealthAddress, "/metrics")) == 200);
}

// HC-11, HC-50
BOOST_AUTO_TEST_CASE(addresses_that_are_taken) {
  auto squatter = HttpServer::create();
  const auto first = (*squatter)->listen(kHealthAddress, {});
  const auto second = (*squatter)->listen(kMetricsAddress, {});
  BOOST_REQUIRE((first.ok() && second.ok()));
  Settings impatient = settings();
  impatient.retry_after = 50ms;
  const auto failures = servers.start(impatient).value();
  BOOST_REQUIRE(failures.size() == 2);
  BOOST_TEST(failures[0].reason == "FailedToStartProxierHealthcheck");
  BOOST_TEST(failures[0].note ==
             "failed to listen for health on 127.0.0.1:10256: cannot listen: Address already in "
             "use");
  BOOST_TEST(failures[1].reason == "FailedToStartMetricServer");
  (*squatter)->close(*first);
  (*squatter)->close(*second);
  BOOST_TEST(becomes([] { return status_of(get(kHealthAddress, "/livez")) == 200; }));
  BOOST_TEST(becomes([] { return status_of(get(kMetricsAddress, "/proxyMode")) == 200; }));
}

BOOST_AUTO_TEST_CASE(an_address_that_is_taken_for_good) {
  auto squatter = HttpServer::create();
  const auto taken = (*squatter)->listen(kMetricsAddress, {});
  BOOST_REQUIRE(taken.ok());
  Settings hard = settings();
  hard.retry_after = 10ms;
  hard.hard_fail = true;
  BOOST_TEST(servers.start(hard)->size() == 1u);
  (*squatter)->close(*taken);
  std::this_thread::sleep_for(100ms);
  BOOST_TEST((*squatter)->listen(kMetricsAddress, {}).ok(), "it is not tried again");
}

// HC-27
BOOST_AUTO_TEST_CASE(a_health_port_that_is_taken) {
  BOOST_TEST(servers.start(settings())->empty());
  servers.want_health_ports({{"shop", "web", Port{10249}, {1, std::nullopt}}}, {});
  BOOST_TEST(becomes([this] { return failures == 1; }));
  BOOST_TEST(body_of(get(kMetricsAddress, "/proxyMode")) == "nftables");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::serve
