// Files, directories of manifests and standard input, read piece by piece.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "compiler/snapshot/decode.h"
#include "compiler/types/error.h"

namespace kproxy::kpcompile {

// An open file, or standard input for "-". Never holds more of it than was looked at.
class InputFile {
 public:
  static Result<InputFile> open(const std::string& path);
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;
  ~InputFile();

  // The first character that is not blank, without taking it away; '\0' where there is none.
  char first_character();
  // For a Decoder; refers to this object. An error of reading ends the input, see error().
  snapshot::ReadBytes reader();
  const std::optional<Error>& error() const { return error_; }
  // How messages call it.
  const std::string& name() const { return name_; }

 private:
  InputFile(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}
  std::size_t read(char* buffer, std::size_t size);

  int descriptor_;
  std::string name_;
  std::string peeked_;  // read already, and not yet given away
  std::optional<Error> error_;
};

// A whole file as text: configurations, rulesets and flows, not snapshots.
Result<std::string> read_text(const std::string& path);

bool is_directory(const std::string& path);

// A directory becomes the *.json in it, in order of name; all else stays as it is. An Error for a
// directory without any.
Result<std::vector<std::string>> snapshot_files(const std::vector<std::string>& paths);

}  // namespace kproxy::kpcompile
