// /debug/: what can be seen of the process from inside, and its verbosity, which can be changed.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "runtime/serve/http_response.h"

namespace kproxy::serve {

using Page = std::function<Response(const Request&)>;
using PageMap = std::map<std::string, Page, std::less<>>;  // by exact path

// set_verbosity may be empty.
void add_debug_pages(PageMap& pages, std::function<void(int)> set_verbosity);

}  // namespace kproxy::serve
