#include "compiler/kpcompile/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "compiler/types/descriptor.h"

namespace kproxy::kpcompile {

void Diagnostics::print(std::string_view severity, const Error& error) {
  ++count_;
  const std::string line = "kpcompile: " + std::string(severity) + error.message() + '\n';
  std::fwrite(line.data(), 1, line.size(), stderr);
}

Output::Output(const std::string& path)
    : name_(path.empty() || path == "-" ? "standard output" : path), descriptor_(STDOUT_FILENO) {
  if (path.empty() || path == "-") return;
  const std::optional<int> own = own_descriptor(path);
  descriptor_ = own ? ::fcntl(*own, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                    : ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail("opened");
}

Output::~Output() {
  if (descriptor_ > STDOUT_FILENO) ::close(descriptor_);
}

void Output::write(std::string_view text) {
  while (status_ && !text.empty()) {
    const ssize_t written = ::write(descriptor_, text.data(), text.size());
    if (written >= 0)
      text.remove_prefix(static_cast<std::size_t>(written));
    else if (errno != EINTR)
      fail("written");
  }
}

Status Output::close() {
  const int descriptor = std::exchange(descriptor_, -1);
  if (descriptor > STDOUT_FILENO && ::close(descriptor) != 0 && status_) fail("written");
  return status_;
}

void Output::fail(std::string_view doing) {
  status_ = Error{name_, "cannot be " + std::string(doing) + ": " + std::strerror(errno), {}};
}

bool write_all(const std::string& path, std::string_view text, Diagnostics& diagnostics) {
  Output output(path);
  output.write(text);
  const Status closed = output.close();
  if (!closed) diagnostics.error(closed.error());
  return closed.ok();
}

}  // namespace kproxy::kpcompile
