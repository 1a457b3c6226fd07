#include "compiler/snapshot/field_reader.h"

#include <charconv>

namespace kproxy::snapshot {

void Report::say_error(std::string_view where, std::string what, std::string hint) {
  diagnostics_.errors.push_back(line(where, std::move(what), std::move(hint)));
}

void Report::say_warning(std::string_view where, std::string what, std::string hint) {
  diagnostics_.warnings.push_back(line(where, std::move(what), std::move(hint)));
}

void Report::finish() {
  const auto rest = [this](std::size_t count, Errors& errors) {
    if (count > kMost)
      errors.push_back(line({}, std::to_string(count - kMost) + " more that are not listed", {}));
  };
  rest(errors_, diagnostics_.errors);
  rest(warnings_, diagnostics_.warnings);
}

Error Report::line(std::string_view where, std::string what, std::string hint) const {
  std::string place(input_);
  if (!where.empty()) place.append(": ").append(where);
  return {std::move(place), std::move(what), std::move(hint)};
}

Value FieldReader::object(Value of, std::string_view key) {
  const Value value = of[key];
  return expect(value, Kind::object, "not an object") ? value : Value();
}

Value FieldReader::list(Value of, std::string_view key) {
  const Value value = of[key];
  return expect(value, Kind::array, "not a list") ? value : Value();
}

std::string_view FieldReader::text(Value of, std::string_view key) {
  const Value value = of[key];
  return expect(value, Kind::string, "not a string") ? value.text() : std::string_view();
}

std::string_view FieldReader::text(Value value) {
  if (value.kind() == Kind::null) wrong(value, "not a string");
  return text_or_null(value);
}

std::string_view FieldReader::text_or_null(Value value) {
  return expect(value, Kind::string, "not a string") ? value.text() : std::string_view();
}

std::optional<std::int64_t> FieldReader::integer(Value of, std::string_view key) {
  const Value value = of[key];
  if (!expect(value, Kind::number, "not a number")) return std::nullopt;
  const std::string_view digits = value.text();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error == std::errc() && end == digits.data() + digits.size()) return number;
  wrong(value, "not an integer of 64 bits");
  return std::nullopt;
}

bool FieldReader::boolean(Value of, std::string_view key, bool otherwise) {
  const Value value = of[key];
  if (!expect(value, Kind::boolean, "not true or false")) return otherwise;
  return value.text() == "true";
}

Port FieldReader::port(Value of, std::string_view key) {
  const auto number = integer(of, key);
  if (!number) return {};
  if (*number < 0 || *number > 65535) {
    wrong(of[key], "not a port number");
    return {};
  }
  return {static_cast<std::uint16_t>(*number)};
}

std::string_view FieldReader::name(Value of, std::string_view key, std::size_t longest) {
  const std::string_view name = text(of, key);
  if (!is_plain(name)) {
    wrong(of[key], "not a name: " + std::string(kPlain));
    return {};
  }
  if (name.size() > longest) {
    wrong(of[key], "longer than " + std::to_string(longest) + " characters");
    return {};
  }
  return name;
}

std::string_view FieldReader::required_name(Value of, std::string_view key, std::size_t longest) {
  const std::string_view found = name(of, key, longest);
  if (found.empty()) wrong(of, key, of[key].is_given() ? "is empty" : "is missing");
  return found;
}

Protocol FieldReader::protocol(Value of) {
  const std::string_view name = text(of, "protocol");
  if (name.empty()) return Protocol::tcp;
  const auto protocol = parse_protocol(name);
  if (!protocol) wrong(of["protocol"], "not TCP, UDP or SCTP");
  return protocol.value_or(Protocol::tcp);
}

void FieldReader::wrong(Value value, std::string_view what) {
  if (fail())
    subject_->report.say_error(where(value.path()),
                               "is " + value.describe() + ", " + std::string(what));
}

void FieldReader::wrong(Value of, std::string_view key, std::string what) {
  if (fail()) subject_->report.say_error(where(of.path() + path_step(key)), std::move(what));
}

void FieldReader::warning(Value value, std::string what, std::string hint) {
  if (subject_->report.takes_warning())
    subject_->report.say_warning(where(value.path()), std::move(what), std::move(hint));
}

bool FieldReader::fail() {
  if (failed_) return false;
  failed_ = true;
  return subject_->report.takes_error();
}

bool FieldReader::expect(Value value, Kind kind, std::string_view what) {
  if (failed_ || !value.is_given()) return false;
  if (value.kind() == kind) return true;
  wrong(value, what);
  return false;
}

std::string FieldReader::where(const std::string& path) const {
  std::string text = subject_->path + path + ": " + std::string(subject_->kind);
  if (!subject_->name.name.empty()) text.append(" ").append(subject_->name.to_string());
  return text;
}

}  // namespace kproxy::snapshot
