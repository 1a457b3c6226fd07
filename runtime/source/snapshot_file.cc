#include "runtime/source/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstring>

#include "compiler/snapshot/collector.h"

namespace kproxy::source {
namespace {

class File {
 public:
  explicit File(const std::string& path)
      : fd_(path == "-" ? dup(STDIN_FILENO) : open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

Error system_error(const std::string& where, const char* what, int number) {
  return Error{where, std::string(what) + ": " + std::strerror(number), ""};
}

}  // namespace

SnapshotFile::SnapshotFile(std::string path, snapshot::StringPool& pool)
    : path_(std::move(path)), pool_(pool), watch_(path_) {}

Status SnapshotFile::read(snapshot::Snapshot& snapshot, snapshot::Diagnostics& diagnostics) {
  const File file(path_);
  if (file.fd() < 0) {
    const int error = errno;
    watch_.not_opened(error);
    return system_error(path_, "cannot be opened", error);
  }
  watch_.know(file.fd());

  int read_error = 0;
  const auto read_bytes = [&](char* buffer, std::size_t size) -> std::size_t {
    for (;;) {
      const ssize_t n = ::read(file.fd(), buffer, size);
      if (n >= 0) return static_cast<std::size_t>(n);
      if (errno == EINTR) continue;
      read_error = errno;
      return 0;
    }
  };
  // At first objects are put where they are to stay; later a file that breaks off must not have
  // changed anything.
  const bool first =
      snapshot.services().empty() && snapshot.nodes().empty() && snapshot.service_cidrs().empty();
  snapshot::Collector collector(path_, snapshot, diagnostics);
  std::vector<snapshot::Object> objects;
  snapshot::Decoder decoder(pool_);
  Status decoded = decoder.decode(
      path_, read_bytes,
      [&](snapshot::Object object) {
        first ? collector.put(std::move(object)) : objects.push_back(std::move(object));
      },
      diagnostics);
  if (read_error != 0) decoded = system_error(path_, "cannot be read", read_error);
  if (!first && decoded) {
    snapshot.begin_lists();
    for (snapshot::Object& object : objects) collector.put(std::move(object));
    snapshot.end_lists();
  }
  collector.finish();
  if (first && !decoded) snapshot = snapshot::Snapshot();
  return decoded;
}

Status SnapshotFile::watch() {
  return path_ == "-" ? ok_status() : watch_.start();
}

bool SnapshotFile::changed() {
  return watch_.changed() != FileWatch::Change::none;
}

}  // namespace kproxy::source
