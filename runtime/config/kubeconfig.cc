#include "runtime/config/kubeconfig.h"

#include <yaml-cpp/binary.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>

namespace kproxy::config {
namespace {

constexpr const char* kExecVersions[] = {"client.authentication.k8s.io/v1",
                                         "client.authentication.k8s.io/v1beta1"};

constexpr const char* kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/= \t\r\n";

std::string in_folder_of(const std::string& path, const std::string& file) {
  const std::size_t slash = path.rfind('/');
  if (file.empty() || file.front() == '/' || slash == std::string::npos) return file;
  return path.substr(0, slash + 1) + file;
}

// Reads one mapping of the file. The first thing that is wrong is kept; then all reads as nothing.
class Section {
 public:
  Section(std::string path, std::string where, const YAML::Node& node, std::optional<Error>& error)
      : path_(std::move(path)), where_(std::move(where)), node_(node), error_(error) {}

  const std::string& where() const { return where_; }
  std::string at(const std::string& key) const { return where_ + "." + key; }
  void wrong(const std::string& where, std::string what, std::string hint = {}) {
    if (!error_) error_ = Error{path_ + ": " + where, std::move(what), std::move(hint)};
  }

  YAML::Node child(const std::string& key) const {
    if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
    return node_[key];
  }
  bool has(const std::string& key) const {
    const YAML::Node node = child(key);
    return node.IsDefined() && !node.IsNull();
  }
  std::string text(const std::string& key) {
    if (!has(key)) return {};
    if (child(key).IsScalar()) return child(key).Scalar();
    wrong(at(key), "is not a text");
    return {};
  }
  bool boolean(const std::string& key) {
    const std::string value = text(key);
    if (!value.empty() && value != "true" && value != "false")
      wrong(at(key), "is \"" + value + "\", not true or false");
    return value == "true";
  }
  std::string file(const std::string& key) { return in_folder_of(path_, text(key)); }
  // The fields `key` (a file) and `key`-data (base64).
  Pem pem(const std::string& key) {
    Pem pem{file(key), ""};
    const std::string data = text(key + "-data");
    if (data.empty()) return pem;
    // The decoder of yaml-cpp 0.7 reads out of bounds where other characters are.
    if (data.find_first_not_of(kBase64) == std::string::npos) {
      const std::vector<unsigned char> bytes = YAML::DecodeBase64(data);
      pem.text.assign(bytes.begin(), bytes.end());
    }
    if (pem.text.find("-----BEGIN") == std::string::npos)
      wrong(at(key + "-data"), "is no PEM text in base64");
    return pem;
  }
  Section section(const std::string& key) {
    if (has(key) && !child(key).IsMap()) wrong(at(key), "is not a mapping");
    return {path_, at(key), has(key) ? child(key) : YAML::Node(), error_};
  }
  std::vector<std::string> texts(const std::string& key) {
    std::vector<std::string> all;
    for (const YAML::Node& node : list(key)) {
      if (node.IsScalar())
        all.push_back(node.Scalar());
      else
        wrong(at(key), "has an entry that is not a text");
    }
    return all;
  }
  // The mappings in a list.
  std::vector<Section> sections(const std::string& key) {
    std::vector<Section> all;
    for (const YAML::Node& node : list(key)) {
      std::string where = at(key) + "[" + std::to_string(all.size()) + "]";
      if (!node.IsMap()) wrong(where, "is not a mapping");
      all.emplace_back(path_, std::move(where), node, error_);
    }
    return all;
  }
  // What stands under `key` in the entry of that name: {name: ..., <key>: {...}}.
  std::optional<Section> named(const std::string& entries, const std::string& key,
                               const std::string& name) {
    for (Section& entry : sections(entries))
      if (entry.text("name") == name) return entry.section(key);
    return std::nullopt;
  }

 private:
  std::vector<YAML::Node> list(const std::string& key) {
    if (!has(key)) return {};
    if (!child(key).IsSequence()) {
      wrong(at(key), "is not a list");
      return {};
    }
    const YAML::Node nodes = child(key);
    return std::vector<YAML::Node>(nodes.begin(), nodes.end());
  }

  std::string path_;
  std::string where_;
  YAML::Node node_;
  std::optional<Error>& error_;
};

void read_cluster(Section& cluster, ApiAccess& access) {
  access.server = cluster.text("server");
  access.ca = cluster.pem("certificate-authority");
  access.insecure = cluster.boolean("insecure-skip-tls-verify");
  access.tls_server_name = cluster.text("tls-server-name");
  access.proxy_url = cluster.text("proxy-url");
  if (access.insecure && access.ca.given())
    cluster.wrong(cluster.at("insecure-skip-tls-verify"),
                  "and a certificate authority exclude each other", "leave one of them out");
}

ExecPlugin read_exec(Section exec, const std::string& path) {
  ExecPlugin plugin;
  plugin.api_version = exec.text("apiVersion");
  if (std::find(std::begin(kExecVersions), std::end(kExecVersions), plugin.api_version) ==
      std::end(kExecVersions))
    exec.wrong(exec.at("apiVersion"), "is \"" + plugin.api_version + "\", which is not supported",
               std::string("use ") + kExecVersions[0]);
  plugin.command = exec.text("command");
  if (plugin.command.empty()) exec.wrong(exec.at("command"), "is missing");
  // A bare name is looked up in PATH.
  if (plugin.command.find('/') != std::string::npos)
    plugin.command = in_folder_of(path, plugin.command);
  plugin.arguments = exec.texts("args");
  for (Section& variable : exec.sections("env"))
    plugin.environment.emplace_back(variable.text("name"), variable.text("value"));
  plugin.install_hint = exec.text("installHint");
  plugin.provide_cluster_info = exec.boolean("provideClusterInfo");
  if (exec.text("interactiveMode") == "Always")
    exec.wrong(exec.at("interactiveMode"), "is Always, and nobody is there to be asked",
               "set it to IfAvailable or Never");
  return plugin;
}

void read_user(Section& user, const std::string& path, ApiAccess& access) {
  access.client_certificate = user.pem("client-certificate");
  access.client_key = user.pem("client-key");
  if (access.client_certificate.given() != access.client_key.given())
    user.wrong(user.where(), "has a client certificate without its key, or a key alone");
  access.token = user.text("token");
  access.token_file = user.file("tokenFile");
  access.user_name = user.text("username");
  access.password = user.text("password");
  if (user.has("exec")) access.exec = read_exec(user.section("exec"), path);
  for (const char* key : {"auth-provider", "as", "as-uid", "as-groups", "as-user-extra"})
    if (user.has(key))
      user.wrong(user.at(key), "is not supported",
                 "use a token, a client certificate, or an exec plugin");
  if (access.exec && (access.client_key.given() || !access.token.empty() ||
                      !access.token_file.empty() || !access.user_name.empty()))
    user.wrong(user.at("exec"), "stands beside other credentials", "leave one of them out");
}

}  // namespace

Result<ApiAccess> parse_kubeconfig(const std::string& path, const std::string& text,
                                   const std::string& master) {
  YAML::Node document;
  try {
    document = YAML::Load(text);
  } catch (const YAML::Exception& exception) {
    return Error{path + ": line " + std::to_string(exception.mark.line + 1),
                 "is not YAML: " + exception.msg, ""};
  }
  if (!document.IsMap()) return Error{path, "is no kubeconfig", "it begins with apiVersion: v1"};
  std::optional<Error> error;
  Section config(path, "$", document, error);
  ApiAccess access;
  const std::string name = config.text("current-context");
  if (name.empty() && master.empty())
    config.wrong("$.current-context", "is missing",
                 "name the context to use, or the server with --master");
  if (!name.empty()) {
    auto context = config.named("contexts", "context", name);
    if (!context) {
      config.wrong("$.contexts", "has no context \"" + name + "\", which current-context names");
    } else {
      const std::string cluster_name = context->text("cluster"), user_name = context->text("user");
      auto cluster = config.named("clusters", "cluster", cluster_name);
      auto user = config.named("users", "user", user_name);
      if (cluster)
        read_cluster(*cluster, access);
      else if (!cluster_name.empty() || master.empty())
        config.wrong("$.clusters", "has no cluster \"" + cluster_name + "\", which context \"" +
                                       name + "\" names");
      if (user)
        read_user(*user, path, access);
      else if (!user_name.empty())
        config.wrong("$.users",
                     "has no user \"" + user_name + "\", which context \"" + name + "\" names");
    }
  }
  if (error) return *error;
  const auto url = master.empty()
                       ? server_url(path + ": the cluster's server", access.server, access)
                       : server_url("--master", master, access);
  if (!url) return url.error();
  access.server = *url;
  return access;
}

}  // namespace kproxy::config
