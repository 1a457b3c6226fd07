// Tells when the file at a path is another one, or was written.
//
// Changes are noticed through inotify on the directories that lead to the file, so that it may be
// written in place, replaced by rename, or reached through symlinks that are switched, as the
// kubelet does with ConfigMaps (file -> ..data/file, ..data -> a dated directory). Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "compiler/types/error.h"
#include "runtime/source/poller.h"

struct inotify_event;

namespace kproxy::source {

class FileWatch {
 public:
  enum class Change : std::uint8_t {
    none,
    rewritten,  // written in place, or replaced where it lies
    relinked,   // a symlink on the way leads to another file now
  };

  explicit FileWatch(std::string path) : path_(std::move(path)) {}
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  // Starts to watch; from then on fd() becomes readable when something happened near the file. An
  // error if a directory that is there cannot be watched: nobody would hear of a change.
  Status start();
  int fd() const { return poller_ ? poller_->fd() : -1; }

  // The version of the file that is open as `fd` is the one that is known.
  void know(int fd);
  void know_present();  // the one at the path now

  // The file could not be opened for this reason. If that is one that passes by itself, fd()
  // becomes readable before long.
  void not_opened(int error);

  // Takes what is readable from fd(); says how the file differs from the version that is known. A
  // file that is not there, for now, is no change.
  Change changed();

 private:
  // What tells one version of the file from another.
  struct Version {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_seconds = 0, modified_nanoseconds = 0;
    std::string path;  // without symlinks
    bool operator==(const Version&) const = default;
  };
  static Version version_of(int fd);
  int open_file();
  void look_again();

  // A directory, and what in it is on the way to the file.
  struct Watched {
    std::string directory;
    std::set<std::string> names;
  };

  bool concerns_file(const inotify_event& event) const;
  Status watch_directories();

  const std::string path_;
  Version known_;
  int inotify_ = -1;
  std::optional<Poller> poller_;  // of inotify_, and of a time to look again
  bool looks_again_ = false;
  std::map<int, Watched> watches_;
};

}  // namespace kproxy::source
