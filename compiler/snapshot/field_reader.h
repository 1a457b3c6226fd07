// Reads typed fields out of a Tree and says exactly where one is wrong.
//
// An absent or null field reads as its type's default; a field of the wrong type is an Error that
// names input, JSON path and object, and the reader has failed: it gives defaults from then on and
// says no more, so that one bad object costs one line. A reader for an entry of an object (a port,
// an endpoint) is made from the object's and fails for itself. Cheap to make; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/snapshot/decode.h"
#include "compiler/snapshot/tree.h"
#include "compiler/types/name.h"

namespace kproxy::snapshot {

// Collects what is to be said about one input, and no more than so many lines of it: a large and
// thoroughly bad input must not fill the memory.
class Report {
 public:
  static constexpr std::size_t kMost = 1000;  // of each kind

  Report(std::string_view input, Diagnostics& diagnostics)
      : input_(input), diagnostics_(diagnostics) {}

  // Counts one; whether it is to be said with say_error (say_warning), which is not worth preparing
  // otherwise.
  bool takes_error() { return ++errors_ <= kMost; }
  bool takes_warning() { return ++warnings_ <= kMost; }
  void say_error(std::string_view where, std::string what, std::string hint = {});
  void say_warning(std::string_view where, std::string what, std::string hint = {});
  // Says how many there were that were not listed.
  void finish();

 private:
  Error line(std::string_view where, std::string what, std::string hint) const;

  std::string_view input_;
  Diagnostics& diagnostics_;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

// The object that messages are about.
struct Subject {
  Report& report;
  std::string path;       // of the object in the input: "$.items[3]"
  std::string_view kind;  // "Service"
  ObjectName name{};      // once it is known
};

class FieldReader {
 public:
  explicit FieldReader(const Subject& subject) : subject_(&subject) {}

  bool failed() const { return failed_; }

  Value object(Value of, std::string_view key);
  // A list, absent or null for none. Iterate over it, or over no element.
  Value list(Value of, std::string_view key);
  std::string_view text(Value of, std::string_view key);
  std::optional<std::int64_t> integer(Value of, std::string_view key);
  bool boolean(Value of, std::string_view key, bool otherwise);
  // 1..65535; 0 where it is absent, null or 0.
  Port port(Value of, std::string_view key);
  // A name that is plain and no longer than `longest`. Empty where it is absent.
  std::string_view name(Value of, std::string_view key, std::size_t longest);
  std::string_view required_name(Value of, std::string_view key, std::size_t longest);
  Protocol protocol(Value of);  // TCP where it is absent

  // An element of a list, by itself.
  std::string_view text(Value value);
  std::string_view text_or_null(Value value);  // null: empty

  // `what` follows "is <the value>, ": "not a port number".
  void wrong(Value value, std::string_view what);
  // A field that may be absent is wrong otherwise: "is missing".
  void wrong(Value of, std::string_view key, std::string what);
  void warning(Value value, std::string what, std::string hint = {});

 private:
  bool expect(Value value, Kind kind, std::string_view what);
  // Fails; whether there is something to be said about it.
  bool fail();
  std::string where(const std::string& path) const;

  const Subject* subject_;
  bool failed_ = false;
};

}  // namespace kproxy::snapshot
