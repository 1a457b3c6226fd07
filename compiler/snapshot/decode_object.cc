#include "compiler/snapshot/decode_object.h"

#include <algorithm>

namespace kproxy::snapshot {
namespace {

struct KnownKind {
  std::string_view kind;
  std::string_view api_version;
  bool namespaced;
  std::size_t longest_name;
};

constexpr KnownKind kKnownKinds[] = {
    {"Service", "v1", true, kLongestLabel},
    {"EndpointSlice", "discovery.k8s.io/v1", true, kLongestSubdomain},
    {"Node", "v1", false, kLongestSubdomain},
    {"ServiceCIDR", "networking.k8s.io/v1", false, kLongestSubdomain},
};

const KnownKind* find_kind(std::string_view kind) {
  for (const KnownKind& known : kKnownKinds)
    if (known.kind == kind) return &known;
  return nullptr;
}

// What is before the '/', or all of it for the core.
std::string_view group_of(std::string_view api_version) {
  return api_version.substr(0, api_version.find('/'));
}

bool is_kubernetes(std::string_view group) {
  return group.find('.') == std::string_view::npos || group.ends_with(".k8s.io");
}

bool equal_but_for_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [lower](char x, char y) { return lower(x) == lower(y); });
}

// A number of exactly `digits` digits at the front of text, which loses them.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int number = 0;
  for (char c : text.substr(0, digits)) {
    if (c < '0' || c > '9') return std::nullopt;
    number = number * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return number;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

// A field of `digits` digits within bounds, behind the separator that is due.
bool take_field(std::string_view& text, char separator, std::size_t digits, int least, int most,
                int& value) {
  if (separator != '\0' && !take(text, separator)) return false;
  const auto number = take_number(text, digits);
  if (!number || *number < least || *number > most) return false;
  value = *number;
  return true;
}

// Days from 1970-01-01. Years are counted from March, so that the leap day is a year's last.
std::int64_t days(int year, int month, int day) {
  const std::int64_t y = month > 2 ? year : year - 1;
  const std::int64_t months = month > 2 ? month - 3 : month + 9;
  const std::int64_t before = (153 * months + 2) / 5 + day - 1;
  constexpr std::int64_t kDaysUntil1970 = 719468;  // from 0000-03-01
  return y * 365 + (y >= 0 ? y / 4 - y / 100 + y / 400 : -1) + before - kDaysUntil1970;
}

}  // namespace

std::string_view known_kind(std::string_view api_version, std::string_view kind) {
  const KnownKind* known = find_kind(kind);
  const std::string_view group = group_of(api_version);
  if (known == nullptr || !(group.empty() || group == group_of(known->api_version))) return {};
  return known->kind;
}

std::string_view meant_kind(std::string_view api_version, std::string_view kind) {
  if (!is_kubernetes(group_of(api_version))) return {};
  for (const KnownKind& known : kKnownKinds)
    if (equal_but_for_case(known.kind, kind)) return known.kind;
  return {};
}

std::string_view api_version_of(std::string_view known_kind) {
  return find_kind(known_kind)->api_version;
}

void decode_name(Value object, Subject& subject, FieldReader& reader) {
  const KnownKind* known = find_kind(subject.kind);
  const Value metadata = reader.object(object, "metadata");
  if (!metadata.is_given()) reader.wrong(object, "metadata", "is missing");
  ObjectName& name = subject.name;
  if (known->namespaced) name.ns = reader.required_name(metadata, "namespace", kLongestLabel);
  name.name = reader.required_name(metadata, "name", known->longest_name);
}

std::optional<Object> decode_object(Value object, Subject& subject, StringPool& pool) {
  FieldReader reader(subject);
  decode_name(object, subject, reader);
  if (reader.failed()) return std::nullopt;
  const ObjectName& name = subject.name;

  const auto done = [&reader](auto decoded) -> std::optional<Object> {
    if (reader.failed()) return std::nullopt;
    return Object(std::move(decoded));
  };
  if (subject.kind == "Service") return done(decode_service(object, name, reader));
  if (subject.kind == "EndpointSlice")
    return done(decode_endpoint_slice(object, name, subject, reader, pool));
  if (subject.kind == "Node") return done(decode_node(object, name, reader));
  return done(decode_service_cidr(object, name, reader));
}

std::vector<Cidr> decode_cidrs(Value list, FieldReader& reader) {
  std::vector<Cidr> cidrs;
  for (Value value : list) {
    std::string_view text = reader.text_or_null(value);
    if (reader.failed()) break;
    constexpr std::string_view kBlanks = " \t\r\n";
    text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
    text = text.substr(0, text.find_last_not_of(kBlanks) + 1);
    if (const auto cidr = Cidr::parse(text)) {
      cidrs.push_back(*cidr);
    } else {
      reader.warning(value, "is " + value.describe() + ", not a prefix; ignored",
                     "write it like 10.0.0.0/8 or fd00::/64");
    }
  }
  return cidrs;
}

std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t* nanoseconds) {
  int year, month, day, hour, minute, second;
  if (!take_field(text, '\0', 4, 0, 9999, year) || !take_field(text, '-', 2, 1, 12, month) ||
      !take_field(text, '-', 2, 1, 31, day) || !(take(text, 'T') || take(text, 't')) ||
      !take_field(text, '\0', 2, 0, 23, hour) || !take_field(text, ':', 2, 0, 59, minute) ||
      !take_field(text, ':', 2, 0, 60, second))
    return std::nullopt;
  std::int64_t fraction = 0;  // nanoseconds
  if (take(text, '.')) {
    auto digit = take_number(text, 1);
    if (!digit) return std::nullopt;
    for (std::int64_t unit = 100'000'000; digit; digit = take_number(text, 1), unit /= 10)
      fraction += *digit * unit;
  }
  int offset = 0;  // minutes east of Greenwich
  if (!take(text, 'Z') && !take(text, 'z')) {
    const bool west = take(text, '-');
    if (!west && !take(text, '+')) return std::nullopt;
    int hours, minutes;
    if (!take_field(text, '\0', 2, 0, 23, hours) || !take_field(text, ':', 2, 0, 59, minutes))
      return std::nullopt;
    offset = (west ? -1 : 1) * (hours * 60 + minutes);
  }
  if (!text.empty()) return std::nullopt;
  if (nanoseconds != nullptr) *nanoseconds = fraction;
  return ((days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60 + second;
}

}  // namespace kproxy::snapshot
