// Reads a kubeconfig: the cluster and the user of its current context.
#pragma once

#include <string>

#include "runtime/config/api_access.h"

namespace kproxy::config {

// `path` names the text in errors; files that the text names are found from its folder. A `master`
// that is not empty stands in place of the cluster's server.
Result<ApiAccess> parse_kubeconfig(const std::string& path, const std::string& text,
                                   const std::string& master);

}  // namespace kproxy::config
