// The configuration in force, whole: every field of KubeProxyConfiguration with what was given or
// its default, and that as text, for --write-config-to and /configz.
#pragma once

#include <string>

#include "compiler/options/fields.h"

namespace kproxy::config {

enum class Origin : std::uint8_t { file, flags };

// Every field. Beside the plain defaults: in a file an IPv6 bindAddress makes the servers' default
// addresses IPv6 ones; a server's address without a port gets its port; and there is one mode.
options::Values effective(options::Values given, Origin origin);

// The address with that port if it is one without: "::1" and 10249 make "[::1]:10249".
std::string with_port(const std::string& address, const std::string& port);

// A document that --config reads back to the same.
std::string to_yaml(const options::Values& values);
// One object, in one line.
std::string to_json(const options::Values& values);

}  // namespace kproxy::config
