#include "compiler/kpcompile/input.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace kproxy::kpcompile {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

std::string quoted(const std::string& path) {
  return path.empty() ? "\"\"" : path;
}

}  // namespace

Result<InputFile> InputFile::open(const std::string& path) {
  if (path == "-") return InputFile(STDIN_FILENO, "standard input");
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return Error{quoted(path), std::string("cannot be opened: ") + std::strerror(errno), {}};
  return InputFile(descriptor, path);
}

InputFile::InputFile(InputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)),
      name_(std::move(other.name_)),
      peeked_(std::move(other.peeked_)),
      error_(std::move(other.error_)) {}

InputFile::~InputFile() {
  if (descriptor_ > STDIN_FILENO) ::close(descriptor_);
}

char InputFile::first_character() {
  for (std::size_t looked_at = 0;;) {
    const std::size_t found = peeked_.find_first_not_of(" \t\r\n", looked_at);
    if (found != std::string::npos) return peeked_[found];
    looked_at = peeked_.size();
    std::string more(kPiece, '\0');
    more.resize(read(more.data(), more.size()));
    if (more.empty()) return '\0';
    peeked_ += more;
  }
}

snapshot::ReadBytes InputFile::reader() {
  return [this](char* buffer, std::size_t size) {
    if (peeked_.empty()) return read(buffer, size);
    const std::size_t given = std::min(size, peeked_.size());
    std::memcpy(buffer, peeked_.data(), given);
    peeked_.erase(0, given);
    return given;
  };
}

std::size_t InputFile::read(char* buffer, std::size_t size) {
  if (error_) return 0;
  for (;;) {
    const ssize_t got = ::read(descriptor_, buffer, size);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    error_ = Error{name_, std::string("cannot be read: ") + std::strerror(errno), {}};
    return 0;
  }
}

Result<std::string> read_text(const std::string& path) {
  Result<InputFile> file = InputFile::open(path);
  if (!file) return file.error();
  const snapshot::ReadBytes read = file->reader();
  std::string text;
  for (std::size_t size = 0;;) {
    text.resize(size + kPiece);
    const std::size_t got = read(text.data() + size, kPiece);
    text.resize(size += got);
    if (got == 0) break;
  }
  if (file->error()) return *file->error();
  return text;
}

bool is_directory(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

Result<std::vector<std::string>> snapshot_files(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> manifests;
    std::error_code failure;
    for (std::filesystem::directory_iterator entry(path, failure), end; !failure && entry != end;
         entry.increment(failure))
      if (entry->path().extension() == ".json") manifests.push_back(entry->path().string());
    if (failure) return Error{path, "cannot be listed: " + failure.message(), {}};
    if (manifests.empty())
      return Error{path, "is a directory without *.json", "kubectl get ... -o json writes them"};
    std::sort(manifests.begin(), manifests.end());
    files.insert(files.end(), manifests.begin(), manifests.end());
  }
  return files;
}

}  // namespace kproxy::kpcompile
