// bench_apply --services N --endpoints M: kproxy's own path, from objects in memory to rules in the
// kernel, in a network namespace of its own: first load, verify, restart, single changes; time and
// memory of each. With --record FILE it writes what it would load for bench_floor instead, with
// --text FILE the same as nft text. See run.py.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <map>

#include "compiler/ruleset/render.h"
#include "compiler/ruleset/tracker.h"
#include "compiler/snapshot/string_pool.h"
#include "runtime/apply/engine.h"
#include "tests/bench/measure.h"
#include "tests/bench/recording.h"

namespace {

using namespace kproxy;
using namespace kproxy::bench;

struct Flags {
  std::uint32_t services = 1000;
  std::uint32_t endpoints = 5;
  std::uint32_t nodes = 100;
  int changes = 200;
  bool load_only = false;
  std::string record, text;
};

// Objects by number, as a decoder would give them: names and addresses are used once, endpoints are
// dealt to the nodes in turn. The last Service has one endpoint less than the others, so that there
// is a chain for that many.
class Cluster {
 public:
  explicit Cluster(const Flags& flags) : flags_(flags) {}

  void fill(snapshot::Snapshot& snapshot) {
    snapshot::Node node;
    node.name.name = node_name(0);
    node.zone = "zone-a";
    node.addresses = {Address::ipv4(0xac10000a)};
    node.pod_cidrs = {*Cidr::parse("100.64.0.0/24")};
    snapshot.put(std::move(node));
    snapshot.put(snapshot::ServiceCidr{{"", "kubernetes"}, {*Cidr::parse("10.96.0.0/12")}});
    for (std::uint32_t i = 0; i < flags_.services; ++i) {
      snapshot.put(service(i));
      snapshot.put(slice(i, usual_endpoints(i)));
    }
  }

  std::uint32_t usual_endpoints(std::uint32_t i) const {
    return flags_.endpoints > 1 && i + 1 == flags_.services ? flags_.endpoints - 1
                                                            : flags_.endpoints;
  }

  static snapshot::ObjectName name(std::uint32_t i) {
    return {"namespace-" + std::to_string(i % 100), "service-" + std::to_string(i)};
  }

  snapshot::Service service(std::uint32_t i) const {
    snapshot::Service service;
    service.name = name(i);
    service.created = 1700000000 + i;
    service.cluster_ips[0] = Address::ipv4(0x0a600001 + i);
    service.ports.push_back({"http", Protocol::tcp, Port{80}, Port{0}});
    return service;
  }

  snapshot::EndpointSlice slice(std::uint32_t i, std::uint32_t endpoints) {
    snapshot::EndpointSlice slice;
    slice.name = name(i);
    slice.service = slice.name.name;
    slice.name.name += "-abcde";
    slice.family = Family::ipv4;
    slice.ports.push_back({"http", Protocol::tcp, Port{8080}});
    slice.endpoints.reserve(endpoints);
    for (std::uint32_t j = 0; j < endpoints; ++j) {
      const std::uint32_t pod = i * flags_.endpoints + j;
      snapshot::Endpoint endpoint;
      endpoint.address = Address::ipv4(0x64400000 + 2 * pod);
      // The last one, which changes, is never this node's: that would change a hairpin pair too.
      endpoint.node = pool_.intern(node_name(j + 1 == flags_.endpoints ? 1 : pod % flags_.nodes));
      slice.endpoints.push_back(std::move(endpoint));
    }
    return slice;
  }

  // The same with another last endpoint, which keeps its place among them.
  snapshot::EndpointSlice with_other_endpoint(std::uint32_t i) {
    snapshot::EndpointSlice other = slice(i, usual_endpoints(i));
    auto bytes = other.endpoints.back().address.bytes();
    bytes.back() |= 1;
    other.endpoints.back().address = Address(bytes);
    return other;
  }

 private:
  static std::string node_name(std::uint32_t i) { return "worker-" + std::to_string(i); }

  const Flags& flags_;
  snapshot::StringPool pool_;
};

template <typename T>
T require(Result<T> result) {
  if (!result) {
    std::cerr << result.error().message() << std::endl;
    std::exit(1);
  }
  return std::move(*result);
}

// Passes datagrams on and notes the messages in them.
class Recorder : public apply::Transport {
 public:
  Recorder(apply::Transport& kernel, Recording& recording)
      : kernel_(kernel), recording_(recording) {}

  int send(std::span<const std::uint8_t> datagram) override {
    for (auto rest = datagram; rest.size() >= kHeaders;) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof header);
      if (header.nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES && (header.nlmsg_flags & NLM_F_DUMP) == 0)
        note(header, rest[NLMSG_HDRLEN], rest.subspan(kHeaders, header.nlmsg_len - kHeaders));
      rest = rest.subspan(std::min<std::size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
    }
    return kernel_.send(datagram);
  }
  ssize_t receive(std::span<std::uint8_t> buffer) override { return kernel_.receive(buffer); }
  int reopen() override { return kernel_.reopen(); }
  std::uint32_t port_id() const override { return kernel_.port_id(); }

 private:
  static constexpr std::size_t kHeaders = NLMSG_HDRLEN + sizeof(nfgenmsg);

  void note(const nlmsghdr& header, std::uint8_t family, apply::Bytes attributes) {
    const std::uint8_t type = header.nlmsg_type & 0xff;
    if (type == NFT_MSG_GETTABLE || type == NFT_MSG_GETGEN) return;  // questions
    const auto set = apply::find(attributes, NFTA_SET_ELEM_LIST_SET);
    if (type != NFT_MSG_NEWSETELEM || is_interval(set->string())) {
      Message message{header.nlmsg_type, header.nlmsg_flags, family, {}};
      message.flags &= static_cast<std::uint16_t>(~(NLM_F_REQUEST | NLM_F_ACK));
      message.attributes.assign(attributes.begin(), attributes.end());
      recording_.steps.emplace_back(std::move(message));
      return;
    }
    auto* elements =
        recording_.steps.empty() ? nullptr : std::get_if<Elements>(&recording_.steps.back());
    if (elements == nullptr || elements->set != set->string())
      elements = &std::get<Elements>(
          recording_.steps.emplace_back(Elements{std::string(set->string()), {}}));
    const auto list = apply::find(attributes, NFTA_SET_ELEM_LIST_ELEMENTS);
    apply::AttributeReader reader(list->value);
    while (const auto element = reader.next()) elements->elements.push_back(one(element->value));
  }

  static bool is_interval(std::string_view set) {
    return set.starts_with("service-cidrs") || set.starts_with("pod-cidrs") ||
           set.starts_with("node-port-addresses") || set.starts_with("source-ranges");
  }

  Elements::One one(apply::Bytes attributes) {
    Elements::One one{};
    const auto key =
        apply::find(apply::find(attributes, NFTA_SET_ELEM_KEY)->value, NFTA_DATA_VALUE);
    one.key_size = static_cast<std::uint8_t>(key->value.size());
    std::memcpy(one.key, key->value.data(), key->value.size());
    const auto data = apply::find(attributes, NFTA_SET_ELEM_DATA);
    if (!data) return one;
    if (const auto value = apply::find(data->value, NFTA_DATA_VALUE)) {
      one.data_size = static_cast<std::uint8_t>(value->value.size());
      std::memcpy(one.data, value->value.data(), value->value.size());
    } else if (const auto verdict = apply::find(data->value, NFTA_DATA_VERDICT)) {
      one.verdict =
          static_cast<std::int32_t>(apply::find(verdict->value, NFTA_VERDICT_CODE)->be32());
      if (const auto chain = apply::find(verdict->value, NFTA_VERDICT_CHAIN)) {
        const auto [known, added] = chains_.try_emplace(
            std::string(chain->string()), static_cast<std::uint16_t>(recording_.chains.size()));
        if (added) recording_.chains.push_back(known->first);
        one.chain = known->second;
      }
    }
    return one;
  }

  apply::Transport& kernel_;
  Recording& recording_;
  std::map<std::string, std::uint16_t> chains_;
};

// The daemon without its event loop.
class Proxy {
 public:
  Proxy(const options::Options& options, apply::Transport& transport)
      : tracker_(options), transport_(transport) {}

  snapshot::Snapshot& snapshot() { return snapshot_; }
  const ruleset::Ruleset& ruleset() const { return tracker_.ruleset(); }

  void compile() {
    Errors warnings;
    require(tracker_.update(snapshot_, warnings));
  }
  // As after a start; also what a restart does.
  apply::Applied reconcile() {
    engine_.emplace(transport_, tracker_.ruleset().owners());
    tracker_.ruleset().skip_change();
    return require(engine_->reconcile([this] { return desired(); }));
  }
  apply::Applied change(snapshot::Object object) {
    snapshot_.put(std::move(object));
    compile();
    return require(engine_->apply(tracker_.ruleset().take_change(), [this] { return desired(); }));
  }
  apply::Differences verify() {
    return require(engine_->verify([this] { return desired(); }));
  }

 private:
  apply::Desired desired() const {
    return {tracker_.ruleset().structure(), tracker_.ruleset().elements()};
  }

  snapshot::Snapshot snapshot_;
  ruleset::Tracker tracker_;
  apply::Transport& transport_;
  std::optional<apply::Engine> engine_;
};

void expect(bool good, const std::string& what) {
  if (good) return;
  std::cerr << what << std::endl;
  std::exit(1);
}

// Each change is undone before the next one; `there` and `back` are given the Service's number.
template <typename There, typename Back>
void measure_changes(const std::string& name, Proxy& proxy, std::uint32_t services, int count,
                     std::size_t elements, There there, Back back) {
  std::vector<Span> spans;
  std::vector<double> commits;  // of which the kernel has all but a little, wall time
  for (int i = 0; i < count; ++i) {
    const auto service = static_cast<std::uint32_t>(std::uint64_t(i) * 7919 % services);
    snapshot::Object object = there(service);
    const Stopwatch watch;
    const apply::Applied applied = proxy.change(std::move(object));
    spans.push_back(watch.read());
    commits.push_back(std::chrono::duration<double, std::milli>(applied.commit).count());
    expect(applied.transactions == 1 && applied.inserted + applied.erased == elements,
           name + ": " + std::to_string(applied.inserted + applied.erased) + " elements sent in " +
               std::to_string(applied.transactions) + " transactions");
    proxy.change(back(service));
  }
  report(name, spans);
  std::sort(commits.begin(), commits.end());
  report(name + ".commit_ms", commits[commits.size() / 2]);
}

void run(const Flags& flags, const options::Options& options, apply::Transport& transport) {
  Cluster cluster(flags);
  Proxy proxy(options, transport);
  cluster.fill(proxy.snapshot());
  if (!flags.text.empty()) {
    proxy.compile();
    std::ofstream file(flags.text, std::ios::binary);
    ruleset::render(proxy.ruleset(), [&](std::string_view text) { file << text; });
    expect(file.flush().good(), flags.text + " cannot be written");
    return;
  }
  report("memory.objects", memory("VmRSS"));

  forget_peak();
  {
    const Stopwatch watch;
    proxy.compile();
    report("compile", watch.read());
    const apply::Applied applied = proxy.reconcile();
    report("first_load", watch.read());
    report("elements", static_cast<double>(applied.inserted));
    report("transactions", static_cast<double>(applied.transactions));
    report("commit.wall_ms", std::chrono::duration<double, std::milli>(applied.commit).count());
  }
  report("memory.peak", memory("VmHWM"));
  report("memory.loaded", memory("VmRSS"));
  if (flags.load_only || !flags.record.empty()) return;

  const auto size = flags.services - 1;
  const auto usual = [&](std::uint32_t i) { return cluster.slice(i, cluster.usual_endpoints(i)); };
  measure_changes(
      "endpoint_change", proxy, size, flags.changes, 2,
      [&](std::uint32_t i) { return cluster.with_other_endpoint(i); }, usual);
  if (flags.endpoints > 1)  // the endpoint's element goes, the verdict is erased and inserted
    measure_changes(
        "verdict_change", proxy, size, std::max(flags.changes / 10, 10), 3,
        [&](std::uint32_t i) { return cluster.slice(i, flags.endpoints - 1); }, usual);

  forget_peak();
  const double before = memory("VmRSS");
  {
    const Stopwatch watch;
    const apply::Differences differences = proxy.verify();
    report("verify", watch.read());
    expect(differences.none(), "verify: the kernel has something else");
  }
  report("memory.verify", memory("VmHWM") - before);
  {
    const Stopwatch watch;
    const apply::Applied applied = proxy.reconcile();
    report("restart", watch.read());
    report("restart.sent", static_cast<double>(applied.inserted + applied.erased));
    report("restart.transactions", static_cast<double>(applied.transactions));
  }
  report("memory.at_end", memory("VmRSS"));
}

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Measures the apply engine in a network namespace of its own");
  app.add_option("--services", flags.services, "how many Services")->check(CLI::Range(2, 1000000));
  app.add_option("--endpoints", flags.endpoints, "of each Service")->check(CLI::Range(1, 10000));
  app.add_option("--changes", flags.changes, "how often each change is made")
      ->check(CLI::PositiveNumber);
  app.add_flag("--load-only", flags.load_only, "end after the first load");
  app.add_option("--record", flags.record, "write what is loaded for bench_floor, and end");
  app.add_option("--text", flags.text, "write what would be loaded as nft text, and end");
  CLI11_PARSE(app, argc, argv);
  if (!enter_network_namespace()) return 1;

  options::Options options;
  options.node = "worker-0";
  options.cluster_cidrs = {*Cidr::parse("100.64.0.0/10")};
  const auto socket = require(apply::NetlinkSocket::open());
  if (flags.record.empty()) {
    run(flags, options, *socket);
  } else {
    Recording recording;
    Recorder recorder(*socket, recording);
    run(flags, options, recorder);
    expect(transfer(flags.record.c_str(), recording, true), flags.record + " cannot be written");
  }
  return 0;
}
