// Where results and complaints go: results to standard output or a file, complaints to standard
// error, one line each.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "compiler/types/error.h"

namespace kproxy::kpcompile {

// Prints what it is told at once, and counts it.
class Diagnostics {
 public:
  void error(const Error& error) { print("error: ", error); }
  void warning(const Error& warning) { print("warning: ", warning); }
  void errors(const Errors& errors) {
    for (const Error& each : errors) error(each);
  }
  void warnings(const Errors& warnings) {
    for (const Error& each : warnings) warning(each);
  }
  std::size_t count() const { return count_; }

 private:
  void print(std::string_view severity, const Error& error);
  std::size_t count_ = 0;
};

// A file, created or overwritten, or standard output for "" and "-"; /dev/stdout and its like go on
// where they are. After the first failure writes do nothing, and close() tells it.
class Output {
 public:
  explicit Output(const std::string& path);
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;
  ~Output();

  void write(std::string_view text);
  Status close();

 private:
  void fail(std::string_view doing);

  std::string name_;
  int descriptor_;
  Status status_ = ok_status();
};

// Opens, writes, closes. Failure is told to `diagnostics`; returns whether there was none.
bool write_all(const std::string& path, std::string_view text, Diagnostics& diagnostics);

}  // namespace kproxy::kpcompile
