// Lines for operators in klog's form, as every Kubernetes component writes them:
//
//   I1121 02:11:53.123456    4711 daemon.cc:42] "Synced" services=35 elements=1043
//
// One write(2) a line, so that lines of several threads do not mix; any thread may log. Verbosity
// is set once, at construction.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "compiler/types/error.h"

namespace kproxy::log {

// key=value; strings are quoted.
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

  std::string text;
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

class Log {
 public:
  // fd: usually 2; not owned. verbosity: as -v; lines of a higher level are left out.
  Log(int fd, int verbosity) : fd_(fd), verbosity_(verbosity) {}

  // level: 0 always, 2 a line for each sync, 4 details.
  void info(int level, std::string_view message, Fields fields = {},
            Place where = Place::here()) const;
  void warning(std::string_view message, Fields fields = {}, Place where = Place::here()) const;
  void error(std::string_view message, const Error& error, Place where = Place::here()) const;

 private:
  void write(char severity, std::string_view message, Fields fields, Place where) const;

  int fd_;
  int verbosity_;
};

}  // namespace kproxy::log
