// What the API server sends to somebody who lists and watches one kind of object, piece by piece:
// one event of a watch, one item of a list, a list without its items, a refusal.
//
// Each piece is a text of its own, so that broken JSON, a wrong type or a hostile nesting costs
// that piece and nothing else. What is left out is said in the diagnostics, in which `input` names
// the source. Holds one object as a tree. One thread.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/snapshot/decode.h"
#include "compiler/snapshot/document_reader.h"

namespace kproxy::snapshot {

class Report;

// A Status object: why the server refuses, or ends a watch.
struct ServerStatus {
  int code = 500;  // as of HTTP
  std::string reason;
  std::string message;
  std::optional<std::chrono::seconds> retry_after;
  bool version_too_large = false;  // the resourceVersion is one that this server has not reached
};

struct WatchEvent {
  enum class Type { unreadable, added, modified, deleted, bookmark, error };

  Type type = Type::unreadable;
  std::string version;       // resourceVersion of the object; empty if there is none
  bool end_of_list = false;  // a bookmark: all that existed was named
  ObjectName name;           // added, modified, deleted: of what; the parts that could be read
  // Added, modified. None: it could not be read, and is left out.
  std::optional<Object> object;
  // An EndpointSlice: when that happened which led to this state of it.
  std::optional<std::chrono::system_clock::time_point> trigger;
  ServerStatus status;  // error
};

struct ListHead {
  std::string version;    // where a watch begins that is to follow this list
  std::string continues;  // the token to ask for the next page with; empty: this is the last
};

class EventDecoder {
 public:
  // `kind`, one of the known: of the objects that are to come; any other is left out.
  EventDecoder(std::string input, std::string_view kind, StringPool& pool)
      : input_(std::move(input)), kind_(kind), pool_(pool) {}

  WatchEvent event(std::string_view text, Diagnostics& diagnostics);
  // An item of a list: an object that may lack kind and apiVersion. As an event that adds it.
  WatchEvent item(std::string_view text, Diagnostics& diagnostics);
  // A list from which the items were taken.
  Result<ListHead> list(std::string_view text);

 private:
  void decode(Value object, Report& report, WatchEvent& event);

  const std::string input_;
  const std::string_view kind_;
  StringPool& pool_;
  Document document_;
};

// The answer that goes with a refusal; nothing if it is no Status.
std::optional<ServerStatus> decode_status(std::string_view text);

}  // namespace kproxy::snapshot
