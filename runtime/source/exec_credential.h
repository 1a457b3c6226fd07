// What a credential plugin prints: an ExecCredential of client.authentication.k8s.io.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/types/error.h"
#include "runtime/config/api_access.h"

namespace kproxy::source {

struct ExecCredential {
  std::string token;
  std::string certificate;  // PEM, together with a key
  std::string key;
  std::optional<std::chrono::system_clock::time_point> expires;
};

// `where` names the plugin in errors.
Result<ExecCredential> decode_exec_credential(const std::string& where, std::string_view text,
                                              const std::string& api_version);

// What the plugin is told, in the environment variable KUBERNETES_EXEC_INFO.
std::string exec_info(const config::ApiAccess& access, const std::string& ca);

}  // namespace kproxy::source
