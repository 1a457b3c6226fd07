#include "compiler/options/configuration.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include "compiler/options/duration.h"
#include "compiler/options/settings.h"

namespace kproxy::options {
namespace {

constexpr std::string_view kKind = "KubeProxyConfiguration";
constexpr std::string_view kApiVersion = "kubeproxy.config.k8s.io/v1alpha1";

enum class Type { text, boolean, integer, number, duration, quantity, texts, booleans, any };

struct Field {
  std::string_view path;
  Type type;
};

// v1alpha1, whole: what is not here is unknown. An object is what others' paths begin with.
constexpr Field kFields[] = {
    {"apiVersion", Type::text},
    {"bindAddress", Type::text},
    {"bindAddressHardFail", Type::boolean},
    {"clientConnection.acceptContentTypes", Type::text},
    {"clientConnection.burst", Type::integer},
    {"clientConnection.contentType", Type::text},
    {"clientConnection.kubeconfig", Type::text},
    {"clientConnection.qps", Type::number},
    {"clusterCIDR", Type::text},
    {"configSyncPeriod", Type::duration},
    {"conntrack.maxPerCore", Type::integer},
    {"conntrack.min", Type::integer},
    {"conntrack.tcpBeLiberal", Type::boolean},
    {"conntrack.tcpCloseWaitTimeout", Type::duration},
    {"conntrack.tcpEstablishedTimeout", Type::duration},
    {"conntrack.udpStreamTimeout", Type::duration},
    {"conntrack.udpTimeout", Type::duration},
    {"detectLocal.bridgeInterface", Type::text},
    {"detectLocal.interfaceNamePrefix", Type::text},
    {"detectLocalMode", Type::text},
    {"enableProfiling", Type::boolean},
    {"featureGates", Type::booleans},
    {"healthzBindAddress", Type::text},
    {"hostnameOverride", Type::text},
    {"iptables.localhostNodePorts", Type::boolean},
    {"iptables.masqueradeAll", Type::boolean},
    {"iptables.masqueradeBit", Type::integer},
    {"iptables.minSyncPeriod", Type::duration},
    {"iptables.syncPeriod", Type::duration},
    {"ipvs.excludeCIDRs", Type::texts},
    {"ipvs.minSyncPeriod", Type::duration},
    {"ipvs.scheduler", Type::text},
    {"ipvs.strictARP", Type::boolean},
    {"ipvs.syncPeriod", Type::duration},
    {"ipvs.tcpFinTimeout", Type::duration},
    {"ipvs.tcpTimeout", Type::duration},
    {"ipvs.udpTimeout", Type::duration},
    {"kind", Type::text},
    {"logging.flushFrequency", Type::quantity},
    {"logging.format", Type::text},
    {"logging.options.json.infoBufferSize", Type::quantity},
    {"logging.options.json.splitStream", Type::boolean},
    {"logging.options.text.infoBufferSize", Type::quantity},
    {"logging.options.text.splitStream", Type::boolean},
    {"logging.verbosity", Type::integer},
    {"logging.vmodule", Type::any},
    {"metricsBindAddress", Type::text},
    {"mode", Type::text},
    {"nftables.masqueradeAll", Type::boolean},
    {"nftables.masqueradeBit", Type::integer},
    {"nftables.minSyncPeriod", Type::duration},
    {"nftables.syncPeriod", Type::duration},
    {"nodePortAddresses", Type::texts},
    {"oomScoreAdj", Type::integer},
    {"portRange", Type::text},
    {"showHiddenMetricsForVersion", Type::text},
    {"windowsRunAsService", Type::boolean},
    {"winkernel.enableDSR", Type::boolean},
    {"winkernel.forwardHealthCheckVip", Type::boolean},
    {"winkernel.networkName", Type::text},
    {"winkernel.rootHnsEndpointName", Type::text},
    {"winkernel.sourceVip", Type::text},
};

const Field* find_field(std::string_view path) {
  const auto* field = std::find_if(std::begin(kFields), std::end(kFields),
                                   [path](const Field& known) { return known.path == path; });
  return field == std::end(kFields) ? nullptr : field;
}

bool is_object(std::string_view path) {
  const std::string prefix = std::string(path) + '.';
  return std::any_of(std::begin(kFields), std::end(kFields),
                     [&prefix](const Field& known) { return known.path.starts_with(prefix); });
}

// What a scalar is, by the rules that Kubernetes' YAML reader follows (YAML 1.1).
std::optional<bool> as_boolean(const YAML::Node& node) {
  static constexpr std::array<std::string_view, 11> kTrue{
      "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"};
  static constexpr std::array<std::string_view, 11> kFalse{
      "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"};
  if (node.Tag() != "?") return std::nullopt;
  if (std::find(kTrue.begin(), kTrue.end(), node.Scalar()) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), node.Scalar()) != kFalse.end()) return false;
  return std::nullopt;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> as_integer(const YAML::Node& node) {
  if (node.Tag() != "?") return std::nullopt;
  return parse_number<std::int64_t>(node.Scalar());
}

bool is_number(const YAML::Node& node) {
  return node.Tag() == "?" && parse_number<double>(node.Scalar()).has_value();
}

bool is_text(const YAML::Node& node) {
  return node.IsScalar() && !as_boolean(node) && !is_number(node);
}

// Walks one document along kFields.
class Reader {
 public:
  Reader(std::string_view input, Configuration& result) : input_(input), result_(result) {}

  void read(const YAML::Node& document) {
    if (!is_ours(document)) return;
    read_object(document, {});
    const Where where = [this](std::string_view field) { return place(field); };
    const Options options = check(settings(), where, result_.errors, result_.warnings);
    result_.mode = text("mode");
    if (result_.errors.empty()) result_.options = options;
  }

 private:
  // "config.yaml:7: KubeProxyConfiguration.clusterCIDR".
  std::string place(std::string_view path) const {
    // An entry of a list or map stands where its field does, as far as lines are concerned.
    std::string_view known = path.substr(0, path.find('['));
    if (known.starts_with("featureGates.")) known = "featureGates";
    const auto line = lines_.find(known);
    std::string text(input_);
    if (line != lines_.end()) text += ':' + std::to_string(line->second);
    text.append(": ").append(kKind);
    if (!path.empty()) text.append(".").append(path);
    return text;
  }

  void error(std::string_view path, std::string what, std::string hint = {}) {
    result_.errors.push_back({place(path), std::move(what), std::move(hint)});
  }
  void warning(std::string_view path, std::string what, std::string hint = {}) {
    result_.warnings.push_back({place(path), std::move(what), std::move(hint)});
  }

  bool is_ours(const YAML::Node& document) {
    const std::string wanted = "it must begin with apiVersion: " + std::string(kApiVersion) +
                               " and kind: " + std::string(kKind);
    if (!document.IsMap()) {
      result_.errors.push_back({std::string(input_), "is no KubeProxyConfiguration", wanted});
      return false;
    }
    for (const auto& [name, value] : {std::pair{"apiVersion", kApiVersion}, {"kind", kKind}}) {
      const YAML::Node node = document[name];
      if (!node || node.IsNull())
        result_.errors.push_back({std::string(input_), std::string(name) + " is missing", wanted});
      else if (!node.IsScalar() || node.Scalar() != value)
        result_.errors.push_back(
            {std::string(input_) + ':' + std::to_string(node.Mark().line + 1),
             std::string(name) + " is " + describe(node) + ", not " + std::string(value),
             {}});
    }
    return result_.errors.empty();
  }

  void read_object(const YAML::Node& object, const std::string& prefix) {
    // The last of several fields of one name counts, whole.
    std::map<std::string, YAML::Node> members;
    for (const auto& member : object) {
      if (!member.first.IsScalar()) {
        warning(prefix.substr(0, prefix.size() - !prefix.empty()),
                "has a field whose name is no text");
        continue;
      }
      const std::string path = prefix + member.first.Scalar();
      lines_[path] = member.first.Mark().line + 1;
      const bool first = members.insert_or_assign(path, member.second).second;
      if (!first) warning(path, "stands more than once", "the last one counts");
    }
    for (const auto& [path, node] : members) {
      if (const Field* field = find_field(path)) {
        if (!node.IsNull()) read_value(*field, node);
      } else if (!is_object(path)) {
        warning(path, "is not a known field", "it has no effect");
      } else if (node.IsMap()) {
        read_object(node, path + '.');
      } else if (!node.IsNull()) {
        error(path, "is " + describe(node) + ", not an object");
      }
    }
  }

  void read_value(const Field& field, const YAML::Node& node) {
    const auto keep = [this, &field](std::vector<std::string> texts) {
      result_.fields[std::string(field.path)] = std::move(texts);
    };
    const auto wrong = [this, &field, &node](std::string_view wanted) {
      error(field.path, "is " + describe(node) + ", not " + std::string(wanted));
    };
    switch (field.type) {
      case Type::text:
        return is_text(node) ? keep({node.Scalar()}) : wrong("a string");
      case Type::boolean: {
        const auto value = node.IsScalar() ? as_boolean(node) : std::nullopt;
        return value ? keep({*value ? "true" : "false"}) : wrong("true or false");
      }
      case Type::integer:
        return node.IsScalar() && as_integer(node) ? keep({node.Scalar()}) : wrong("an integer");
      case Type::number:
        return node.IsScalar() && is_number(node) ? keep({node.Scalar()}) : wrong("a number");
      case Type::duration:
        return is_text(node) && parse_duration(node.Scalar())
                   ? keep({node.Scalar()})
                   : wrong("a duration like 30s or \"0\"");
      case Type::quantity:
        return node.IsScalar() && !as_boolean(node) ? keep({node.Scalar()})
                                                    : wrong("a string or a number");
      case Type::texts:
        return read_texts(field, node);
      case Type::booleans:
        return read_booleans(field, node);
      case Type::any:
        return;
    }
  }

  void read_texts(const Field& field, const YAML::Node& node) {
    if (!node.IsSequence()) return error(field.path, "is " + describe(node) + ", not a list");
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < node.size(); ++i) {
      if (is_text(node[i]))
        texts.push_back(node[i].Scalar());
      else
        error(std::string(field.path) + '[' + std::to_string(i) + ']',
              "is " + describe(node[i]) + ", not a string");
    }
    result_.fields[std::string(field.path)] = std::move(texts);
  }

  void read_booleans(const Field& field, const YAML::Node& node) {
    if (!node.IsMap()) return error(field.path, "is " + describe(node) + ", not an object");
    std::map<std::string, bool> booleans;
    for (const auto& member : node) {
      const std::string name = member.first.IsScalar() ? member.first.Scalar() : std::string();
      const auto value = member.second.IsScalar() ? as_boolean(member.second) : std::nullopt;
      if (value)
        booleans[name] = *value;
      else
        error(std::string(field.path) + '.' + name,
              "is " + describe(member.second) + ", not true or false");
    }
    std::vector<std::string> texts;
    for (const auto& [name, value] : booleans) texts.push_back(name + (value ? "=true" : "=false"));
    result_.fields[std::string(field.path)] = std::move(texts);
  }

  static std::string describe(const YAML::Node& node) {
    if (node.IsMap()) return "an object";
    if (node.IsSequence()) return "a list";
    if (node.IsNull()) return "null";
    return is_text(node) ? '"' + node.Scalar() + '"' : node.Scalar();
  }

  std::string text(std::string_view path) const {
    const auto found = result_.fields.find(std::string(path));
    return found == result_.fields.end() || found->second.empty() ? "" : found->second.front();
  }

  Settings settings() const {
    Settings settings;
    settings.mode = text("mode");
    settings.hostname_override = text("hostnameOverride");
    settings.bind_address = text("bindAddress");
    settings.detect_local_mode = text("detectLocalMode");
    settings.cluster_cidr = text("clusterCIDR");
    settings.bridge_interface = text("detectLocal.bridgeInterface");
    settings.interface_name_prefix = text("detectLocal.interfaceNamePrefix");
    settings.masquerade_all = text("nftables.masqueradeAll") == "true";
    settings.masquerade_bit = parse_number<std::int64_t>(text("nftables.masqueradeBit"));
    if (const auto list = result_.fields.find("nodePortAddresses"); list != result_.fields.end())
      settings.node_port_addresses = list->second;
    if (const auto gates = result_.fields.find("featureGates"); gates != result_.fields.end()) {
      for (const std::string& gate : gates->second) {
        const std::size_t equals = gate.rfind('=');
        settings.feature_gates[gate.substr(0, equals)] = gate.substr(equals) == "=true";
      }
    }
    return settings;
  }

  std::string_view input_;
  Configuration& result_;
  std::map<std::string, int, std::less<>> lines_;
};

}  // namespace

Configuration read_configuration(std::string_view input, const std::string& text) {
  Configuration result;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1)
      result.warnings.push_back({std::string(input),
                                 "holds " + std::to_string(documents.size()) + " documents",
                                 "only the first one counts"});
    Reader(input, result).read(documents.empty() ? YAML::Node() : documents.front());
  } catch (const YAML::Exception& failure) {
    result.errors.push_back({std::string(input) + ':' + std::to_string(failure.mark.line + 1) +
                                 ':' + std::to_string(failure.mark.column + 1),
                             "is neither YAML nor JSON: " + failure.msg,
                             {}});
  } catch (const std::exception& failure) {
    result.errors.push_back(
        {std::string(input), std::string("cannot be read: ") + failure.what(), {}});
  }
  return result;
}

}  // namespace kproxy::options
