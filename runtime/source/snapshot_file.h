// The cluster from a file: reads it, and tells when it has changed.
//
// It may be written in place, replaced by rename, or reached through symlinks that are switched
// (see FileWatch). A file that cannot be read or is no JSON leaves the snapshot as it was. Not
// thread-safe.
#pragma once

#include <string>

#include "compiler/snapshot/decode.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/types/error.h"
#include "runtime/source/file_watch.h"

namespace kproxy::source {

class SnapshotFile {
 public:
  // path "-" is stdin, which can be read once and does not change.
  SnapshotFile(std::string path, snapshot::StringPool& pool);

  // Makes the snapshot what the file says.
  Status read(snapshot::Snapshot& snapshot, snapshot::Diagnostics& diagnostics);

  // Starts to watch; from then on fd() becomes readable when something happened near the file.
  Status watch();
  int fd() const { return watch_.fd(); }
  // Takes what is readable from fd(); returns whether the file is another one, or was written,
  // since the last read().
  bool changed();

 private:
  const std::string path_;
  snapshot::StringPool& pool_;
  FileWatch watch_;
};

}  // namespace kproxy::source
