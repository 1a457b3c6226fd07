// How one resource is listed and watched: the rules of the conversation with the API server,
// without the connection and without a clock. Fed with what the server answers, it says what to ask
// next, when, and when to stop waiting.
//
// It begins with a streaming list (a watch that first names all that exists); a server that refuses
// that gets lists in pages instead. A watch that ends, well or badly, is resumed from the newest
// version it has told. A server that has forgotten that version is listed again. Everything else is
// temporary, whatever it is: asked again after 0.8 to 30 s, growing with each failure, or after the
// time the server asks for. Plain state, no allocation worth mentioning; one thread.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "compiler/snapshot/watch_event.h"

namespace kproxy::source {

using Time = std::chrono::steady_clock::time_point;

// What is asked for.
struct Resource {
  std::string kind;  // as snapshot::EventDecoder knows it
  std::string path;  // "/api/v1/services"
  std::string label_selector;
  std::string field_selector;
  bool optional = false;  // not every server has it, or lets us see it
  // The field selector only saves traffic: what it leaves out is left out when read, too. A server
  // that does not know the field is asked without.
  bool field_selector_saves = false;
};

class Reflector {
 public:
  // Gives numbers from 0 to 1, evenly.
  using Random = std::function<double()>;

  enum class Mode { stream, page, watch };
  struct Request {
    Mode mode;
    std::string target;  // path and query
    bool begins_list;    // what it names replaces what is known
  };
  // What an event means.
  enum class Effect {
    apply,     // to the object it bears
    none,      // nothing but for the reflector
    list_end,  // all that exists was named
    stop,      // nothing more is to be read of this answer
  };
  enum class End {
    clean,    // of the answer, as HTTP says it
    torn,     // the connection broke, or there was none
    stalled,  // waited() was over
  };

  Reflector(Resource resource, Random random);

  const Resource& resource() const { return resource_; }

  // When the next request is due; nothing while one is under way.
  std::optional<Time> next() const;
  Request begin(Time now);

  // Of the answer under way. When to give up on it if nothing more arrives:
  Time waited() const;
  void status(int code, std::optional<std::chrono::seconds> retry_after, Time now);
  // The answer is a refusal, and this is what it says.
  void refusal(const snapshot::ServerStatus& status);
  void received(Time now) { active_ = now; }
  Effect event(const snapshot::WatchEvent& event);
  // A page of a list was read to its end. list_end if it was the last.
  Effect page(const snapshot::ListHead& head);
  // Every request ends, also one that was never sent.
  void end(End how, Time now);

  // Something was listed to its end, or the server has said that there is nothing. Stays so.
  bool listed() const { return listed_; }

 private:
  std::string query(std::initializer_list<std::pair<std::string_view, std::string>> more) const;
  void conclude(Time now);
  void learn(const std::string& version);
  void again(Time now) { next_ = now; }
  void later(Time now);

  Resource resource_;
  const Random random_;

  bool streams_refused_ = false;  // streaming lists are, by this server
  bool pages_next_ = false;       // the next list is one in pages
  std::string version_;           // that a watch may be resumed from; empty: list
  std::string list_version_;      // of the list that is being read in pages
  std::string continues_;         // where its next page begins
  bool listed_ = false;
  bool missing_ = false;  // the server has no such resource

  Time next_{};
  int failures_ = 0;           // in a row
  bool listed_again_ = false;  // at once, since a watch lasted: the server forgot our version

  // The request under way.
  bool under_way_ = false;
  Mode mode_ = Mode::watch;
  Time begun_{};
  Time active_{};                    // when something arrived last
  std::chrono::seconds duration_{};  // that the server was asked for
  int code_ = 0;                     // of the answer, or of the error that ended it
  bool answered_ = false;
  bool accepted_ = false;  // with 200
  bool begins_list_ = false;
  bool done_ = false;      // with the list that it began
  bool progress_ = false;  // the version grew
  bool version_too_large_ = false;
  std::optional<std::chrono::seconds> retry_after_;
};

}  // namespace kproxy::source
