// generate_cluster: a cluster of any size as `kubectl get
// services,endpointslices,nodes,servicecidrs -A -o json` prints it, on standard output. The same
// flags give the same bytes. Every name and address is used once; Services number i has its
// endpoints on the nodes in turn.
#include <CLI/CLI.hpp>
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace {

// JSON with keys in the order in which they are given (kubectl's is alphabetical), written at once.
class Printer {
 public:
  explicit Printer(int indent) : indent_(indent) {}
  ~Printer() { flush(); }

  Printer& key(std::string_view name) {
    next();
    string(name);
    text_ += indent_ > 0 ? ": " : ":";
    after_key_ = true;
    return *this;
  }
  void value(std::string_view text) {
    next();
    string(text);
  }
  void value(const char* text) { value(std::string_view(text)); }
  void value(std::uint64_t number) {
    next();
    text_ += std::to_string(number);
  }
  void value(bool yes) {
    next();
    text_ += yes ? "true" : "false";
  }
  template <typename Contents>
  void object(const Contents& contents) {
    nest('{', '}', contents);
  }
  template <typename Contents>
  void array(const Contents& contents) {
    nest('[', ']', contents);
  }
  template <typename Value>
  void field(std::string_view name, const Value& of) {
    key(name).value(of);
  }

 private:
  template <typename Contents>
  void nest(char begin, char end, const Contents& contents) {
    next();
    text_ += begin;
    ++depth_;
    first_ = true;
    contents();
    --depth_;
    if (!first_) line();
    text_ += end;
    first_ = false;
    if (text_.size() > 1 << 16) flush();
  }
  void next() {
    if (after_key_) {
      after_key_ = false;
      return;
    }
    if (depth_ == 0) return;
    if (!first_) text_ += ',';
    first_ = false;
    line();
  }
  void line() {
    if (indent_ == 0) return;
    text_ += '\n';
    text_.append(static_cast<std::size_t>(indent_ * depth_), ' ');
  }
  void string(std::string_view text) {
    text_ += '"';
    for (char c : text) {
      if (c == '"' || c == '\\' || c == '\n') text_ += '\\';
      text_ += c == '\n' ? 'n' : c;
    }
    text_ += '"';
  }
  void flush() {
    std::fwrite(text_.data(), 1, text_.size(), stdout);
    text_.clear();
  }

  int indent_;
  int depth_ = 0;
  bool first_ = true;
  bool after_key_ = false;
  std::string text_;
};

struct Flags {
  std::uint64_t services = 100;
  std::uint64_t endpoints = 5;
  std::uint64_t nodes = 10;
  std::string types = "clusterip";
  std::uint64_t seed = 1;
  int indent = 4;
};

enum class Type { cluster_ip, node_port, load_balancer, local, affinity };

class Cluster {
 public:
  Cluster(const Flags& flags, Printer& out) : flags_(flags), out_(out), random_(flags.seed) {
    const std::uint64_t pods_a_node = flags.services * flags.endpoints / flags.nodes + 3;
    while ((std::uint64_t{1} << node_bits_) < pods_a_node) ++node_bits_;
  }

  void print() {
    out_.object([&] {
      out_.field("apiVersion", "v1");
      out_.key("items").array([&] {
        for (std::uint64_t i = 0; i < flags_.services; ++i) service(i);
        for (std::uint64_t i = 0; i < flags_.services; ++i) slice(i);
        for (std::uint64_t i = 0; i < flags_.nodes; ++i) node(i);
        service_cidr();
      });
      out_.field("kind", "List");
      out_.key("metadata").object([&] { out_.field("resourceVersion", ""); });
    });
  }

 private:
  static std::string name(std::uint64_t i) { return "service-" + std::to_string(i); }
  static std::string ns(std::uint64_t i) { return "namespace-" + std::to_string(i % 100); }
  static std::string node_name(std::uint64_t i) { return "worker-" + std::to_string(i); }
  static std::string zone(std::uint64_t i) { return std::string("zone-") + "abc"[i % 3]; }
  static std::string time(std::uint64_t i) {
    char text[32];
    std::snprintf(text, sizeof text, "2026-%02d-%02dT%02d:%02d:%02dZ",
                  static_cast<int>(i / 2419200 % 12 + 1), static_cast<int>(i / 86400 % 28 + 1),
                  static_cast<int>(i / 3600 % 24), static_cast<int>(i / 60 % 60),
                  static_cast<int>(i % 60));
    return text;
  }
  static std::string address(std::uint64_t base, std::uint64_t i) {
    const std::uint64_t a = base + i;
    return std::to_string(a >> 24 & 255) + "." + std::to_string(a >> 16 & 255) + "." +
           std::to_string(a >> 8 & 255) + "." + std::to_string(a & 255);
  }
  static std::string cluster_ip(std::uint64_t i) { return address(0x0a600000, i + 1); }  // 10.96/12
  static constexpr std::uint64_t kPods = 0x64400000;  // from 100.64.0.0 on
  static std::string node_ip(std::uint64_t i) { return address(0xac100000, i + 10); }  // 172.16/12
  static std::string vip(std::uint64_t i) { return address(0xc6120000, i + 1); }  // 198.18.0.0/15

  Type type(std::uint64_t i) const {
    if (flags_.types == "clusterip") return Type::cluster_ip;
    switch (i % 10) {
      case 1:
        return Type::node_port;
      case 4:
        return Type::load_balancer;
      case 6:
        return Type::local;
      case 8:
        return Type::affinity;
      default:
        return Type::cluster_ip;
    }
  }
  // Pods are dealt to the nodes in turn; each node has a range of its own.
  std::string pod_ip(std::uint64_t pod) const {
    return address(kPods + (pod % flags_.nodes << node_bits_), pod / flags_.nodes + 1);
  }

  // There are 32,768 node ports from 20000 on; Services beyond them have none.
  static std::uint64_t node_port(std::uint64_t i) { return i < 32768 ? 20000 + i : 0; }

  // xorshift64*: the same on every machine.
  std::uint64_t random() {
    random_ ^= random_ >> 12;
    random_ ^= random_ << 25;
    random_ ^= random_ >> 27;
    return random_ * 0x2545f4914f6cdd1d;
  }
  std::string suffix(int size) {
    constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
    std::string text;
    while (size-- > 0) text += kLetters[random() % kLetters.size()];
    return text;
  }
  std::string uid() {
    const std::uint64_t a = random(), b = random();
    char text[40];
    std::snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012" PRIx64,
                  static_cast<unsigned>(a >> 32), static_cast<unsigned>(a >> 16 & 0xffff),
                  static_cast<unsigned>(a & 0xfff),
                  static_cast<unsigned>(b >> 48 & 0x3fff) | 0x8000, b & 0xffffffffffff);
    return text;
  }

  void metadata_end(std::uint64_t i) {
    out_.field("resourceVersion", std::to_string(1000 + i));
    out_.field("uid", uid());
  }

  void service(std::uint64_t i) {
    const Type kind = type(i);
    const bool external = kind != Type::cluster_ip && kind != Type::affinity;
    out_.object([&] {
      out_.field("apiVersion", "v1");
      out_.field("kind", "Service");
      out_.key("metadata").object([&] {
        out_.key("annotations").object([&] {
          out_.field("kubectl.kubernetes.io/last-applied-configuration",
                     "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"annotations\":{},"
                     "\"name\":\"" +
                         name(i) + "\",\"namespace\":\"" + ns(i) +
                         "\"},\"spec\":{\"ports\":[{\"name\":\"http\",\"port\":80,\"targetPort\":"
                         "8080}],\"selector\":{\"app.kubernetes.io/name\":\"" +
                         name(i) + "\"}}}\n");
        });
        out_.field("creationTimestamp", time(i));
        out_.key("labels").object([&] { out_.field("app.kubernetes.io/name", name(i)); });
        out_.field("name", name(i));
        out_.field("namespace", ns(i));
        metadata_end(i);
      });
      out_.key("spec").object([&] {
        if (kind == Type::load_balancer) out_.field("allocateLoadBalancerNodePorts", true);
        out_.field("clusterIP", cluster_ip(i));
        out_.key("clusterIPs").array([&] { out_.value(cluster_ip(i)); });
        if (external)
          out_.field("externalTrafficPolicy", kind == Type::local ? "Local" : "Cluster");
        out_.field("internalTrafficPolicy", "Cluster");
        out_.key("ipFamilies").array([&] { out_.value("IPv4"); });
        out_.field("ipFamilyPolicy", "SingleStack");
        out_.key("ports").array([&] {
          out_.object([&] {
            out_.field("name", "http");
            if (external && node_port(i) != 0) out_.field("nodePort", node_port(i));
            out_.field("port", std::uint64_t{80});
            out_.field("protocol", "TCP");
            out_.field("targetPort", std::uint64_t{8080});
          });
        });
        out_.key("selector").object([&] { out_.field("app.kubernetes.io/name", name(i)); });
        out_.field("sessionAffinity", kind == Type::affinity ? "ClientIP" : "None");
        if (kind == Type::affinity) {
          out_.key("sessionAffinityConfig").object([&] {
            out_.key("clientIP").object([&] {
              out_.field("timeoutSeconds", std::uint64_t{10800});
            });
          });
        }
        out_.field("type", kind == Type::load_balancer     ? "LoadBalancer"
                           : external && node_port(i) != 0 ? "NodePort"
                                                           : "ClusterIP");
      });
      out_.key("status").object([&] {
        out_.key("loadBalancer").object([&] {
          if (kind != Type::load_balancer) return;
          out_.key("ingress").array([&] {
            out_.object([&] {
              out_.field("ip", vip(i));
              out_.field("ipMode", "VIP");
            });
          });
        });
      });
    });
  }

  void endpoint(std::uint64_t i, std::uint64_t number) {
    const std::uint64_t pod = i * flags_.endpoints + number;
    const std::uint64_t node = pod % flags_.nodes;
    out_.object([&] {
      out_.key("addresses").array([&] { out_.value(pod_ip(pod)); });
      out_.key("conditions").object([&] {
        out_.field("ready", true);
        out_.field("serving", true);
        out_.field("terminating", false);
      });
      out_.field("nodeName", node_name(node));
      out_.key("targetRef").object([&] {
        out_.field("kind", "Pod");
        out_.field("name", name(i) + "-" + suffix(9) + "-" + suffix(5));
        out_.field("namespace", ns(i));
        out_.field("uid", uid());
      });
      out_.field("zone", zone(node));
    });
  }

  void slice(std::uint64_t i) {
    // The controller puts no more than 100 endpoints in a slice.
    constexpr std::uint64_t kMost = 100;
    std::uint64_t begin = 0;
    do {
      const std::uint64_t end = std::min(begin + kMost, flags_.endpoints);
      out_.object([&] {
        out_.field("addressType", "IPv4");
        out_.field("apiVersion", "discovery.k8s.io/v1");
        out_.key("endpoints").array([&] {
          for (std::uint64_t number = begin; number < end; ++number) endpoint(i, number);
        });
        out_.field("kind", "EndpointSlice");
        out_.key("metadata").object([&] {
          out_.key("annotations").object([&] {
            out_.field("endpoints.kubernetes.io/last-change-trigger-time", time(i));
          });
          out_.field("creationTimestamp", time(i));
          out_.field("generateName", name(i) + "-");
          out_.field("generation", std::uint64_t{1});
          out_.key("labels").object([&] {
            out_.field("app.kubernetes.io/name", name(i));
            out_.field("endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io");
            out_.field("kubernetes.io/service-name", name(i));
          });
          out_.field("name", name(i) + "-" + std::to_string(begin / kMost) + suffix(4));
          out_.field("namespace", ns(i));
          out_.key("ownerReferences").array([&] {
            out_.object([&] {
              out_.field("apiVersion", "v1");
              out_.field("blockOwnerDeletion", true);
              out_.field("controller", true);
              out_.field("kind", "Service");
              out_.field("name", name(i));
              out_.field("uid", uid());
            });
          });
          metadata_end(flags_.services + i);
        });
        out_.key("ports").array([&] {
          out_.object([&] {
            out_.field("name", "http");
            out_.field("port", std::uint64_t{8080});
            out_.field("protocol", "TCP");
          });
        });
      });
      begin = end;
    } while (begin < flags_.endpoints);
  }

  void node(std::uint64_t i) {
    out_.object([&] {
      out_.field("apiVersion", "v1");
      out_.field("kind", "Node");
      out_.key("metadata").object([&] {
        out_.field("creationTimestamp", time(i));
        out_.key("labels").object([&] {
          out_.field("kubernetes.io/hostname", node_name(i));
          out_.field("topology.kubernetes.io/zone", zone(i));
        });
        out_.field("name", node_name(i));
        metadata_end(2 * flags_.services + i);
      });
      out_.key("spec").object([&] {
        const std::string range =
            address(kPods, i << node_bits_) + "/" + std::to_string(32 - node_bits_);
        out_.field("podCIDR", range);
        out_.key("podCIDRs").array([&] { out_.value(range); });
      });
      out_.key("status").object([&] {
        out_.key("addresses").array([&] {
          out_.object([&] {
            out_.field("address", node_ip(i));
            out_.field("type", "InternalIP");
          });
          out_.object([&] {
            out_.field("address", node_name(i));
            out_.field("type", "Hostname");
          });
        });
        out_.key("conditions").array([&] {
          for (const char* condition : {"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"}) {
            out_.object([&] {
              out_.field("lastHeartbeatTime", time(i));
              out_.field("lastTransitionTime", time(i));
              out_.field("status", condition == std::string_view("Ready") ? "True" : "False");
              out_.field("type", condition);
            });
          }
        });
      });
    });
  }

  void service_cidr() {
    out_.object([&] {
      out_.field("apiVersion", "networking.k8s.io/v1");
      out_.field("kind", "ServiceCIDR");
      out_.key("metadata").object([&] {
        out_.field("creationTimestamp", time(0));
        out_.field("name", "kubernetes");
        metadata_end(0);
      });
      out_.key("spec").object(
          [&] { out_.key("cidrs").array([&] { out_.value("10.96.0.0/12"); }); });
    });
  }

  const Flags& flags_;
  Printer& out_;
  std::uint64_t random_;
  int node_bits_ = 8;  // of an address: the pod on its node
};

}  // namespace

int main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Prints a cluster of a given size as kubectl get -o json would");
  app.add_option("--services", flags.services, "how many Services")
      ->check(CLI::Range(0, 1000000))
      ->capture_default_str();
  app.add_option("--endpoints", flags.endpoints, "of each Service")
      ->check(CLI::Range(0, 10000))
      ->capture_default_str();
  app.add_option("--nodes", flags.nodes, "how many Nodes")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--types", flags.types,
                 "clusterip, or mixed: some NodePort, LoadBalancer, Local, with affinity")
      ->check(CLI::IsMember({"clusterip", "mixed"}))
      ->capture_default_str();
  app.add_option("--seed", flags.seed, "of uids and the ends of names")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--indent", flags.indent, "blanks a level; 0: one line, as the API server answers")
      ->check(CLI::Range(0, 8))
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  {
    Printer out(flags.indent);
    Cluster(flags, out).print();
  }
  std::fputc('\n', stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}
