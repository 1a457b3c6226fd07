#include "runtime/config/api_access.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/config/kubeconfig.h"
#include "runtime/config/text_file.h"

namespace kproxy::config {

Status bears_no_credentials(const std::string& where, const std::string& url) {
  // In its path, too: a password may have a '/'.
  if (url.find('@') == std::string::npos) return ok_status();
  return Error{where, "has credentials in it, before an @", "a kubeconfig has them with its users"};
}

Result<std::string> server_url(const std::string& where, std::string url, const ApiAccess& access) {
  if (const Status bare = bears_no_credentials(where, url); !bare) return bare.error();
  if (url.empty()) return Error{where, "is missing", "it looks like https://10.0.0.1:6443"};
  const std::size_t scheme = url.find("://");
  if (scheme == std::string::npos) {
    const bool tls = access.insecure || access.ca.given() || access.client_certificate.given();
    url.insert(0, tls ? "https://" : "http://");
  } else if (const std::string name = url.substr(0, scheme); name != "https" && name != "http") {
    return Error{where, "is \"" + url + "\": neither https nor http", ""};
  }
  const std::size_t host = url.find("://") + 3;
  while (url.size() > host && url.ends_with('/')) url.pop_back();
  const bool plain = std::all_of(url.begin(), url.end(), [](unsigned char c) {
    return c > 0x20 && c < 0x7f && c != '?' && c != '#';
  });
  if (!plain || url.size() == host)
    return Error{where, "is no URL of a server", "it looks like https://10.0.0.1:6443"};
  return url;
}

Result<ApiAccess> in_cluster_access(const char* host, const char* port, const std::string& folder) {
  if (host == nullptr || port == nullptr || *host == '\0' || *port == '\0')
    return Error{"API server", "is not known: this is no pod, and no kubeconfig is given",
                 "name one with --kubeconfig or clientConnection.kubeconfig"};
  const std::string name = host;
  const bool v6 = name.find(':') != std::string::npos;
  ApiAccess access;
  const auto url = server_url("KUBERNETES_SERVICE_HOST",
                              "https://" + (v6 ? "[" + name + "]" : name) + ":" + port, access);
  if (!url) return url.error();
  access.server = *url;
  access.token_file = folder + "/token";
  if (const auto token = read_text(access.token_file); !token) {
    Error error = token.error();
    error.hint = "is the pod's service account token mounted (automountServiceAccountToken)?";
    return error;
  }
  const std::string ca = folder + "/ca.crt";
  // Without it, what the system trusts has to do.
  if (::access(ca.c_str(), R_OK) == 0) access.ca.file = ca;
  return access;
}

Result<ApiAccess> find_api_access(const std::string& kubeconfig, const std::string& master) {
  if (!kubeconfig.empty()) {
    const auto text = read_text(kubeconfig);
    if (!text) return text.error();
    return parse_kubeconfig(kubeconfig, *text, master);
  }
  if (master.empty())
    return in_cluster_access(std::getenv("KUBERNETES_SERVICE_HOST"),
                             std::getenv("KUBERNETES_SERVICE_PORT"));
  ApiAccess access;
  const auto url = server_url("--master", master, access);
  if (!url) return url.error();
  access.server = *url;
  return access;
}

}  // namespace kproxy::config
