// Tokens that rotate and plugins that are run (CFG-52).
#include <poll.h>
#include <sys/stat.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>

#include "runtime/source/credentials.h"
#include "tests/runtime/folder.h"

namespace kproxy::source {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;
using tests::Folder;

constexpr const char* kVersion = "client.authentication.k8s.io/v1";

std::string print(const Result<std::optional<Identity>>& identity) {
  if (!identity) return "error: " + identity.error().message();
  if (!identity->has_value()) return "later";
  const Identity& known = **identity;
  return known.token + known.certificate.text + known.key.text;
}

std::string credential(const std::string& status) {
  return R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":)" +
         status + "}";
}

// Asks a plugin, which is a shell script, until it has answered.
class Plugin {
 public:
  explicit Plugin(const std::string& script) {
    config::ExecPlugin plugin;
    plugin.api_version = kVersion;
    plugin.command = folder.at("plugin");
    plugin.arguments = {"an argument"};
    plugin.environment = {{"ADDED", "value"}};
    plugin.install_hint = "install it";
    access.server = "https://a";
    access.exec = plugin;
    folder.write("plugin", "#!/bin/sh\necho run >> " + folder.at("runs") + "\n" + script + "\n");
    chmod(plugin.command.c_str(), 0700);
  }

  std::string ask(Credentials& credentials, Clock::time_point now) {
    for (const auto end = Clock::now() + 10s; Clock::now() < end;) {
      const std::string answer = print(credentials.identity(now));
      if (answer != "later") return answer;
      pollfd ready{poller.fd(), POLLIN, 0};
      poll(&ready, 1, 1000);
      credentials.work(now);
    }
    return "no answer";
  }
  std::size_t runs() const { return folder.read("runs").size() / 4; }
  // Without the folder's name.
  std::string plain(std::string text) const {
    const std::string name = folder.at("plugin");
    for (std::size_t at; (at = text.find(name)) != std::string::npos;)
      text.replace(at, name.size(), "PLUGIN");
    return text;
  }

  Folder folder;
  Poller poller;
  config::ApiAccess access;
};

std::string printing(const std::string& text) {
  return "cat <<'END'\n" + text + "\nEND";
}

BOOST_AUTO_TEST_SUITE(source_credentials)

BOOST_AUTO_TEST_CASE(a_token_file_is_read_again) {
  const Folder folder;
  Poller poller;
  config::ApiAccess access;
  access.token_file = folder.at("token");
  Credentials credentials(access, poller);
  const auto token = [&credentials] { return print(credentials.identity(Clock::now())); };
  BOOST_TEST(token() ==
             "error: " + folder.at("token") + ": cannot be read: No such file or directory");
  folder.write("token", "one\n");
  BOOST_TEST(token() == "one");
  folder.write("token", " two \n");
  BOOST_TEST(token() == "two");
  folder.write("token", "");  // the moment at which it is written
  BOOST_TEST(token() == "two");
  folder.write("token", "a b");
  BOOST_TEST(token() == "two");
  std::filesystem::remove(folder.at("token"));
  BOOST_TEST(token() == "two");
}

BOOST_AUTO_TEST_CASE(a_token_is_no_way_into_the_header) {
  const Folder folder;
  Poller poller;
  config::ApiAccess access;
  access.token_file = folder.at("token");
  Credentials credentials(access, poller);
  folder.write("token", "one\r\nHost: elsewhere");
  BOOST_TEST(print(credentials.identity(Clock::now())) ==
             "error: " + folder.at("token") + ": holds more than a token");
  folder.write("token", "\n");
  BOOST_TEST(print(credentials.identity(Clock::now())) ==
             "error: " + folder.at("token") + ": is empty");
}

BOOST_AUTO_TEST_CASE(a_plugin_is_asked_once) {
  Plugin plugin(printing(credential(R"({"token":"secret"})")));
  Credentials credentials(plugin.access, plugin.poller);
  const auto now = Clock::now();
  BOOST_TEST(plugin.ask(credentials, now) == "secret");
  BOOST_TEST(plugin.ask(credentials, now + 24h) == "secret");
  BOOST_TEST(plugin.runs() == 1u);
}

BOOST_AUTO_TEST_CASE(what_is_refused_is_asked_for_again) {
  Plugin plugin("echo \"{$(cat $(dirname $0)/answer)}\"");
  const auto will_say = [&plugin](const std::string& token) {
    plugin.folder.write("answer", R"("apiVersion":"client.authentication.k8s.io/v1",)"
                                  R"("kind":"ExecCredential","status":{"token":")" +
                                      token + R"("})");
  };
  Credentials credentials(plugin.access, plugin.poller);
  const auto generation = [&credentials](Clock::time_point now) {
    const auto identity = credentials.identity(now);
    return identity && *identity ? (*identity)->generation : 0;
  };
  const auto now = Clock::now();
  will_say("one");
  BOOST_TEST(plugin.ask(credentials, now) == "one");
  const auto one = generation(now);

  will_say("two");
  const auto later = now + 1h;
  credentials.refused(one);
  BOOST_TEST(plugin.ask(credentials, later) == "two");  // the last run is long ago
  BOOST_TEST(plugin.runs() == 2u);
  const auto two = generation(later);

  // Said of a request that had begun before: what took its place stays.
  credentials.refused(one);
  BOOST_TEST(plugin.ask(credentials, later) == "two");
  BOOST_TEST(plugin.runs() == 2u);

  // Refused as soon as it was there: those who wait are told when to ask.
  will_say("three");
  credentials.refused(two);
  BOOST_TEST(!credentials.next().has_value());
  BOOST_TEST(print(credentials.identity(later + 1s)) == "later");
  BOOST_TEST(print(credentials.identity(later + 4s)) == "later");
  BOOST_TEST(plugin.runs() == 2u);
  BOOST_REQUIRE(credentials.next().has_value());
  BOOST_TEST((*credentials.next() == later + 5s));
  credentials.work(later + 5s);
  BOOST_TEST(!credentials.next().has_value());
  BOOST_TEST(plugin.ask(credentials, later + 5s) == "three");
  BOOST_TEST(plugin.runs() == 3u);
}

BOOST_AUTO_TEST_CASE(a_credential_expires) {
  Plugin plugin("date -u -d '+1 hour' +'" +
                credential(R"({"token":"%s","expirationTimestamp":"%FT%TZ"})") + "'");
  Credentials credentials(plugin.access, plugin.poller);
  const auto now = Clock::now();
  const std::string first = plugin.ask(credentials, now);
  BOOST_TEST(plugin.ask(credentials, now + 59min) == first);
  BOOST_TEST(plugin.runs() == 1u);
  plugin.ask(credentials, now + 1h);
  BOOST_TEST(plugin.runs() == 2u);
}

BOOST_AUTO_TEST_CASE(what_has_expired_already_is_used_for_a_while) {
  Plugin plugin(
      printing(credential(R"({"token":"old","expirationTimestamp":"2001-01-01T00:00:00Z"})")));
  Credentials credentials(plugin.access, plugin.poller);
  const auto now = Clock::now();
  BOOST_TEST(plugin.ask(credentials, now) == "old");
  BOOST_TEST(plugin.ask(credentials, now + 4s) == "old");
  BOOST_TEST(plugin.runs() == 1u);
  BOOST_TEST(plugin.ask(credentials, now + 6s) == "old");
  BOOST_TEST(plugin.runs() == 2u);
}

BOOST_AUTO_TEST_CASE(what_a_plugin_is_told) {
  Plugin plugin("echo \"$ADDED $1 $KUBERNETES_EXEC_INFO $(cat)\" > $(dirname $0)/told\n" +
                printing(credential(R"({"token":"t"})")));
  plugin.access.exec->provide_cluster_info = true;
  plugin.access.ca.text = "ca";
  Credentials credentials(plugin.access, plugin.poller);
  BOOST_TEST(plugin.ask(credentials, Clock::now()) == "t");
  BOOST_TEST(plugin.folder.read("told") ==
             R"(value an argument {"kind":"ExecCredential",)"
             R"("apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false,)"
             R"("cluster":{"server":"https://a","certificate-authority-data":"Y2E="}}} )"
             "\n");
}

BOOST_AUTO_TEST_CASE(plugins_that_fail) {
  const std::string where = "error: credential plugin PLUGIN: ";
  // clang-format off
  const std::pair<std::string, std::string> kCases[] = {
      {"exit 3", where + "exited with status 3 (install it)"},
      {"kill -9 $$", where + "was ended by signal 9 (install it)"},
      {"head -c 2000000 /dev/zero", where + "printed more than 1 MiB (install it)"},
      {"", "error: PLUGIN: printed nothing (an ExecCredential is expected on its stdout)"},
      {"echo '{'", "error: PLUGIN: line 2, column 1: is not JSON: Missing a name for object member. (the text ends here; was it written to its end?)"},
      {"echo '{}'", "error: PLUGIN: printed missing missing, not an ExecCredential of client.authentication.k8s.io/v1 (the plugin and the kubeconfig must name the same version)"},
      {printing(credential("{}")), "error: PLUGIN: printed neither a token nor a client certificate"},
      {printing(credential(R"({"clientKeyData":"k"})")), "error: PLUGIN: printed a client certificate without its key, or a key alone"},
      {printing(credential(R"({"token":"t","expirationTimestamp":"soon"})")), "error: PLUGIN: $.status.expirationTimestamp: is \"soon\", not a time"},
      {printing(credential(R"({"token":"a\nb"})")), where + "printed a token that cannot stand in a header"},
      {printing(credential(R"({"clientCertificateData":"c","clientKeyData":"k"})")), "ck"},
      // what it leaves behind does not keep us
      {"sleep 1000 &\n" + printing(credential(R"({"token":"t"})")), "t"},
  };
  // clang-format on
  for (const auto& [script, expected] : kCases) {
    Plugin plugin(script);
    Credentials credentials(plugin.access, plugin.poller);
    const auto now = Clock::now();
    BOOST_TEST(plugin.plain(plugin.ask(credentials, now)) == expected, script);
    BOOST_TEST(plugin.plain(plugin.ask(credentials, now)) == expected, script);
    BOOST_TEST(plugin.runs() == 1u);  // not again at once
  }
}

BOOST_AUTO_TEST_CASE(a_plugin_that_is_not_there) {
  Plugin plugin("");
  std::filesystem::remove(plugin.folder.at("plugin"));
  Credentials credentials(plugin.access, plugin.poller);
  BOOST_TEST(
      plugin.plain(plugin.ask(credentials, Clock::now())) ==
      "error: credential plugin PLUGIN: cannot be run: No such file or directory (install it)");
}

BOOST_AUTO_TEST_CASE(a_plugin_that_hangs_is_given_up) {
  Plugin plugin("exec sleep 1000");
  Credentials credentials(plugin.access, plugin.poller);
  const auto now = Clock::now();
  BOOST_TEST(print(credentials.identity(now)) == "later");
  credentials.work(now + 59s);
  BOOST_TEST(print(credentials.identity(now + 59s)) == "later");
  BOOST_REQUIRE(credentials.next().has_value());
  BOOST_TEST((*credentials.next() == now + 60s));
  credentials.work(now + 60s);
  BOOST_TEST(plugin.plain(print(credentials.identity(now + 60s))) ==
             "error: credential plugin PLUGIN: has not answered in 60 s (install it)");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::source
