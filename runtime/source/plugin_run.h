// One run of a credential plugin: a child process whose standard output is collected. Its standard
// error is ours, its standard input is empty. It runs in a process group of its own and does not
// outlive this object. Never waits. One thread.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <memory>
#include <string>

#include "runtime/config/api_access.h"
#include "runtime/source/exec_credential.h"
#include "runtime/source/poller.h"

namespace kproxy::source {

class PluginRun {
 public:
  static constexpr std::chrono::seconds kLongest{60};

  // The poller becomes ready when there is something to do for work(); it must outlive the run.
  static Result<std::unique_ptr<PluginRun>> start(const config::ApiAccess& access, Poller& poller);
  ~PluginRun();
  PluginRun(const PluginRun&) = delete;
  PluginRun& operator=(const PluginRun&) = delete;

  // Whether it has ended. Then it is not to be called again.
  bool work();
  // What came of it, once it has ended.
  Result<ExecCredential> result() const;

 private:
  PluginRun(const config::ExecPlugin& plugin, Poller& poller) : plugin_(plugin), poller_(poller) {}
  void take_output();
  Error error(std::string what) const;

  const config::ExecPlugin& plugin_;
  Poller& poller_;
  pid_t process_ = -1;
  int process_fd_ = -1;
  int output_fd_ = -1;
  std::string output_;
  int status_ = 0;  // as of wait(2)
};

}  // namespace kproxy::source
