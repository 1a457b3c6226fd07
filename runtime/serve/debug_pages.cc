#include "runtime/serve/debug_pages.h"

#include <malloc.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace kproxy::serve {
namespace {

constexpr const char* kPrefix = "/debug/pprof/";
constexpr const char* kNoSampling =
    "This process does not sample itself. From outside: perf record -g --pid PID\n";

struct Profile {
  const char* name;
  const char* what;
  Response (*answer)(const Request&);
};

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// XML of the C library: every arena, with what is free in it and what it has from the system.
Response heap(const Request&) {
  char* text = nullptr;
  std::size_t size = 0;
  FILE* file = open_memstream(&text, &size);
  if (file == nullptr) return plain_text(503, "out of memory\n");
  malloc_info(0, file);
  std::fclose(file);
  Response response = plain_text(200, std::string(text, size));
  std::free(text);
  response.compressible = true;
  return response;
}

Response maps(const Request&) {
  Response response = plain_text(200, read_file("/proc/self/maps"));
  response.compressible = true;
  return response;
}

Response command_line(const Request&) {
  std::string text = read_file("/proc/self/cmdline");
  if (text.ends_with('\0')) text.pop_back();
  return plain_text(200, text);
}

// One line a thread: its number and name, what it waits for in the kernel, and its stat(5) line.
Response threads(const Request&) {
  std::string text;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error))
    text += task.path().filename().string() + " waits in " + read_file(task.path() / "wchan") +
            ": " + read_file(task.path() / "stat");
  return plain_text(200, text);
}

Response not_sampled(const Request&) {
  return plain_text(501, kNoSampling);
}

constexpr Profile kProfiles[] = {
    {"cmdline", "the command line, arguments separated by NUL", command_line},
    {"heap", "statistics of the allocator, as XML", heap},
    {"maps", "mapped memory", maps},
    {"threads", "threads, and what each waits for", threads},
    {"profile", "not available: this process does not sample itself", not_sampled},
    {"trace", "not available: likewise", not_sampled},
};

Response profile_index(const Request&) {
  std::string text = std::string(kPrefix) + "\n\n";
  for (const Profile& profile : kProfiles)
    text += std::string(profile.name) + ": " + profile.what + '\n';
  return plain_text(200, text);
}

Response put_verbosity(const Request& request, const std::function<void(int)>& set_verbosity) {
  if (request.method != "PUT")
    return plain_text(406, "PUT an integer here to change the verbosity\n");
  std::string_view text = request.body;
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  int level = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), level);
  if (error != std::errc() || end != text.data() + text.size())
    return plain_text(400, "the body is not an integer\n");
  set_verbosity(level);
  return plain_text(200, "verbosity is now " + std::to_string(level));
}

}  // namespace

void add_debug_pages(PageMap& pages, std::function<void(int)> set_verbosity) {
  pages["/debug/pprof"] = pages[kPrefix] = profile_index;
  for (const Profile& profile : kProfiles)
    pages[std::string(kPrefix) + profile.name] = profile.answer;
  if (!set_verbosity) return;
  pages["/debug/flags"] = pages["/debug/flags/"] = [](const Request&) {
    return plain_text(200, "v: PUT an integer to /debug/flags/v\n");
  };
  pages["/debug/flags/v"] = [set = std::move(set_verbosity)](const Request& request) {
    return put_verbosity(request, set);
  };
}

}  // namespace kproxy::serve
