// One resource of the API server, listed and watched into the snapshot: puts together the
// reflector's rules, the requests, and the decoding of what arrives. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "compiler/snapshot/snapshot.h"
#include "compiler/snapshot/watch_event.h"
#include "runtime/source/credentials.h"
#include "runtime/source/http_client.h"
#include "runtime/source/item_splitter.h"
#include "runtime/source/line_splitter.h"
#include "runtime/source/observations.h"
#include "runtime/source/reflector.h"

namespace kproxy::source {

// What all conversations with one server have in common.
struct Session {
  HttpClient& http;
  Credentials& credentials;
  std::string host;
  Observations observations;
  // Of the work() that is under way; null outside of it.
  snapshot::Snapshot* snapshot = nullptr;
  snapshot::Diagnostics* diagnostics = nullptr;
};

class ResourceWatch final : private HttpAnswer {
 public:
  // The session and the pool must outlive this.
  ResourceWatch(Resource resource, Reflector::Random random, snapshot::StringPool& pool,
                Session& session);
  ~ResourceWatch() override;
  ResourceWatch(const ResourceWatch&) = delete;
  ResourceWatch& operator=(const ResourceWatch&) = delete;

  // Begins the request that is due, gives up the one that has stalled.
  void work(Time now);
  // When there is something to do; nothing while credentials are awaited.
  std::optional<Time> next() const;
  bool listed() const { return reflector_.listed(); }

 private:
  void on_status(int code, std::optional<std::chrono::seconds> retry_after) override;
  bool on_body(std::string_view bytes) override;
  void on_end(bool clean, const std::string& trouble) override;

  void begin(Time now, const Identity& identity);
  bool take_line(std::string_view line);
  void take_item(std::string_view item);
  void apply(snapshot::WatchEvent event);
  void observe_service(const snapshot::WatchEvent& event);
  void observe_slice(const snapshot::WatchEvent& event);
  void end_list();
  // The end of a page: whether it was a list.
  bool finish_page(std::string& trouble);
  void follow(Reflector::Effect effect);
  void end(Reflector::End how, const std::string& trouble, Time now);
  std::string where() const;
  Error trouble(const std::string& what, Time now) const;

  Session& session_;
  Reflector reflector_;
  snapshot::EventDecoder decoder_;
  LineSplitter lines_;
  ItemSplitter items_;

  // The request under way.
  std::optional<HttpClient::Id> id_;
  std::uint64_t identity_ = 0;  // its generation
  bool waits_for_identity_ = false;
  Reflector::Request request_{};
  Time begun_{};
  int code_ = 0;
  std::string refusal_;  // the body of an answer other than 200, as far as it is of interest
  std::string spoiled_;  // why we ended it ourselves
};

}  // namespace kproxy::source
