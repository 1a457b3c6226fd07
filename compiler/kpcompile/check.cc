#include "compiler/kpcompile/check.h"

#include <fcntl.h>
#include <nftables/libnftables.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

namespace kproxy::kpcompile {
namespace {

enum ChildStatus { kAccepted = 0, kRefused = 1, kForbidden = 2 };

void tell(int pipe, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(pipe, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
}

ChildStatus check_in_child(const std::string& text, int pipe) {
  // Without privileges, a user namespace comes first: in it everybody is an administrator.
  if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
    tell(pipe, std::strerror(errno));
    return kForbidden;
  }
  nft_ctx* nft = nft_ctx_new(NFT_CTX_DEFAULT);
  if (nft == nullptr) return kRefused;
  nft_ctx_set_dry_run(nft, true);
  nft_ctx_buffer_output(nft);
  nft_ctx_buffer_error(nft);
  const int result = nft_run_cmd_from_buffer(nft, text.c_str());
  if (result != 0) tell(pipe, nft_ctx_get_error_buffer(nft));
  nft_ctx_free(nft);
  return result == 0 ? kAccepted : kRefused;
}

std::string read_all(int pipe) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(pipe, buffer, sizeof buffer);
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    if (got == 0 || (got < 0 && errno != EINTR)) break;
  }
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

Status check_with_kernel(const std::string& text) {
  const auto failed = [](const char* what) {
    return Error{"--check", std::string(what) + " failed: " + std::strerror(errno), {}};
  };
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return failed("pipe");
  const pid_t child = fork();
  if (child < 0) {
    const Error error = failed("fork");
    ::close(ends[0]);
    ::close(ends[1]);
    return error;
  }
  if (child == 0) {
    ::close(ends[0]);
    _exit(check_in_child(text, ends[1]));
  }
  ::close(ends[1]);
  const std::string said = read_all(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return failed("waitpid");
  if (WIFEXITED(status) && WEXITSTATUS(status) == kAccepted) return ok_status();
  if (WIFEXITED(status) && WEXITSTATUS(status) == kForbidden)
    return Error{"--check", "no network namespace of its own is to be had: " + said,
                 "run as root, or allow unprivileged user namespaces"};
  if (WIFSIGNALED(status))
    return Error{"--check", "libnftables died of signal " + std::to_string(WTERMSIG(status)), {}};
  const bool too_long = said.find(std::strerror(EMSGSIZE)) != std::string::npos;
  return Error{"--check", "the kernel would not take the ruleset: " + said,
               too_long ? "only root may send it as much at once" : ""};
}

}  // namespace kproxy::kpcompile
