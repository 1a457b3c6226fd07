#include "runtime/source/credentials.h"

#include <algorithm>

#include "runtime/config/text_file.h"

namespace kproxy::source {
namespace {

using namespace std::chrono_literals;

constexpr auto kPluginPause = 5s;    // between two runs
constexpr auto kBeforeExpiry = 10s;  // a request takes a while to arrive

// A token is one field of one line of a header.
bool is_token(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(),
                                      [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

}  // namespace

Result<std::optional<Identity>> Credentials::identity(Time now) {
  if (access_.exec) return from_plugin(now);
  Result<std::string> current = token();
  if (!current) return current.error();
  return std::optional(Identity{std::move(*current), access_.user_name, access_.password,
                                access_.client_certificate, access_.client_key});
}

Result<std::string> Credentials::token() {
  const std::string& file = access_.token_file;
  if (file.empty()) return access_.token;
  Result<std::string> text = config::read_text(file);
  if (text) {
    text->erase(text->find_last_not_of(" \t\r\n") + 1);
    text->erase(0, text->find_first_not_of(" \t\r\n"));
    if (is_token(*text)) last_token_ = *text;
  }
  if (!last_token_.empty()) return last_token_;
  if (!access_.token.empty()) return access_.token;
  if (!text) return text.error();
  return Error{file, text->empty() ? "is empty" : "holds more than a token", ""};
}

Result<std::optional<Identity>> Credentials::from_plugin(Time now) {
  if (use_until_ && now >= *use_until_) credential_.reset();
  if (credential_)
    return std::optional(Identity{
        credential_->token, "", "", {"", credential_->certificate}, {"", credential_->key}});
  if (run_) return std::optional<Identity>();
  if (failure_ && now < failed_ + kPluginPause) return *failure_;
  failure_.reset();
  auto run = PluginRun::start(access_, poller_);
  if (!run) {
    failure_ = run.error();
    failed_ = now;
    return run.error();
  }
  run_ = std::move(*run);
  give_up_ = now + PluginRun::kLongest;
  return std::optional<Identity>();
}

void Credentials::work(Time now) {
  if (!run_) return;
  const bool ended = run_->work();
  if (!ended && now < *give_up_) return;
  const Result<ExecCredential> result =
      ended ? run_->result()
            : Error{"credential plugin " + access_.exec->command,
                    "has not answered in " + std::to_string(PluginRun::kLongest.count()) + " s",
                    access_.exec->install_hint};
  run_.reset();
  give_up_.reset();
  if (result && (result->token.empty() || is_token(result->token))) {
    credential_ = *result;
    use_until_.reset();
    if (credential_->expires)
      use_until_ = now + std::max<Time::duration>(*credential_->expires - kBeforeExpiry -
                                                      std::chrono::system_clock::now(),
                                                  kPluginPause);
    return;
  }
  failure_ = result ? Error{"credential plugin " + access_.exec->command,
                            "printed a token that cannot stand in a header", ""}
                    : result.error();
  failed_ = now;
}

}  // namespace kproxy::source
