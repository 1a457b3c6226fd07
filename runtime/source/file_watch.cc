#include "runtime/source/file_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <utility>

namespace kproxy::source {
namespace {

// After which that is tried again that no event tells of.
constexpr auto kLookAgain = std::chrono::seconds(1);
constexpr int kMaxLinks = 40;  // as the kernel has it for a path
// A watch stays with its directory, wherever that goes; at the path there may be another one then.
constexpr std::uint32_t kDirectoryGone = IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT;
// A file that was created is empty as yet: closing it will tell. A link is whole at once.
constexpr std::uint32_t kEvents =
    IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR;

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

// These limits are for all processes of a user: others may have used them up.
Error cannot_be_watched(const std::string& path, int error) {
  return {path, std::string("cannot be watched: ") + std::strerror(error),
          error == ENOSPC   ? "raise the sysctl fs.inotify.max_user_watches"
          : error == EMFILE ? "raise the sysctl fs.inotify.max_user_instances"
                            : ""};
}

}  // namespace

FileWatch::~FileWatch() {
  if (inotify_ >= 0) close(inotify_);
}

Status FileWatch::start() {
  inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify_ < 0) return cannot_be_watched(path_, errno);
  poller_.emplace();
  if (const Status status = poller_->status(); !status)
    return Error{path_, status.error().what, ""};
  poller_->watch(inotify_, EPOLLIN);
  return watch_directories();
}

void FileWatch::know(int fd) {
  known_ = version_of(fd);
}

void FileWatch::know_present() {
  if (const int fd = open_file(); fd >= 0) {
    know(fd);
    close(fd);
  }
}

FileWatch::Change FileWatch::changed() {
  bool concerned = std::exchange(looks_again_, false);
  poller_->set_timer(std::nullopt);
  alignas(inotify_event) char events[4096];
  ssize_t size;
  while ((size = ::read(inotify_, events, sizeof events)) > 0)
    for (ssize_t at = 0; at < size;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      concerned = concerned || concerns_file(*event);
      at += static_cast<ssize_t>(sizeof *event + event->len);
    }
  if (!concerned) return Change::none;
  // A link may lead elsewhere now. What cannot be watched for a while is looked at.
  if (!watch_directories()) look_again();
  const int fd = open_file();
  if (fd < 0) return Change::none;
  const Version now = version_of(fd);
  close(fd);
  if (now == known_) return Change::none;
  return now.path == known_.path ? Change::rewritten : Change::relinked;
}

void FileWatch::not_opened(int error) {
  if (error == EMFILE || error == ENFILE) look_again();
}

int FileWatch::open_file() {
  const int fd = open(path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) not_opened(errno);
  return fd;
}

void FileWatch::look_again() {
  if (!poller_) return;
  looks_again_ = true;
  poller_->set_timer(kLookAgain);
}

bool FileWatch::concerns_file(const inotify_event& event) const {
  if ((event.mask & IN_Q_OVERFLOW) != 0) return true;
  const auto watch = watches_.find(event.wd);
  if (watch == watches_.end()) return false;
  if ((event.mask & kDirectoryGone) != 0) return true;
  if (event.len == 0) return false;
  const auto& [directory, names] = watch->second;
  if (!names.contains(event.name)) return false;
  return (event.mask & IN_CREATE) == 0 || is_link(directory + "/" + event.name);
}

FileWatch::Version FileWatch::version_of(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) return Version();
  Version version;
  version.device = status.st_dev;
  version.inode = status.st_ino;
  version.size = static_cast<std::uint64_t>(status.st_size);
  version.modified_seconds = status.st_mtim.tv_sec;
  version.modified_nanoseconds = status.st_mtim.tv_nsec;
  char path[PATH_MAX];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), path, sizeof path);
  if (length > 0) version.path.assign(path, static_cast<std::size_t>(length));
  return version;
}

Status FileWatch::watch_directories() {
  Status status = ok_status();
  // Adding a watch that exists gives the same number: only those not named again are removed.
  std::map<int, Watched> watches;
  for (auto& [directory, names] : places_on_the_way_to(path_)) {
    const int watch = inotify_add_watch(inotify_, directory.c_str(), kEvents);
    if (watch < 0) {
      // No event will tell when a directory comes to be there.
      if (errno == ENOENT || errno == ENOTDIR)
        look_again();
      else if (status)
        status = cannot_be_watched(directory, errno);
      continue;
    }
    // Two paths may lead to one directory.
    Watched& watched = watches[watch];
    watched.directory = directory;
    watched.names.merge(std::set<std::string>(names));
  }
  for (const auto& [old, watched] : watches_)
    if (!watches.contains(old)) inotify_rm_watch(inotify_, old);
  watches_ = std::move(watches);
  return status;
}

}  // namespace kproxy::source
