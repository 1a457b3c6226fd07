#include "runtime/config/version.h"

#include <regex>

namespace kproxy::config {

std::string_view own_version() {
  return KPROXY_VERSION;
}

std::string_view compiler_version() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "gcc " __VERSION__;
#endif
}

std::string_view platform() {
#if defined(__x86_64__)
  return "linux/amd64";
#elif defined(__aarch64__)
  return "linux/arm64";
#elif defined(__arm__)
  return "linux/arm";
#elif defined(__powerpc64__)
  return "linux/ppc64le";
#elif defined(__s390x__)
  return "linux/s390x";
#elif defined(__riscv)
  return "linux/riscv64";
#else
  return "linux/unknown";
#endif
}

bool is_semantic_version(std::string_view text) {
  static const std::regex kForm(R"(v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?)");
  return text.size() < 256 && std::regex_match(text.begin(), text.end(), kForm);
}

std::string version_details(std::string_view reported) {
  const std::size_t first = reported.find('.');
  const std::size_t second = reported.find('.', first + 1);
  const auto member = [](const char* name, std::string_view value) {
    return std::string("\"") + name + "\":\"" + std::string(value) + '"';
  };
  return '{' + member("major", reported.substr(1, first - 1)) + ',' +
         member("minor", reported.substr(first + 1, second - first - 1)) + ',' +
         member("gitVersion", reported) + ',' + member("kproxyVersion", own_version()) + ',' +
         member("compiler", compiler_version()) + ',' + member("platform", platform()) + '}';
}

}  // namespace kproxy::config
