// Lines for operators in klog's form, as every Kubernetes component writes them:
//
//   I1121 02:11:53.123456    4711 daemon.cc:42] "Synced" services=35 elements=1043
//
// or, as JSON, in that of component-base:
//
//   {"ts":1763691113123.456,"caller":"runtime/daemon.cc:42","msg":"Synced","v":2,"services":35}
//
// One write(2) a line, so that lines of several threads do not mix; any thread may log, and set the
// verbosity.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "compiler/types/error.h"
#include "runtime/log/verbosity.h"

namespace kproxy::log {

// A key and a value. Text is quoted where it is written, numbers are not.
struct Field {
  Field(std::string_view key, std::string_view value);
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, long long value);
  Field(std::string_view key, long value) : Field(key, static_cast<long long>(value)) {}
  Field(std::string_view key, int value) : Field(key, static_cast<long long>(value)) {}
  Field(std::string_view key, unsigned value) : Field(key, static_cast<long long>(value)) {}
  Field(std::string_view key, std::size_t value) : Field(key, static_cast<long long>(value)) {}
  Field(std::string_view key, double value);  // three decimals

  std::string key;
  std::string value;
  bool is_text = false;
};
using Fields = std::initializer_list<Field>;

// The line of source that logs. As std::source_location, which clang 14 lacks.
struct Place {
  static constexpr Place here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }

  const char* file;
  int line;
};

enum class Format : std::uint8_t { text, json };

struct Target {
  Format format = Format::text;
  int info = 2;    // file descriptors, not owned: of information,
  int errors = 2;  // and of warnings and errors
};

class Log {
 public:
  // verbosity: as -v; lines of a higher level are left out.
  Log(int fd, int verbosity) : Log(Target{Format::text, fd, fd}, verbosity) {}
  Log(Target target, int verbosity) : target_(target), verbosity_(verbosity) {}

  // level: 0 always, 2 a line for each sync, 4 details.
  void info(int level, std::string_view message, Fields fields = {},
            Place where = Place::here()) const;
  void warning(std::string_view message, Fields fields = {}, Place where = Place::here()) const;
  void error(std::string_view message, const Error& error, Fields fields = {},
             Place where = Place::here()) const;

  Verbosity& verbosity() { return verbosity_; }
  const Verbosity& verbosity() const { return verbosity_; }

 private:
  Target target_;
  Verbosity verbosity_;
};

}  // namespace kproxy::log
