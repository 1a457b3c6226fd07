// How to reach the API server, and as whom: what a kubeconfig, --master or the mounted service
// account say, as a plain value. Nothing is connected and no file is read but the kubeconfig: files
// that are named here are read when they are used, again and again, as they rotate.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "compiler/types/error.h"

namespace kproxy::config {

// PEM text, from a file or given at once. The text counts if both are there.
struct Pem {
  std::string file;
  std::string text;
  bool given() const { return !file.empty() || !text.empty(); }
  bool operator==(const Pem&) const = default;
};

// A program that hands out credentials (client.authentication.k8s.io).
struct ExecPlugin {
  std::string api_version;  // "client.authentication.k8s.io/v1" or ".../v1beta1"
  std::string command;
  std::vector<std::string> arguments;
  std::vector<std::pair<std::string, std::string>> environment;  // added to our own
  std::string install_hint;
  bool provide_cluster_info = false;
  bool operator==(const ExecPlugin&) const = default;
};

struct ApiAccess {
  std::string server;  // "https://10.0.0.1:6443", no '/' at its end; may have a path

  Pem ca;  // none: what the system trusts
  bool insecure = false;
  std::string tls_server_name;  // empty: the host in `server`
  std::string proxy_url;        // empty: what HTTPS_PROXY, NO_PROXY and the like say

  // At most one identity is given, or none.
  Pem client_certificate;
  Pem client_key;
  std::string token;
  std::string token_file;  // goes before `token` where it can be read
  std::string user_name;   // with a password, HTTP basic authentication
  std::string password;
  std::optional<ExecPlugin> exec;

  bool operator==(const ApiAccess&) const = default;
};

// The access that --kubeconfig and --master ask for; the pod's own service account if both are
// empty. `master` replaces the kubeconfig's server.
Result<ApiAccess> find_api_access(const std::string& kubeconfig, const std::string& master);

// What a pod has: KUBERNETES_SERVICE_HOST and _PORT, and a folder with the files token and ca.crt.
inline constexpr const char* kServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";
Result<ApiAccess> in_cluster_access(const char* host, const char* port,
                                    const std::string& folder = kServiceAccount);

// Whether a server's URL may be told: it is logged, and /flagz shows --master. The error does not
// repeat it.
Status bears_no_credentials(const std::string& where, const std::string& url);

// The URL without a '/' at its end, and with a scheme in front where it names none: http, or https
// if `access` has something for TLS, as every Kubernetes client has it.
Result<std::string> server_url(const std::string& where, std::string url, const ApiAccess& access);

}  // namespace kproxy::config
