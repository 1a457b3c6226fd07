#include "runtime/config/text_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

namespace kproxy::config {

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file) return Error{path, std::string("cannot be read: ") + std::strerror(errno), ""};
  return std::move(text).str();
}

Status write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  if (file) file << text << std::flush;
  if (!file) return Error{path, std::string("cannot be written: ") + std::strerror(errno), ""};
  return ok_status();
}

}  // namespace kproxy::config
