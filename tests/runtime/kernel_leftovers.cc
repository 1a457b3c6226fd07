// What kube-proxy's other modes leave is removed, and nothing else: OPS-31 to OPS-33, OPS-35.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/kernel/kube_chains.h"
#include "runtime/kernel/kube_proxy_tables.h"
#include "runtime/kernel/leftovers.h"
#include "runtime/kernel/legacy_tables.h"
#include "tests/runtime/folder.h"
#include "tests/runtime/network_namespace.h"
#include "tests/runtime/nft.h"

namespace kproxy::tests {
namespace {

bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

std::string output(const std::string& command) {
  FILE* pipe = popen((command + " 2>/dev/null").c_str(), "r");
  BOOST_REQUIRE(pipe != nullptr);
  std::string text;
  char piece[4096];
  while (const std::size_t size = fread(piece, 1, sizeof piece, pipe)) text.append(piece, size);
  pclose(pipe);
  return text;
}

void restore(const std::string& program, const std::string& text) {
  FILE* pipe = popen((program + "-restore --counters").c_str(), "w");
  BOOST_REQUIRE(pipe != nullptr);
  fwrite(text.data(), 1, text.size(), pipe);
  BOOST_REQUIRE_MESSAGE(pclose(pipe) == 0, program << " does not take the test's rules");
}

// The tables' chains and rules, without comments and counters.
std::string saved(const std::string& program, const std::string& options = "") {
  std::istringstream all(output(program + "-save " + options));
  std::string text;
  for (std::string line; std::getline(all, line);)
    if (line[0] != '#') text += (line[0] == ':' ? line.substr(0, line.find(" [")) : line) + "\n";
  return text;
}

// One line a chain or rule; a '*' before it: kube-proxy's, and to go. {A} to {C} are addresses.
constexpr const char* kTables = R"(
 *mangle
 :PREROUTING ACCEPT [0:0]
 :INPUT ACCEPT [0:0]
 :FORWARD ACCEPT [0:0]
 :OUTPUT ACCEPT [0:0]
 :POSTROUTING ACCEPT [0:0]
 :KUBE-IPTABLES-HINT - [0:0]
 :KUBE-KUBELET-CANARY - [0:0]
*:KUBE-PROXY-CANARY - [0:0]
 -A PREROUTING -p tcp -m tcp --dport 7 -j MARK --set-xmark 0x1/0xffffffff
 COMMIT
 *filter
 :INPUT ACCEPT [0:0]
 :FORWARD DROP [0:0]
 :OUTPUT ACCEPT [0:0]
*:KUBE-EXTERNAL-SERVICES - [0:0]
 :KUBE-FIREWALL - [0:0]
*:KUBE-FORWARD - [0:0]
 :KUBE-KUBELET-CANARY - [0:0]
*:KUBE-NODEPORTS - [0:0]
*:KUBE-PROXY-CANARY - [0:0]
*:KUBE-PROXY-FIREWALL - [0:0]
*:KUBE-SERVICES - [0:0]
 :OTHER - [0:0]
 :OTHER-2 - [0:0]
*-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
*-A INPUT -m comment --comment "kubernetes health check service ports" -j KUBE-NODEPORTS
*-A INPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes externally-visible service portals" -j KUBE-EXTERNAL-SERVICES
 -A INPUT -j KUBE-FIREWALL
 -A INPUT -i lo -j ACCEPT
*-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes load balancer firewall" -j KUBE-PROXY-FIREWALL
*-A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
*-A FORWARD -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
 -A FORWARD -p tcp -m tcp --dport 80 -g OTHER
 -A FORWARD -p udp -m limit --limit 10/sec -j OTHER-2
*-A OUTPUT -m conntrack --ctstate NEW -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
 -A OUTPUT -j KUBE-FIREWALL
 -A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
*-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
*-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
*-A KUBE-SERVICES -d {A} -p tcp -m comment --comment "shop/empty has no endpoints" -m tcp --dport 80 -j REJECT
 -A OTHER -j OTHER-2
 -A OTHER -j ACCEPT
 -A OTHER-2 -j RETURN
 COMMIT
 *nat
 :PREROUTING ACCEPT [0:0]
 :INPUT ACCEPT [0:0]
 :OUTPUT ACCEPT [0:0]
 :POSTROUTING ACCEPT [0:0]
 :CNI-HOSTPORT-DNAT - [0:0]
*:KUBE-EXT-ABCDEF - [0:0]
*:KUBE-FW-ABCDEF - [0:0]
 :KUBE-KUBELET-CANARY - [0:0]
 :KUBE-MARK-DROP - [0:0]
*:KUBE-MARK-MASQ - [0:0]
*:KUBE-NODEPORTS - [0:0]
*:KUBE-POSTROUTING - [0:0]
*:KUBE-PROXY-CANARY - [0:0]
*:KUBE-SEP-AAAAAA - [0:0]
*:KUBE-SEP-BBBBBB - [0:0]
*:KUBE-SERVICES - [0:0]
*:KUBE-SVC-ABCDEF - [0:0]
*:KUBE-SVL-ABCDEF - [0:0]
*-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
 -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT-DNAT
*-A OUTPUT -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
*-A POSTROUTING -m comment --comment "kubernetes postrouting rules" -j KUBE-POSTROUTING
 -A POSTROUTING -s {C} -j MASQUERADE
 -A CNI-HOSTPORT-DNAT -p tcp -m tcp --dport 8080 -j DNAT --to-destination {B}
*-A KUBE-EXT-ABCDEF -j KUBE-MARK-MASQ
*-A KUBE-EXT-ABCDEF -j KUBE-SVC-ABCDEF
*-A KUBE-FW-ABCDEF -j KUBE-EXT-ABCDEF
 -A KUBE-MARK-DROP -j MARK --set-xmark 0x8000/0x8000
*-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
*-A KUBE-NODEPORTS -p tcp -m tcp --dport 30080 -j KUBE-EXT-ABCDEF
*-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
*-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
*-A KUBE-POSTROUTING -j MASQUERADE --random-fully
*-A KUBE-SEP-AAAAAA -s {B} -j KUBE-MARK-MASQ
*-A KUBE-SEP-AAAAAA -p tcp -m tcp -j DNAT --to-destination {B}
*-A KUBE-SEP-BBBBBB -p tcp -m tcp -j DNAT --to-destination {C}
*-A KUBE-SERVICES -d {A} -p tcp -m comment --comment "shop/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-ABCDEF
*-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS
*-A KUBE-SVC-ABCDEF -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-AAAAAA
*-A KUBE-SVC-ABCDEF -j KUBE-SEP-BBBBBB
*-A KUBE-SVL-ABCDEF -j KUBE-SEP-AAAAAA
 COMMIT
)";

// With kube-proxy's lines, or without.
std::string tables(bool ipv6, bool with) {
  std::istringstream lines(kTables);
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || (line[0] == '*' && !with)) continue;
    line.erase(0, 1);
    for (const auto& [name, address] : {std::pair{"{A}", ipv6 ? "fd00::1" : "10.96.0.1"},
                                        {"{B}", ipv6 ? "fd01::1" : "10.244.0.1"},
                                        {"{C}", ipv6 ? "fd01::2" : "10.244.0.2"}})
      if (const auto at = line.find(name); at != std::string::npos) line.replace(at, 3, address);
    text += line + "\n";
  }
  return text;
}

// What a program makes of these rules, in its own words.
std::string as_saved_by(const std::string& program, const std::string& text) {
  NetworkNamespace name_space;
  restore(program, text);
  return saved(program);
}

void check_removed() {
  for (const Error& error : kernel::remove_leftovers()) BOOST_ERROR(error.message());
}

// Whether the kernel can do what the command does in a namespace of its own; says so if not. That
// the program is there is the test's to see to.
bool kernel_knows(const std::string& what, const std::string& command) {
  const std::string program = command.substr(0, command.find(' '));
  BOOST_REQUIRE_MESSAGE(run(program + " --version"), "there is no " << program);
  if (run("unshare --net " + command)) return true;
  std::cout << "NOT TESTED: this kernel knows no " << what << '\n';
  return false;
}
bool has_legacy() {
  static const bool has = kernel_knows("legacy tables of iptables", "iptables-legacy -t nat -S");
  return has;
}
bool has_ipset() {
  static const bool has = kernel_knows("ipsets", "ipset list");
  return has;
}
// The programs whose tables this kernel can hold.
std::vector<std::string> back_ends() {
  std::vector<std::string> programs{"iptables-nft"};
  if (has_legacy()) programs.push_back("iptables-legacy");
  return programs;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel_leftovers)

BOOST_AUTO_TEST_CASE(names_of_chains) {
  for (const char* name : {"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-SVC-ABC", "KUBE-FW-ABC",
                           "KUBE-POSTROUTING", "KUBE-NODE-PORT", "KUBE-PROXY-CANARY"})
    BOOST_TEST(kernel::is_kube_proxy_chain(name), name);
  for (const char* name : {"KUBE-KUBELET-CANARY", "KUBE-FIREWALL", "KUBE-IPTABLES-HINT", "KUBE-",
                           "KUBE-MARK-DROP", "KUBE-ROUTER-INPUT", "CNI-KUBE-SVC-ABC", "INPUT", ""})
    BOOST_TEST(!kernel::is_kube_proxy_chain(name), name);
}

BOOST_AUTO_TEST_CASE(nft_back_end) {
  for (const bool ipv6 : {false, true}) {
    const std::string program = ipv6 ? "ip6tables-nft" : "iptables-nft";
    const std::string expected = as_saved_by(program, tables(ipv6, false));
    NetworkNamespace name_space;
    restore(program, tables(ipv6, true));
    BOOST_TEST(saved(program) != expected);
    check_removed();
    BOOST_TEST(saved(program) == expected);
    check_removed();  // again: nothing to do
    BOOST_TEST(saved(program) == expected);
  }
}

BOOST_AUTO_TEST_CASE(legacy_back_end) {
  if (!has_legacy()) return;
  for (const bool ipv6 : {false, true}) {
    const std::string program = ipv6 ? "ip6tables-legacy" : "iptables-legacy";
    const std::string expected = as_saved_by(program, tables(ipv6, false));
    NetworkNamespace name_space;
    restore(program, tables(ipv6, true));
    BOOST_TEST(saved(program) != expected);
    check_removed();
    BOOST_TEST(saved(program) == expected);
    check_removed();
    BOOST_TEST(saved(program) == expected);
  }
}

BOOST_AUTO_TEST_CASE(legacy_lock_held_by_another) {  // OPS-01
  NetworkNamespace name_space;
  const Folder root;
  std::filesystem::create_directories(root.at("proc/net"));
  std::filesystem::create_directories(root.at("run"));
  for (const char* names : {"ip_tables_names", "ip6_tables_names"})
    root.write(std::string("proc/net/") + names, "filter\nnat\nmangle\n");
  root.write("run/xtables.lock", "");
  const int other = open(root.at("run/xtables.lock").c_str(), O_RDONLY | O_CLOEXEC);
  BOOST_REQUIRE(flock(other, LOCK_EX) == 0);
  const auto began = std::chrono::steady_clock::now();
  (void)kernel::remove_legacy_chains(root.path());  // of tables that may not exist here
  const auto took = std::chrono::steady_clock::now() - began;
  close(other);
  BOOST_TEST((took > std::chrono::seconds(4) && took < std::chrono::seconds(9)));
}

BOOST_AUTO_TEST_CASE(legacy_counters_stay) {
  if (!has_legacy()) return;
  NetworkNamespace name_space;
  restore("iptables-legacy",
          "*filter\n:INPUT ACCEPT [5:500]\n:KUBE-FORWARD - [0:0]\n:KUBE-FIREWALL - [0:0]\n"
          "[1:10] -A INPUT -j KUBE-FORWARD\n[2:20] -A INPUT -j KUBE-FIREWALL\n"
          "[3:30] -A KUBE-FIREWALL -s 10.0.0.1 -j DROP\nCOMMIT\n");
  check_removed();
  const std::string counted = output("iptables-legacy-save --counters -t filter");
  for (const char* line : {":INPUT ACCEPT [5:500]", "[2:20] -A INPUT -j KUBE-FIREWALL",
                           "[3:30] -A KUBE-FIREWALL -s 10.0.0.1/32 -j DROP"})
    BOOST_TEST(counted.find(line) != std::string::npos, line << " is not in\n" << counted);
}

// Rules of others that jump to kube-proxy's chains keep them there, empty: as a mark, hostPort
// plugins may be told to use KUBE-MARK-MASQ.
BOOST_AUTO_TEST_CASE(chains_that_others_use) {
  for (const std::string& program : back_ends()) {
    NetworkNamespace name_space;
    restore(program,
            "*nat\n:POSTROUTING ACCEPT [0:0]\n:CNI-SETMARK - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n"
            ":KUBE-SVC-A - [0:0]\n-A POSTROUTING -j CNI-SETMARK\n-A CNI-SETMARK -j KUBE-MARK-MASQ\n"
            "-A KUBE-SVC-A -j KUBE-MARK-MASQ\n-A KUBE-MARK-MASQ -j MARK --set-mark 1\nCOMMIT\n");
    check_removed();
    BOOST_TEST(saved(program, "-t nat").find("KUBE-SVC-A") == std::string::npos);
    BOOST_TEST(output(program + " -t nat -S KUBE-MARK-MASQ") == "-N KUBE-MARK-MASQ\n");
    BOOST_TEST(output(program + " -t nat -S CNI-SETMARK") ==
               "-N CNI-SETMARK\n-A CNI-SETMARK -j KUBE-MARK-MASQ\n");
  }
}

BOOST_AUTO_TEST_CASE(nothing_left) {
  NetworkNamespace name_space;
  nft("add table inet other; add chain inet other KUBE-SERVICES");
  const std::string before = nft("list ruleset");
  check_removed();
  BOOST_TEST(kernel::remove_kube_proxy_tables().ok());
  BOOST_TEST(nft("list ruleset") == before);
  // No legacy table was made by looking.
  std::ifstream names("/proc/net/ip_tables_names");
  std::string name;
  BOOST_TEST(!std::getline(names, name));
}

BOOST_AUTO_TEST_CASE(tables_of_mode_nftables) {
  NetworkNamespace name_space;
  nft("add table ip kube-proxy; add chain ip kube-proxy services { type nat hook prerouting "
      "priority -100; }; add table ip6 kube-proxy; add table ip other; add table inet kube-proxy");
  BOOST_TEST(kernel::remove_kube_proxy_tables().ok());
  BOOST_TEST(nft("list tables") == "table ip other\ntable inet kube-proxy\n");
  BOOST_TEST(kernel::remove_kube_proxy_tables().ok());
}

// Not to know is not to find none.
BOOST_AUTO_TEST_CASE(tables_that_the_kernel_does_not_tell_of) {
  // Fails so many times to receive.
  class Failing : public apply::Transport {
   public:
    explicit Failing(int times) : times_(times) {}
    int send(std::span<const std::uint8_t> datagram) override { return socket_->send(datagram); }
    ssize_t receive(std::span<std::uint8_t> buffer) override {
      const ssize_t size = socket_->receive(buffer);
      return times_-- > 0 ? -ENOBUFS : size;
    }
    int reopen() override { return socket_->reopen(); }
    std::uint32_t port_id() const override { return socket_->port_id(); }

   private:
    std::unique_ptr<apply::NetlinkSocket> socket_ = apply::NetlinkSocket::open().value();
    int times_;
  };
  NetworkNamespace name_space;
  nft("add table ip kube-proxy; add table ip6 kube-proxy");
  for (const int times : {0, 1, 2}) {
    Failing failing(times);
    apply::Conversation conversation(failing);
    const auto tables = kernel::kube_proxy_tables(conversation);
    BOOST_TEST((tables && tables->size() == 2u), times << " failures");
  }
  Failing failing(100);
  apply::Conversation conversation(failing);
  const auto tables = kernel::kube_proxy_tables(conversation);
  BOOST_REQUIRE(!tables);
  BOOST_TEST(tables.error().message() ==
             "table kube-proxy: cannot tell whether it is there: No buffer space available");
}

// The interface by its name; sets that rules of kube-proxy's chains referred to until then.
BOOST_AUTO_TEST_CASE(mode_ipvs) {
  if (!has_ipset()) return;
  for (const std::string& program : back_ends()) {
    NetworkNamespace name_space;
    BOOST_REQUIRE(
        run("ip link add kube-ipvs0 type bridge && ip address add 10.96.0.1/32 dev kube-ipvs0"));
    BOOST_REQUIRE(run("ip link add kube-bridge type bridge"));
    BOOST_REQUIRE(
        run("ipset create KUBE-CLUSTER-IP hash:ip,port && ipset create OTHER hash:ip && "
            "ipset create KUBE-6-LOOP-BACK hash:ip,port,ip family inet6"));
    restore(program,
            "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n:KUBE-LOAD-BALANCER - [0:0]\n"
            "-A PREROUTING -j KUBE-SERVICES\n-A KUBE-SERVICES -m set --match-set KUBE-CLUSTER-IP "
            "dst,dst -j ACCEPT\nCOMMIT\n");
    check_removed();
    BOOST_TEST(output("ipset list -n") == "OTHER\n");
    BOOST_TEST(!run("ip link show kube-ipvs0"));
    BOOST_TEST(run("ip link show kube-bridge"));
    BOOST_TEST(output(program + " -t nat -S").find("KUBE") == std::string::npos);
  }
}

// Somebody's rule refers to a set of kube-proxy's: told, and all else goes.
BOOST_AUTO_TEST_CASE(a_set_in_use) {
  if (!has_ipset()) return;
  NetworkNamespace name_space;
  BOOST_REQUIRE(run("ipset create KUBE-CLUSTER-IP hash:ip,port && ipset create KUBE-B hash:ip"));
  restore("iptables-nft",
          "*nat\n:OUTPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A OUTPUT -j KUBE-SERVICES\n"
          "-A OUTPUT -m set --match-set KUBE-CLUSTER-IP dst,dst -j ACCEPT\nCOMMIT\n");
  const Errors errors = kernel::remove_leftovers();
  BOOST_TEST(errors.size() == 1u);
  BOOST_TEST(errors.front().where == "ipset KUBE-CLUSTER-IP");
  BOOST_TEST(output("ipset list -n") == "KUBE-CLUSTER-IP\n");
}

// As many chains as a node with thousands of Services has.
BOOST_AUTO_TEST_CASE(many_chains) {
  for (const std::string& program : back_ends()) {
    constexpr int kServices = 3000;
    std::string text = "*nat\n:OUTPUT ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n";
    std::string rules = "-A OUTPUT -j KUBE-SERVICES\n-A OUTPUT -d 10.0.0.1/32 -j ACCEPT\n";
    for (int i = 0; i < kServices; ++i) {
      const std::string n = std::to_string(i);
      text += ":KUBE-SVC-" + n + " - [0:0]\n:KUBE-SEP-" + n + " - [0:0]\n";
      rules += "-A KUBE-SERVICES -p tcp --dport " + std::to_string(i + 1) + " -j KUBE-SVC-" + n +
               "\n-A KUBE-SVC-" + n + " -j KUBE-SEP-" + n + "\n-A KUBE-SEP-" + n +
               " -p tcp -j DNAT --to-destination 10.1.0.1:80\n";
    }
    NetworkNamespace name_space;
    restore(program, text + rules + "COMMIT\n");
    const auto began = std::chrono::steady_clock::now();
    check_removed();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    BOOST_TEST_MESSAGE(program << ": " << 2 * kServices + 1 << " chains removed in " << took.count()
                               << " ms");
    BOOST_TEST(output(program + " -t nat -S OUTPUT") ==
               "-P OUTPUT ACCEPT\n-A OUTPUT -d 10.0.0.1/32 -j ACCEPT\n");
    BOOST_TEST(output(program + " -t nat -S").find("KUBE") == std::string::npos);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
