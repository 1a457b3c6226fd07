// Puts the objects of an input into a snapshot, and tells of those that are in it twice and differ.
//
// No cluster has two objects of one kind and name: an input that does was put together by hand, and
// the later of them counts. Which ones were put already is known to the snapshot; nothing is held
// here. Not thread-safe.
#pragma once

#include "compiler/snapshot/field_reader.h"
#include "compiler/snapshot/snapshot.h"

namespace kproxy::snapshot {

class Collector {
 public:
  // `input` names the source in diagnostics. The snapshot has begun lists, or was empty before.
  Collector(std::string_view input, Snapshot& snapshot, Diagnostics& diagnostics)
      : snapshot_(snapshot), report_(input, diagnostics) {}

  void put(Object object);
  // All have been put.
  void finish() { report_.finish(); }

 private:
  Snapshot& snapshot_;
  Report report_;
};

}  // namespace kproxy::snapshot
