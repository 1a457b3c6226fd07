// The cluster from a file: reads it, and tells when it has changed.
//
// Changes are noticed through inotify on the directories that lead to the file, so that it may be
// written in place, replaced by rename, or reached through symlinks that are switched, as the
// kubelet does with ConfigMaps (file -> ..data/file, ..data -> a dated directory). A file that
// cannot be read or is no JSON leaves the snapshot as it was. Not thread-safe.
#pragma once

#include <map>
#include <set>
#include <string>

#include "compiler/snapshot/decode.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/types/error.h"

struct inotify_event;

namespace kproxy::source {

class SnapshotFile {
 public:
  // path "-" is stdin, which can be read once and does not change.
  SnapshotFile(std::string path, snapshot::StringPool& pool);
  ~SnapshotFile();
  SnapshotFile(const SnapshotFile&) = delete;
  SnapshotFile& operator=(const SnapshotFile&) = delete;

  // Makes the snapshot what the file says.
  Status read(snapshot::Snapshot& snapshot, snapshot::Diagnostics& diagnostics);

  // Starts to watch; from then on fd() becomes readable when something happened near the file.
  Status watch();
  int fd() const { return inotify_; }
  // Takes what is readable from fd(); returns whether the file is another one, or was written,
  // since the last read().
  bool changed();

 private:
  // What tells one version of the file from another.
  struct Version {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t modified_seconds = 0, modified_nanoseconds = 0;
    bool operator==(const Version&) const = default;
  };

  Version version_of(int fd) const;
  // A directory, and what in it is on the way to the file.
  struct Watched {
    std::string directory;
    std::set<std::string> names;
  };

  bool concerns_file(const inotify_event& event) const;
  void watch_directories();

  const std::string path_;
  snapshot::StringPool& pool_;
  Version version_;
  int inotify_ = -1;
  std::map<int, Watched> watches_;
};

}  // namespace kproxy::source
