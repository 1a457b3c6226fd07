#include "runtime/source/plugin_run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "runtime/config/text_file.h"
#include "runtime/source/open_files.h"

namespace kproxy::source {
namespace {

constexpr std::size_t kMostOutput = 1024 * 1024;

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> all;
  for (std::string& text : texts) all.push_back(text.data());
  all.push_back(nullptr);
  return all;
}

// Our own environment, with what is added in front of it: the first of a name counts.
std::vector<std::string> environment(const config::ExecPlugin& plugin, const std::string& info) {
  std::map<std::string, std::string> added(plugin.environment.begin(), plugin.environment.end());
  added["KUBERNETES_EXEC_INFO"] = info;
  std::vector<std::string> all;
  for (const auto& [name, value] : added) all.push_back(name + "=" + value);
  for (char** own = environ; *own != nullptr; ++own) {
    const std::string line = *own;
    if (!added.contains(line.substr(0, line.find('=')))) all.push_back(line);
  }
  return all;
}

// A child starts without what this process has made of signals.
int spawn(pid_t& process, const std::string& command, int output, char* const* arguments,
          char* const* environment) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&files);
  posix_spawnattr_init(&attributes);
  posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  sigset_t none, ours;
  sigemptyset(&none);
  sigemptyset(&ours);
  for (int signal : {SIGPIPE, SIGTERM, SIGINT, SIGCHLD}) sigaddset(&ours, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &ours);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  const int result =
      posix_spawnp(&process, command.c_str(), &files, &attributes, arguments, environment);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&files);
  return result;
}

}  // namespace

Result<std::unique_ptr<PluginRun>> PluginRun::start(const config::ApiAccess& access,
                                                    Poller& poller) {
  std::unique_ptr<PluginRun> run(new PluginRun(*access.exec, poller));
  std::string ca = access.ca.text;
  if (access.exec->provide_cluster_info && ca.empty() && !access.ca.file.empty())
    if (auto text = config::read_text(access.ca.file)) ca = std::move(*text);
  std::vector<std::string> arguments{access.exec->command};
  arguments.insert(arguments.end(), access.exec->arguments.begin(), access.exec->arguments.end());
  std::vector<std::string> variables = environment(*access.exec, exec_info(access, ca));

  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return run->error(std::strerror(errno));
  run->output_fd_ = pipe[0];
  fcntl(pipe[0], F_SETFL, O_NONBLOCK);
  pid_t process = -1;
  const int result = spawn(process, access.exec->command, pipe[1], pointers(arguments).data(),
                           pointers(variables).data());
  close(pipe[1]);
  if (result != 0) return run->error(std::string("cannot be run: ") + std::strerror(result));
  // posix_spawn() knows no limits to be set: the program may see ours for a moment.
  limit_open_files(process);
  run->process_ = process;
  run->process_fd_ = static_cast<int>(syscall(SYS_pidfd_open, process, 0));
  if (run->process_fd_ < 0)
    return run->error(std::string("cannot be waited for: ") + std::strerror(errno));
  poller.watch(run->process_fd_, EPOLLIN);
  poller.watch(run->output_fd_, EPOLLIN);
  return run;
}

PluginRun::~PluginRun() {
  if (process_ >= 0) {
    kill(-process_, SIGKILL);
    waitpid(process_, &status_, 0);
  }
  for (int fd : {process_fd_, output_fd_}) {
    if (fd < 0) continue;
    poller_.forget(fd);
    close(fd);
  }
}

bool PluginRun::work() {
  siginfo_t info{};
  const bool ended =
      waitid(P_PID, static_cast<id_t>(process_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
      info.si_pid == process_;
  take_output();
  if (!ended && output_.size() <= kMostOutput) return false;
  kill(-process_, SIGKILL);  // and what it has left behind; its number is still taken
  waitpid(std::exchange(process_, -1), &status_, 0);
  return true;
}

void PluginRun::take_output() {
  char buffer[4096];
  ssize_t size = 0;
  while (output_.size() <= kMostOutput && (size = read(output_fd_, buffer, sizeof buffer)) > 0)
    output_.append(buffer, static_cast<std::size_t>(size));
  if (size == 0) poller_.forget(output_fd_);  // its end: not to be told of again
}

Result<ExecCredential> PluginRun::result() const {
  if (output_.size() > kMostOutput) return error("printed more than 1 MiB");
  if (WIFSIGNALED(status_))
    return error("was ended by signal " + std::to_string(WTERMSIG(status_)));
  if (WEXITSTATUS(status_) != 0)
    return error("exited with status " + std::to_string(WEXITSTATUS(status_)));
  return decode_exec_credential(plugin_.command, output_, plugin_.api_version);
}

Error PluginRun::error(std::string what) const {
  return {"credential plugin " + plugin_.command, std::move(what), plugin_.install_hint};
}

}  // namespace kproxy::source
