#include "runtime/source/snapshot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>

namespace kproxy::source {
namespace {

constexpr int kMaxLinks = 40;  // as the kernel has it for a path
// A file that was created is empty as yet: closing it will tell. A link is whole at once.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ONLYDIR;

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

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Names by directory.
using Places = std::map<std::string, std::set<std::string>>;

void add_place(const std::string& path, Places& places) {
  const std::size_t slash = path.rfind('/');
  places[directory_of(path)].insert(slash == std::string::npos ? path : path.substr(slash + 1));
}

// Every link on the way to the file, and at last the file: the places where a change may lead
// elsewhere.
Places places_on_the_way_to(const std::string& path) {
  Places places;
  add_place(path, places);
  std::string rest = path, done;
  for (int links = 0; links < kMaxLinks && !rest.empty();) {
    const std::size_t start = rest.find_first_not_of('/');
    if (start == std::string::npos) break;
    if (start > 0) done += '/';
    const std::size_t end = rest.find('/', start);
    const std::string part = rest.substr(start, end == std::string::npos ? end : end - start);
    rest = end == std::string::npos ? "" : rest.substr(end);
    const std::string here = done + part;
    char target[PATH_MAX];
    const ssize_t size = readlink(here.c_str(), target, sizeof target);
    if (size <= 0) {
      done = here;
      continue;
    }
    ++links;
    add_place(here, places);
    const std::string to(target, static_cast<std::size_t>(size));
    if (to.front() == '/') done.clear();
    rest = to + rest;
  }
  if (!done.empty()) add_place(done, places);
  return places;
}

bool is_link(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

Error system_error(const std::string& where, const char* what, int number) {
  return Error{where, std::string(what) + ": " + std::strerror(number), ""};
}

}  // namespace

SnapshotFile::SnapshotFile(std::string path, snapshot::StringPool& pool)
    : path_(std::move(path)), pool_(pool) {}

SnapshotFile::~SnapshotFile() {
  if (inotify_ >= 0) close(inotify_);
}

Status SnapshotFile::read(snapshot::Snapshot& snapshot, snapshot::Diagnostics& diagnostics) {
  const File file(path_);
  if (file.fd() < 0) return system_error(path_, "cannot be opened", errno);
  version_ = version_of(file.fd());

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
  std::vector<snapshot::Object> objects;
  snapshot::Decoder decoder(pool_);
  const Status decoded = decoder.decode(
      path_, read_bytes, [&](snapshot::Object object) { objects.push_back(std::move(object)); },
      diagnostics);
  if (read_error != 0) return system_error(path_, "cannot be read", read_error);
  if (!decoded) return decoded;
  snapshot.replace(std::move(objects));
  return ok_status();
}

Status SnapshotFile::watch() {
  if (path_ == "-") return ok_status();
  inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify_ < 0) return system_error(path_, "cannot be watched", errno);
  watch_directories();
  return ok_status();
}

bool SnapshotFile::changed() {
  bool concerned = false;
  alignas(inotify_event) char events[4096];
  ssize_t size;
  while ((size = ::read(inotify_, events, sizeof events)) > 0)
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      concerned = concerned || concerns_file(*event);
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  if (!concerned) return false;
  watch_directories();  // a link may lead elsewhere now
  const File file(path_);
  return file.fd() >= 0 && version_of(file.fd()) != version_;
}

bool SnapshotFile::concerns_file(const inotify_event& event) const {
  if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
  const auto watch = watches_.find(event.wd);
  if (watch == watches_.end() || event.len == 0) return false;
  const auto& [directory, names] = watch->second;
  if (!names.contains(event.name)) return false;
  return (event.mask & IN_CREATE) == 0 || is_link(directory + "/" + event.name);
}

SnapshotFile::Version SnapshotFile::version_of(int fd) const {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Version();
  Version version;
  version.device = status.st_dev;
  version.inode = status.st_ino;
  version.size = static_cast<std::uint64_t>(status.st_size);
  version.modified_seconds = status.st_mtim.tv_sec;
  version.modified_nanoseconds = status.st_mtim.tv_nsec;
  return version;
}

void SnapshotFile::watch_directories() {
  // Adding a watch that exists gives the same number: only those not named again are removed.
  std::map<int, Watched> watches;
  for (auto& [directory, names] : places_on_the_way_to(path_)) {
    const int watch = inotify_add_watch(inotify_, directory.c_str(), kEvents);
    if (watch < 0) continue;
    // Two paths may lead to one directory.
    Watched& watched = watches[watch];
    watched.directory = directory;
    watched.names.merge(std::set<std::string>(names));
  }
  for (const auto& [old, watched] : watches_)
    if (!watches.contains(old)) inotify_rm_watch(inotify_, old);
  watches_ = std::move(watches);
}

}  // namespace kproxy::source
