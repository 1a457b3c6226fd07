// What is written to the kernel's files at start: SYS-01 to SYS-07, BEYOND-27, OPS-06, DS-01.
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <sstream>

#include "runtime/kernel/sysctls.h"
#include "tests/runtime/network_namespace.h"

namespace kproxy::tests {
namespace {

namespace fs = std::filesystem;
using kernel::ConntrackSettings;

// A file system of a few files: "name=text", separated by blanks.
class Root {
 public:
  explicit Root(const std::string& files = "") {
    char name[] = "/tmp/kproxy-root-XXXXXX";
    BOOST_REQUIRE(mkdtemp(name) != nullptr);
    path = name;
    std::istringstream words(files);
    for (std::string word; words >> word;)
      put(word.substr(0, word.find('=')), word.substr(word.find('=') + 1));
  }
  ~Root() { fs::remove_all(path); }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;

  static std::string full(const std::string& name) {
    return name == "hashsize"  ? "sys/module/nf_conntrack/parameters/hashsize"
           : name == "online"  ? "sys/devices/system/cpu/online"
           : name == "oom"     ? "proc/self/oom_score_adj"
           : name == "inet6"   ? "proc/net/if_inet6"
           : name == "disable" ? "proc/sys/net/ipv6/conf/all/disable_ipv6"
                               : "proc/sys/net/netfilter/nf_conntrack_" + name;
  }
  void put(const std::string& name, const std::string& text) const {
    fs::create_directories((path / full(name)).parent_path());
    std::ofstream(path / full(name)) << text << '\n';
  }
  std::string get(const std::string& name) const {
    std::ifstream file(path / full(name));
    std::string text;
    std::getline(file, text);
    return text;
  }

  fs::path path;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel_sysctls)

BOOST_AUTO_TEST_CASE(limits) {
  struct Case {
    const char* clauses;
    std::int64_t max_per_core, min;
    unsigned cpus;
    std::int64_t limit;
  };
  for (const Case& c : {Case{"SYS-01 few CPUs", 32768, 131072, 4, 131072},
                        {"SYS-01 one CPU", 32768, 131072, 1, 131072},
                        {"SYS-01", 32768, 131072, 8, 262144},
                        {"SYS-01 many CPUs", 32768, 131072, 64, 1048576},
                        {"SYS-01 just as many", 32768, 131072, 32, 1048576},
                        {"SYS-01 nothing wanted", 0, 131072, 8, 0},
                        {"SYS-01 no least", 1000, 0, 3, 3000},
                        {"SYS-01 a large number", 1'000'000'000'000'000'000, 0, 100, 1048576},
                        {"BEYOND-27 min wins", 32768, 2000000, 64, 2000000}}) {
    ConntrackSettings settings;
    settings.max_per_core = c.max_per_core;
    settings.min = c.min;
    BOOST_TEST(conntrack_max(settings, c.cpus) == c.limit, c.clauses);
  }
}

BOOST_AUTO_TEST_CASE(cpus) {
  struct Case {
    const char* online;
    unsigned cpus;
  };
  for (const Case& c : {Case{"0", 1}, {"0-3", 4}, {"0-3,6,8-9", 7}, {"0,2", 2}})
    BOOST_TEST(kernel::count_cpus(Root(std::string("online=") + c.online).path) == c.cpus,
               c.online);
  BOOST_TEST(kernel::count_cpus(Root().path) >= 1u);  // SYS-02: the process's view
  BOOST_TEST(kernel::count_cpus(Root("online=x").path) >= 1u);
}

BOOST_AUTO_TEST_CASE(writes) {
  constexpr const char* kTimeouts =
      " tcp_timeout_established=432000 tcp_timeout_close_wait=60 udp_timeout=30 "
      "udp_timeout_stream=120 tcp_be_liberal=0 online=0-7";
  const auto usual = [&] { return std::string("max=65536 hashsize=1024") + kTimeouts; };
  struct Case {
    const char* clauses;
    std::function<void(ConntrackSettings&)> change;
    std::map<std::string, std::string> expected;
  };
  const Case cases[] = {
      {"SYS-01 SYS-03 SYS-04 defaults",
       [](ConntrackSettings&) {},
       {{"max", "262144"},
        {"hashsize", "65536"},
        {"tcp_timeout_established", "86400"},
        {"tcp_timeout_close_wait", "3600"},
        {"udp_timeout", "30"},
        {"udp_timeout_stream", "120"},
        {"tcp_be_liberal", "0"}}},
      {"SYS-01 untouched",
       [](ConntrackSettings& s) { s.max_per_core = 0; },
       {{"max", "65536"}, {"hashsize", "1024"}, {"tcp_timeout_established", "86400"}}},
      {"SYS-04 UDP, liberal",
       [](ConntrackSettings& s) {
         s.udp_timeout = std::chrono::seconds(10);
         s.udp_stream_timeout = std::chrono::seconds(200);
         s.tcp_be_liberal = true;
       },
       {{"udp_timeout", "10"}, {"udp_timeout_stream", "200"}, {"tcp_be_liberal", "1"}}},
      {"SYS-04 nothing wanted",
       [](ConntrackSettings& s) {
         s.tcp_established_timeout = s.tcp_close_wait_timeout = std::chrono::seconds(0);
       },
       {{"tcp_timeout_established", "432000"}, {"tcp_timeout_close_wait", "60"}}},
  };
  for (const Case& c : cases) {
    const Root root(usual());
    ConntrackSettings settings;
    c.change(settings);
    for (const Error& error : kernel::set_conntrack(settings, root.path))
      BOOST_ERROR(c.clauses << ": " << error.message());
    for (const auto& [name, value] : c.expected)
      BOOST_TEST(root.get(name) == value, c.clauses << ": " << name << " is " << root.get(name));
  }
  const Root root("hashsize=1000000 max=1" + std::string(kTimeouts));
  BOOST_TEST(kernel::set_conntrack({}, root.path).empty());
  BOOST_TEST(root.get("hashsize") == "1000000", "SYS-03: larger is left");
}

// SYS-05, BEYOND-27: each failure is told; the others are set. What is right is not written.
BOOST_AUTO_TEST_CASE(failures) {
  const Root root("max=65536 tcp_timeout_close_wait=3600 online=0-7");
  fs::create_directories(root.path / Root::full("tcp_timeout_established"));
  const Errors errors = kernel::set_conntrack({}, root.path);
  BOOST_TEST(errors.size() == 2u);
  BOOST_TEST(errors.at(0).where.ends_with("hashsize"));
  BOOST_TEST(errors.at(1).where.ends_with("tcp_timeout_established"));
  BOOST_TEST(root.get("max") == "262144");

  const Root prepared(
      "max=262144 hashsize=65536 tcp_timeout_established=86400 "
      "tcp_timeout_close_wait=3600 online=0-7");
  const auto times = [&] {
    std::map<std::string, fs::file_time_type> times;
    for (const char* name :
         {"max", "hashsize", "tcp_timeout_established", "tcp_timeout_close_wait"}) {
      fs::last_write_time(prepared.path / Root::full(name), fs::file_time_type());
      times[name] = fs::last_write_time(prepared.path / Root::full(name));
    }
    return times;
  };
  const auto before = times();
  BOOST_TEST(kernel::set_conntrack({}, prepared.path).empty());
  for (const auto& [name, time] : before)
    BOOST_TEST((fs::last_write_time(prepared.path / Root::full(name)) == time), name);
}

BOOST_AUTO_TEST_CASE(oom_score_and_ipv6) {
  const Root root("oom=0");
  BOOST_TEST(kernel::set_oom_score_adj(-999, root.path).ok());
  BOOST_TEST(root.get("oom") == "-999");
  BOOST_TEST(!kernel::set_oom_score_adj(-999, Root().path).ok());

  BOOST_TEST(!kernel::has_ipv6(Root().path));
  BOOST_TEST(kernel::has_ipv6(Root("inet6=x disable=0").path));
  BOOST_TEST(!kernel::has_ipv6(Root("inet6=x disable=1").path));
  BOOST_TEST(kernel::has_ipv6(Root("inet6=x").path));
}

// The kernel's own files, in a network namespace of its own (E2E-40); SYS-07: and no others.
BOOST_AUTO_TEST_CASE(in_the_kernel) {
  NetworkNamespace name_space;
  const auto all = [] {
    std::map<std::string, std::string> values;
    for (const auto& entry : fs::recursive_directory_iterator("/proc/sys/net")) {
      const std::string name = entry.path().string();
      // Counters and statistics.
      if (!entry.is_regular_file() || name.ends_with("_count") || name.ends_with("/stat")) continue;
      std::ifstream file(entry.path());
      std::getline(file, values[name]);
    }
    return values;
  };
  ConntrackSettings settings;
  settings.max_per_core = 0;  // of the whole machine
  settings.udp_timeout = std::chrono::seconds(17);
  settings.udp_stream_timeout = std::chrono::seconds(171);
  settings.tcp_be_liberal = true;
  auto before = all();
  for (const Error& error : kernel::set_conntrack(settings)) BOOST_ERROR(error.message());
  const auto after = all();
  const std::string prefix = "/proc/sys/net/netfilter/nf_conntrack_";
  before[prefix + "tcp_timeout_established"] = "86400";
  before[prefix + "tcp_timeout_close_wait"] = "3600";
  before[prefix + "udp_timeout"] = "17";
  before[prefix + "udp_timeout_stream"] = "171";
  before[prefix + "tcp_be_liberal"] = "1";
  for (const auto& [name, value] : before) BOOST_TEST(after.at(name) == value, name);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
