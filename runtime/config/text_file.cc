#include "runtime/config/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

#include "compiler/types/descriptor.h"

namespace kproxy::config {

Result<std::string> read_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file) return Error{path, std::string("cannot be read: ") + std::strerror(errno), ""};
  return std::move(text).str();
}

Status write_text(const std::string& path, const std::string& text) {
  const std::optional<int> own = own_descriptor(path);
  const int fd = own ? fcntl(*own, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                     : open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  const auto failure = [&]() -> Error {
    return {path, std::string("cannot be written: ") + std::strerror(errno), ""};
  };
  if (fd < 0) return failure();
  Status status = ok_status();
  for (std::string_view rest = text; status && !rest.empty();) {
    const ssize_t n = write(fd, rest.data(), rest.size());
    if (n >= 0)
      rest.remove_prefix(static_cast<std::size_t>(n));
    else if (errno != EINTR)
      status = failure();
  }
  if (close(fd) != 0 && status) status = failure();
  return status;
}

}  // namespace kproxy::config
