#include "runtime/log/log.h"

#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "compiler/types/json_text.h"
#include "compiler/types/utf8.h"

namespace kproxy::log {
namespace {

struct Line {
  char severity;
  int level;  // of information; warnings and errors have none
  std::string_view message;
  Fields fields;
  const Error* error;
  Place where;
};

// As Go's %q writes it, for the characters that occur: a line stays a line.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const char c = text.front();
    const std::size_t size = utf8_size(text);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (size == 0 || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(c));
      out += escape;
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  out += '"';
}

// The last `parts` parts of a path.
std::string_view tail(std::string_view path, int parts) {
  std::size_t at = path.size();
  while (parts-- > 0 && at != std::string_view::npos && at > 0) at = path.rfind('/', at - 1);
  return at == std::string_view::npos || at == 0 ? path : path.substr(at + 1);
}

std::string text_line(const Line& line) {
  timeval now{};
  gettimeofday(&now, nullptr);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  char head[64];
  std::snprintf(head, sizeof head, "%c%02d%02d %02d:%02d:%02d.%06ld %7d ", line.severity,
                local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                static_cast<long>(now.tv_usec), static_cast<int>(getpid()));
  std::string out = head;
  out += tail(line.where.file, 1);
  out += ':' + std::to_string(line.where.line) + "] ";
  append_quoted(out, line.message);
  const auto add = [&out](const Field& field) {
    out += ' ' + field.key + '=';
    if (field.is_text)
      append_quoted(out, field.value);
    else
      out += field.value;
  };
  if (line.error != nullptr) add({"err", line.error->message()});
  for (const Field& field : line.fields) add(field);
  return out + '\n';
}

std::string json_line(const Line& line) {
  timeval now{};
  gettimeofday(&now, nullptr);
  char head[64];  // milliseconds, with a fraction
  std::snprintf(head, sizeof head,
                "{\"ts\":%lld%03ld.%03ld,\"caller\":", static_cast<long long>(now.tv_sec),
                static_cast<long>(now.tv_usec / 1000), static_cast<long>(now.tv_usec % 1000));
  std::string out = head;
  out += json_text(std::string(tail(line.where.file, 2)) + ':' + std::to_string(line.where.line));
  const auto add = [&out](const Field& field) {
    out += ',' + json_text(field.key) + ':';
    out += field.is_text ? json_text(field.value) : field.value;
  };
  add({"msg", line.message});
  if (line.error != nullptr)
    add({"err", line.error->message()});
  else
    add({"v", line.level});
  for (const Field& field : line.fields) add(field);
  return out + "}\n";
}

void write(const Target& target, const Line& line) {
  const std::string text = target.format == Format::json ? json_line(line) : text_line(line);
  const int fd = line.severity == 'I' ? target.info : target.errors;
  // A log that cannot be written is no reason to stop serving.
  [[maybe_unused]] const ssize_t written = ::write(fd, text.data(), text.size());
}

}  // namespace

Field::Field(std::string_view key, std::string_view value)
    : key(key), value(value), is_text(true) {}

Field::Field(std::string_view key, long long value) : key(key), value(std::to_string(value)) {}

Field::Field(std::string_view key, double value) : key(key) {
  char number[32];
  std::snprintf(number, sizeof number, "%.3f", value);
  this->value = number;
}

void Log::info(int level, std::string_view message, Fields fields, Place where) const {
  if (verbosity_.wants(level, where.file))
    write(target_, {'I', level, message, fields, nullptr, where});
}

void Log::warning(std::string_view message, Fields fields, Place where) const {
  write(target_, {'W', 0, message, fields, nullptr, where});
}

void Log::error(std::string_view message, const Error& error, Fields fields, Place where) const {
  write(target_, {'E', 0, message, fields, &error, where});
}

}  // namespace kproxy::log
