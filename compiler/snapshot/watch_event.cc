#include "compiler/snapshot/watch_event.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "compiler/snapshot/decode_object.h"

namespace kproxy::snapshot {
namespace {

constexpr std::string_view kTriggerTime = "endpoints.kubernetes.io/last-change-trigger-time";
constexpr std::string_view kEndOfList = "k8s.io/initial-events-end";

std::string_view text_of(Value value) {
  return value.kind() == Kind::string ? value.text() : std::string_view();
}

std::optional<std::int64_t> integer_of(Value value) {
  if (value.kind() != Kind::number) return std::nullopt;
  const std::string_view digits = value.text();
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

// Reads the one document of a text; of a list in it, nothing of its items.
Status read(std::string_view input, std::string_view text, const Field& fields,
            Document& document) {
  const ReadBytes bytes = [&text](char* buffer, std::size_t size) {
    size = std::min(size, text.size());
    std::memcpy(buffer, text.data(), size);
    text.remove_prefix(size);
    return size;
  };
  DocumentReader reader(input, bytes, fields);
  const Result<bool> read = reader.next(document, [](const Document&, std::size_t, const Tree&) {});
  if (!read) return read.error();
  if (!*read) return Error{std::string(input), "is empty", ""};
  return ok_status();
}

WatchEvent::Type type_of(std::string_view name) {
  using Type = WatchEvent::Type;
  if (name == "ADDED") return Type::added;
  if (name == "MODIFIED") return Type::modified;
  if (name == "DELETED") return Type::deleted;
  if (name == "BOOKMARK") return Type::bookmark;
  if (name == "ERROR") return Type::error;
  return Type::unreadable;
}

ServerStatus status_of(Value object) {
  ServerStatus status;
  const std::int64_t code = integer_of(object["code"]).value_or(0);
  if (code >= 400 && code < 600) status.code = static_cast<int>(code);
  status.reason = text_of(object["reason"]);
  status.message = text_of(object["message"]);
  const Value details = object["details"];
  const auto retry_after = integer_of(details["retryAfterSeconds"]);
  if (retry_after && *retry_after > 0) status.retry_after = std::chrono::seconds(*retry_after);
  if (const Value causes = details["causes"]; causes.kind() == Kind::array)
    for (Value cause : causes)
      if (text_of(cause["reason"]) == "ResourceVersionTooLarge") status.version_too_large = true;
  return status;
}

std::optional<std::chrono::system_clock::time_point> time_of(std::string_view text) {
  constexpr std::int64_t kMost = 9'000'000'000;  // seconds, whose nanoseconds can be counted
  std::int64_t nanoseconds = 0;
  const auto seconds = parse_time(text, &nanoseconds);
  if (!seconds || *seconds < 0 || *seconds > kMost) return std::nullopt;
  return std::chrono::system_clock::time_point(std::chrono::seconds(*seconds) +
                                               std::chrono::nanoseconds(nanoseconds));
}

}  // namespace

WatchEvent EventDecoder::event(std::string_view text, Diagnostics& diagnostics) {
  WatchEvent event;
  Report report(input_, diagnostics);
  if (const Status status = read(input_, text, kEventFields, document_); !status) {
    diagnostics.errors.push_back(status.error());
    return event;
  }
  const Value root = document_.tree.root();
  const Value object = root["object"];
  const auto type = type_of(text_of(root["type"]));
  if (type == WatchEvent::Type::unreadable) {
    report.say_error("$.type", "is " + root["type"].describe() + ", no type of event");
    return event;
  }
  if (object.kind() != Kind::object) {
    report.say_error("$.object", "is " + object.describe() + ", not an object");
    return event;
  }
  event.type = type;
  event.version = text_of(object["metadata"]["resourceVersion"]);
  if (type == WatchEvent::Type::error) {
    event.status = status_of(object);
  } else if (type == WatchEvent::Type::bookmark) {
    event.end_of_list = text_of(object["metadata"]["annotations"][kEndOfList]) == "true";
  } else {
    decode(object, report, event);
  }
  return event;
}

WatchEvent EventDecoder::item(std::string_view text, Diagnostics& diagnostics) {
  WatchEvent event;
  event.type = WatchEvent::Type::added;
  Report report(input_, diagnostics);
  if (const Status status = read(input_, text, kObjectFields, document_); !status)
    diagnostics.errors.push_back(status.error());
  else
    decode(document_.tree.root(), report, event);
  return event;
}

void EventDecoder::decode(Value object, Report& report, WatchEvent& event) {
  Subject subject{report, "$", kind_, {}};
  const std::string_view kind = text_of(object["kind"]);
  if (!kind.empty() && known_kind(text_of(object["apiVersion"]), kind) != kind_) {
    report.say_error("$" + object["kind"].path(), "is " + object["kind"].describe() + ", not a " +
                                                      std::string(kind_) + " as was asked for");
  } else if (event.type == WatchEvent::Type::deleted) {
    FieldReader reader(subject);
    decode_name(object, subject, reader);
  } else {
    event.object = decode_object(object, subject, pool_);
    event.trigger = time_of(text_of(object["metadata"]["annotations"][kTriggerTime]));
  }
  event.name = std::move(subject.name);
  report.finish();
}

Result<ListHead> EventDecoder::list(std::string_view text) {
  if (const Status status = read(input_, text, kObjectFields, document_); !status)
    return status.error();
  const Value root = document_.tree.root();
  const std::string_view kind = text_of(root["kind"]);
  if (kind != std::string(kind_) + "List")
    return Error{input_ + ": $.kind",
                 "is " + root["kind"].describe() + ", not a " + std::string(kind_) + "List",
                 "is this an API server?"};
  const Value metadata = root["metadata"];
  return ListHead{std::string(text_of(metadata["resourceVersion"])),
                  std::string(text_of(metadata["continue"]))};
}

std::optional<ServerStatus> decode_status(std::string_view text) {
  Document document;
  if (!read("status", text, kObjectFields, document)) return std::nullopt;
  if (text_of(document.tree.root()["kind"]) != "Status") return std::nullopt;
  return status_of(document.tree.root());
}

}  // namespace kproxy::snapshot
