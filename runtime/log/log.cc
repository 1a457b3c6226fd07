#include "runtime/log/log.h"

#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>

namespace kproxy::log {
namespace {

// As Go's %q writes it, for the characters that occur: a line stays a line.
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", static_cast<unsigned char>(c));
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

}  // namespace

Field::Field(std::string_view key, std::string_view value)
    : text(std::string(key) + "=" + quoted(value)) {}

Field::Field(std::string_view key, long long value)
    : text(std::string(key) + "=" + std::to_string(value)) {}

Field::Field(std::string_view key, double value) : text(std::string(key) + "=") {
  char number[32];
  std::snprintf(number, sizeof number, "%.3f", value);
  text += number;
}

void Log::info(int level, std::string_view message, Fields fields, Place where) const {
  if (level <= verbosity_) write('I', message, fields, where);
}

void Log::warning(std::string_view message, Fields fields, Place where) const {
  write('W', message, fields, where);
}

void Log::error(std::string_view message, const Error& error, Place where) const {
  write('E', message, {{"err", error.message()}}, where);
}

void Log::write(char severity, std::string_view message, Fields fields, Place where) const {
  timeval now{};
  gettimeofday(&now, nullptr);
  tm local{};
  localtime_r(&now.tv_sec, &local);
  char head[64];
  std::snprintf(head, sizeof head, "%c%02d%02d %02d:%02d:%02d.%06ld %7d ", severity,
                local.tm_mon + 1, local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec,
                static_cast<long>(now.tv_usec), static_cast<int>(getpid()));
  std::string line = head;
  line += base_name(where.file);
  line += ':' + std::to_string(where.line) + "] " + quoted(message);
  for (const Field& field : fields) line += ' ' + field.text;
  line += '\n';
  // A log that cannot be written is no reason to stop serving.
  [[maybe_unused]] const ssize_t written = ::write(fd_, line.data(), line.size());
}

}  // namespace kproxy::log
