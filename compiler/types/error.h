// The one error type of kproxy, and the value-or-error that functions return.
//
// An Error says what is wrong, where (a file and JSON path, a Service, a configuration field, a
// netlink message) and, where there is something to be done, what. Diagnostics about input that
// was skipped are Errors too: they are collected instead of returned. Plain values; any thread.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace kproxy {

struct Error {
  std::string where;  // "cluster.json: $.items[3].spec.ports[0].port: Service shop/web"
  std::string what;   // "is -1, not a port number"
  std::string hint;   // what to do about it; may be empty

  // "where: what (hint)", one line.
  std::string message() const {
    std::string text = where;
    if (!text.empty()) text += ": ";
    text += what;
    if (!hint.empty()) text += " (" + hint + ")";
    return text;
  }
};

using Errors = std::vector<Error>;

// Either a T or an Error. Checked by assert: ask ok() before value().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}      // NOLINT: implicit, for `return value;`
  Result(Error error) : state_(std::move(error)) {}  // NOLINT: likewise

  bool ok() const { return std::holds_alternative<T>(state_); }
  explicit operator bool() const { return ok(); }

  T& value() & {
    assert(ok());
    return *std::get_if<T>(&state_);
  }
  const T& value() const& {
    assert(ok());
    return *std::get_if<T>(&state_);
  }
  T&& value() && {
    assert(ok());
    return std::move(*std::get_if<T>(&state_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }

  const Error& error() const {
    assert(!ok());
    return *std::get_if<Error>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

// The Result of what returns nothing.
using Status = Result<std::monostate>;
inline Status ok_status() {
  return std::monostate{};
}

}  // namespace kproxy
