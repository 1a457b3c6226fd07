#include "runtime/server_settings.h"

#include "runtime/config/version.h"

namespace kproxy {
namespace {

serve::ListenAddress listen_address(const config::Listen& listen) {
  return {listen.address, listen.port,
          listen.address.is_unspecified() && listen.address.family() == Family::ipv6};
}

bool is_on(const config::Settings& settings, std::string_view gate) {
  const auto found = settings.gates.find(gate);
  return found != settings.gates.end() && found->second.on;
}

}  // namespace

serve::BuildInfo build_info(const std::string& version) {
  serve::BuildInfo build;
  const auto dot = version.find('.');
  build.major = version.substr(1, dot - 1);
  build.minor = version.substr(dot + 1, version.find('.', dot + 1) - dot - 1);
  build.git_version = version;
  build.compiler = build.go_version = config::compiler_version();
  build.platform = config::platform();
  return build;
}

serve::Settings server_settings(const config::CommandLine& line) {
  const config::Settings& settings = line.settings;
  serve::Settings served;
  if (settings.healthz) served.health = listen_address(*settings.healthz);
  if (settings.metrics) served.metrics = listen_address(*settings.metrics);
  const serve::BuildInfo build = build_info(line.version);
  serve::PageSettings& pages = served.pages;
  pages.flags = line.flags;
  pages.binary_version = line.version.substr(1);
  pages.emulation_version = build.major + "." + build.minor;
  pages.toolchain = build.compiler;
  pages.flagz = is_on(settings, "ComponentFlagz");
  pages.statusz = is_on(settings, "ComponentStatusz");
  pages.profiling = settings.profiling;
  return served;
}

}  // namespace kproxy
