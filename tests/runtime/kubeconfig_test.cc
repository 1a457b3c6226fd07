// How the API server is found: kubeconfigs, --master, the pod's own service account (CFG-52).
#include "runtime/config/kubeconfig.h"

#include <boost/test/unit_test.hpp>

#include "runtime/config/api_access.h"
#include "tests/runtime/folder.h"

namespace kproxy::config {
namespace {

using tests::Folder;

std::string print(const Result<ApiAccess>& access) {
  if (!access) return "error: " + access.error().message();
  std::string text = access->server;
  const auto field = [&text](const char* name, const std::string& value) {
    if (!value.empty()) text.append(" ").append(name).append("=").append(value);
  };
  const auto pem = [&field](const char* name, const Pem& pem) {
    field(name, pem.file);
    field(name, pem.text);
  };
  pem("ca", access->ca);
  if (access->insecure) text += " insecure";
  field("name", access->tls_server_name);
  field("proxy", access->proxy_url);
  pem("certificate", access->client_certificate);
  pem("key", access->client_key);
  field("token", access->token);
  field("token-file", access->token_file);
  field("user", access->user_name);
  field("password", access->password);
  if (!access->exec) return text;
  field("exec", access->exec->command);
  for (const std::string& argument : access->exec->arguments) field("arg", argument);
  for (const auto& [name, value] : access->exec->environment) field(name.c_str(), value);
  field("version", access->exec->api_version);
  field("hint", access->exec->install_hint);
  if (access->exec->provide_cluster_info) text += " with cluster";
  return text;
}

std::string config(const std::string& cluster, const std::string& user) {
  return R"({"apiVersion":"v1","kind":"Config","current-context":"c","contexts":[)"
         R"({"name":"other","context":{"cluster":"none","user":"none"}},)"
         R"({"name":"c","context":{"cluster":"k","user":"u"}}],)"
         R"("clusters":[{"name":"x","cluster":{}},{"name":"k","cluster":)" +
         cluster + R"(}],"users":[{"name":"u","user":)" + user + "}]}";
}

std::string parse(const std::string& text, const std::string& master = "") {
  return print(parse_kubeconfig("/etc/kp/config", text, master));
}

// clang-format off
struct Case {
  const char* cluster;
  const char* user;
  const char* expected;
};
constexpr Case kCases[] = {
    // servers
    {R"({"server":"https://10.0.0.1:6443"})", "{}", "https://10.0.0.1:6443"},
    {R"({"server":"https://k.example/path/"})", "{}", "https://k.example/path"},
    {R"({"server":"http://[::1]:8080"})", "{}", "http://[::1]:8080"},
    {R"({"server":"10.0.0.1:8080"})", "{}", "http://10.0.0.1:8080"},
    {R"({"server":"10.0.0.1:6443","insecure-skip-tls-verify":true})", "{}", "https://10.0.0.1:6443 insecure"},
    {R"({"server":"10.0.0.1:6443","certificate-authority":"/ca"})", "{}", "https://10.0.0.1:6443 ca=/ca"},
    {R"({"server":"ftp://10.0.0.1"})", "{}", "error: /etc/kp/config: the cluster's server: is \"ftp://10.0.0.1\": neither https nor http"},
    {R"({"server":"https://"})", "{}", "error: /etc/kp/config: the cluster's server: is no URL of a server (it looks like https://10.0.0.1:6443)"},
    {R"({"server":"https://a b"})", "{}", "error: /etc/kp/config: the cluster's server: is no URL of a server (it looks like https://10.0.0.1:6443)"},
    {R"({"server":"https://user:s3cret@10.0.0.1:6443"})", "{}", "error: /etc/kp/config: the cluster's server: has credentials in it, before an @ (a kubeconfig has them with its users)"},
    {R"({"server":"https://s3cret@10.0.0.1"})", "{}", "error: /etc/kp/config: the cluster's server: has credentials in it, before an @ (a kubeconfig has them with its users)"},
    {R"({"server":"https://user:s3c/ret@10.0.0.1"})", "{}", "error: /etc/kp/config: the cluster's server: has credentials in it, before an @ (a kubeconfig has them with its users)"},
    {R"({"server":"ftp://user:s3cret@10.0.0.1"})", "{}", "error: /etc/kp/config: the cluster's server: has credentials in it, before an @ (a kubeconfig has them with its users)"},
    {R"({"server":"user:s3cret@10.0.0.1:8080"})", "{}", "error: /etc/kp/config: the cluster's server: has credentials in it, before an @ (a kubeconfig has them with its users)"},
    {R"({})", "{}", "error: /etc/kp/config: the cluster's server: is missing (it looks like https://10.0.0.1:6443)"},
    // whom to trust; files are found from the kubeconfig's folder, data goes before them
    {R"({"server":"https://a","certificate-authority":"/var/ca.crt","tls-server-name":"api","proxy-url":"socks5://p:1"})", "{}",
     "https://a ca=/var/ca.crt name=api proxy=socks5://p:1"},
    {R"({"server":"https://a","certificate-authority":"ca.crt"})", "{}", "https://a ca=/etc/kp/ca.crt"},
    {R"({"server":"https://a","certificate-authority-data":"LS0tLS1CRUdJTiBY"})", "{}", "https://a ca=-----BEGIN X"},
    {R"({"server":"https://a","certificate-authority-data":"!!"})", "{}",
     "error: /etc/kp/config: $.clusters[1].cluster.certificate-authority-data: is no PEM text in base64"},
    {R"({"server":"https://a","certificate-authority-data":"LS0tLS1CRUdJTiBY\u00e9\u00ff"})", "{}",
     "error: /etc/kp/config: $.clusters[1].cluster.certificate-authority-data: is no PEM text in base64"},
    {R"({"server":"https://a","certificate-authority":"/ca","insecure-skip-tls-verify":true})", "{}",
     "error: /etc/kp/config: $.clusters[1].cluster.insecure-skip-tls-verify: and a certificate authority exclude each other (leave one of them out)"},
    {R"({"server":"https://a","insecure-skip-tls-verify":"yes"})", "{}",
     "error: /etc/kp/config: $.clusters[1].cluster.insecure-skip-tls-verify: is \"yes\", not true or false"},
    {R"({"server":["https://a"]})", "{}", "error: /etc/kp/config: $.clusters[1].cluster.server: is not a text"},
    // who we are
    {R"({"server":"https://a"})", R"({"token":"t"})", "https://a token=t"},
    {R"({"server":"https://a"})", R"({"token":"t","tokenFile":"run/token"})", "https://a token=t token-file=/etc/kp/run/token"},
    {R"({"server":"https://a"})", R"({"username":"u","password":"p"})", "https://a user=u password=p"},
    {R"({"server":"https://a"})", R"({"client-certificate":"/c","client-key":"/k"})", "https://a certificate=/c key=/k"},
    {R"({"server":"https://a"})", R"({"client-certificate-data":"LS0tLS1CRUdJTiBY","client-key-data":"LS0tLS1CRUdJTiBZ"})",
     "https://a certificate=-----BEGIN X key=-----BEGIN Y"},
    {R"({"server":"https://a"})", R"({"client-certificate":"/c"})",
     "error: /etc/kp/config: $.users[0].user: has a client certificate without its key, or a key alone"},
    {R"({"server":"https://a"})", R"({"auth-provider":{"name":"gcp"}})",
     "error: /etc/kp/config: $.users[0].user.auth-provider: is not supported (use a token, a client certificate, or an exec plugin)"},
    {R"({"server":"https://a"})", R"({"as":"admin","token":"t"})",
     "error: /etc/kp/config: $.users[0].user.as: is not supported (use a token, a client certificate, or an exec plugin)"},
    {R"({"server":"https://a"})", R"([])", "error: /etc/kp/config: $.users[0].user: is not a mapping"},
    {R"({"server":"https://a"})", R"(null)", "https://a"},
    // plugins
    {R"({"server":"https://a"})",
     R"({"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"login","args":["-a",5],"env":[{"name":"A","value":"b"}],"installHint":"ask","provideClusterInfo":true,"interactiveMode":"Never"}})",
     "https://a exec=login arg=-a arg=5 A=b version=client.authentication.k8s.io/v1 hint=ask with cluster"},
    {R"({"server":"https://a"})", R"({"exec":{"apiVersion":"client.authentication.k8s.io/v1beta1","command":"bin/login","args":null,"env":null}})",
     "https://a exec=/etc/kp/bin/login version=client.authentication.k8s.io/v1beta1"},
    {R"({"server":"https://a"})", R"({"exec":{"apiVersion":"client.authentication.k8s.io/v1alpha1","command":"x"}})",
     "error: /etc/kp/config: $.users[0].user.exec.apiVersion: is \"client.authentication.k8s.io/v1alpha1\", which is not supported (use client.authentication.k8s.io/v1)"},
    {R"({"server":"https://a"})", R"({"exec":{"apiVersion":"client.authentication.k8s.io/v1"}})",
     "error: /etc/kp/config: $.users[0].user.exec.command: is missing"},
    {R"({"server":"https://a"})", R"({"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"x","interactiveMode":"Always"}})",
     "error: /etc/kp/config: $.users[0].user.exec.interactiveMode: is Always, and nobody is there to be asked (set it to IfAvailable or Never)"},
    {R"({"server":"https://a"})", R"({"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"x"},"token":"t"})",
     "error: /etc/kp/config: $.users[0].user.exec: stands beside other credentials (leave one of them out)"},
    {R"({"server":"https://a"})", R"({"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"x","args":"y"}})",
     "error: /etc/kp/config: $.users[0].user.exec.args: is not a list"},
};

struct WholeCase {
  const char* text;
  const char* master;
  const char* expected;
};
constexpr WholeCase kWholeCases[] = {
    {"", "", "error: /etc/kp/config: is no kubeconfig (it begins with apiVersion: v1)"},
    {"[]", "", "error: /etc/kp/config: is no kubeconfig (it begins with apiVersion: v1)"},
    {"a: [", "", "error: /etc/kp/config: line 1: is not YAML: end of sequence flow not found"},
    {"kind: Config", "", "error: /etc/kp/config: $.current-context: is missing (name the context to use, or the server with --master)"},
    {"kind: Config", "https://m", "https://m"},
    {"current-context: c", "", "error: /etc/kp/config: $.contexts: has no context \"c\", which current-context names"},
    {"current-context: c\ncontexts: [{name: c, context: {cluster: k}}]", "",
     "error: /etc/kp/config: $.clusters: has no cluster \"k\", which context \"c\" names"},
    {"current-context: c\ncontexts: [{name: c, context: {user: u}}]\nusers: [{name: u, user: {token: t}}]", "https://m:1/", "https://m:1 token=t"},
    {"current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: 'https://a'}}]", "", "https://a"},
    {"current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: {server: 'https://a'}}]", "",
     "error: /etc/kp/config: $.users: has no user \"u\", which context \"c\" names"},
    // --master replaces the server, and only that
    {"current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: [{name: k, cluster: {server: 'https://a', certificate-authority: /ca}}]", "m:6443",
     "https://m:6443 ca=/ca"},
    {"current-context: c\ncontexts: [{name: c, context: {user: u}}]\nusers: [{name: u, user: {token: t}}]", "https://user:s3cret@m", "error: --master: has credentials in it, before an @ (a kubeconfig has them with its users)"},
    {"current-context: c\ncontexts: 5", "", "error: /etc/kp/config: $.contexts: is not a list"},
    {"current-context: c\ncontexts: [5]", "", "error: /etc/kp/config: $.contexts[0]: is not a mapping"},
};
// clang-format on

BOOST_AUTO_TEST_SUITE(kubeconfig)

BOOST_AUTO_TEST_CASE(clusters_and_users) {
  for (const Case& test : kCases)
    BOOST_TEST(parse(config(test.cluster, test.user)) == test.expected);
}

BOOST_AUTO_TEST_CASE(contexts_and_master) {
  for (const WholeCase& test : kWholeCases)
    BOOST_TEST(parse(test.text, test.master) == test.expected);
}

BOOST_AUTO_TEST_CASE(in_a_pod) {
  const Folder folder;
  const auto access = [&folder](const char* host, const char* port) {
    std::string text = print(in_cluster_access(host, port, folder.path()));
    for (std::size_t at; (at = text.find(folder.path())) != std::string::npos;)
      text.replace(at, folder.path().size(), "FOLDER");
    return text;
  };
  BOOST_TEST(access("10.96.0.1", "443") ==
             "error: FOLDER/token: cannot be read: No such file or directory (is the pod's service "
             "account token mounted (automountServiceAccountToken)?)");
  folder.write("token", "t\n");
  BOOST_TEST(access("10.96.0.1", "443") == "https://10.96.0.1:443 token-file=FOLDER/token");
  folder.write("ca.crt", "x");
  BOOST_TEST(access("10.96.0.1", "443") ==
             "https://10.96.0.1:443 ca=FOLDER/ca.crt token-file=FOLDER/token");
  BOOST_TEST(access("fd00::1", "443") ==
             "https://[fd00::1]:443 ca=FOLDER/ca.crt token-file=FOLDER/token");
  for (const char* nothing : {static_cast<const char*>(nullptr), ""}) {
    BOOST_TEST(
        access(nothing, "443").starts_with("error: API server: is not known: this is no pod"));
    BOOST_TEST(
        access("::1", nothing).starts_with("error: API server: is not known: this is no pod"));
  }
}

BOOST_AUTO_TEST_CASE(what_the_operator_names) {
  const Folder folder;
  folder.write("config", config(R"({"server":"https://a"})", R"({"tokenFile":"token"})"));
  BOOST_TEST(print(find_api_access(folder.path() + "/config", "")) ==
             "https://a token-file=" + folder.path() + "/token");
  BOOST_TEST(print(find_api_access(folder.path() + "/config", "https://m")) ==
             "https://m token-file=" + folder.path() + "/token");
  BOOST_TEST(print(find_api_access("", "m:8080")) == "http://m:8080");
  BOOST_TEST(
      print(find_api_access("", "https://user:s3cret@m")) ==
      "error: --master: has credentials in it, before an @ (a kubeconfig has them with its users)");
  BOOST_TEST(print(find_api_access("", "gopher://m")).starts_with("error: --master: is"));
  BOOST_TEST(print(find_api_access(folder.path() + "/none", "")) ==
             "error: " + folder.path() + "/none: cannot be read: No such file or directory");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::config
