// Who we are to the API server, as of now: token files are read again for every request, a plugin
// is asked again when what it said has expired or was refused, though not before some seconds have
// passed since it was asked last. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "runtime/config/api_access.h"
#include "runtime/source/http_client.h"
#include "runtime/source/plugin_run.h"
#include "runtime/source/poller.h"

namespace kproxy::source {

class Credentials {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Both must outlive this. The poller becomes ready when work() is due.
  Credentials(const config::ApiAccess& access, Poller& poller) : access_(access), poller_(poller) {}

  // For a request that begins now. Nothing while a plugin is being asked, or may not be asked yet.
  Result<std::optional<Identity>> identity(Time now);
  void work(Time now);
  // When work() is due whatever the poller says.
  std::optional<Time> next() const { return run_ ? give_up_ : ask_; }
  // The server does not take the identity of that generation (401). An answer that comes late says
  // nothing about the one that has taken its place.
  void refused(std::uint64_t generation);

 private:
  Result<std::optional<Identity>> from_plugin(Time now);
  Result<std::string> token();
  void end(Time now, Result<ExecCredential> result);

  const config::ApiAccess& access_;
  Poller& poller_;
  std::string last_token_;  // of the file

  std::unique_ptr<PluginRun> run_;
  std::optional<Time> give_up_;  // on the run
  std::optional<Time> ended_;    // the last run did
  std::optional<Time> ask_;      // somebody waits for this moment, when it may run again
  std::uint64_t generation_ = 0;
  std::optional<ExecCredential> credential_;
  std::optional<Time> use_until_;
  std::optional<Error> failure_;  // of the last run
};

}  // namespace kproxy::source
