// Which versions kproxy is of.
#pragma once

#include <string>
#include <string_view>

namespace kproxy::config {

// The Kubernetes release whose kube-proxy kproxy stands in for.
inline constexpr std::string_view kKubernetesVersion = "v1.36.2";

// kproxy's own.
std::string_view own_version();

// What it was built with: "gcc 12.2.0", "linux/amd64".
std::string_view compiler_version();
std::string_view platform();

// "v1.36.2", "v1.36.2-site.1+abc".
bool is_semantic_version(std::string_view text);

// All of it, as one JSON object; `reported` in place of kKubernetesVersion.
std::string version_details(std::string_view reported);

}  // namespace kproxy::config
