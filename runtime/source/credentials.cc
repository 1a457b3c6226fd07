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
    return std::optional(Identity{credential_->token,
                                  "",
                                  "",
                                  {"", credential_->certificate},
                                  {"", credential_->key},
                                  generation_});
  if (run_) return std::optional<Identity>();
  if (ended_ && now < *ended_ + kPluginPause) {
    if (failure_) return *failure_;
    ask_ = *ended_ + kPluginPause;
    return std::optional<Identity>();
  }
  auto run = PluginRun::start(access_, poller_);
  if (!run) {
    end(now, run.error());
    return *failure_;
  }
  run_ = std::move(*run);
  give_up_ = now + PluginRun::kLongest;
  return std::optional<Identity>();
}

void Credentials::refused(std::uint64_t generation) {
  if (generation == generation_) credential_.reset();
}

void Credentials::work(Time now) {
  if (ask_ && now >= *ask_) ask_.reset();  // whoever waits asks by itself
  if (!run_) return;
  const std::string plugin = "credential plugin " + access_.exec->command;
  if (run_->work()) {
    Result<ExecCredential> result = run_->result();
    if (result && !result->token.empty() && !is_token(result->token))
      result = Error{plugin, "printed a token that cannot stand in a header", ""};
    end(now, std::move(result));
  } else if (now >= *give_up_) {
    end(now,
        Error{plugin, "has not answered in " + std::to_string(PluginRun::kLongest.count()) + " s",
              access_.exec->install_hint});
  }
}

void Credentials::end(Time now, Result<ExecCredential> result) {
  run_.reset();
  ended_ = now;
  use_until_.reset();
  failure_.reset();
  if (!result) {
    failure_ = result.error();
    return;
  }
  credential_ = std::move(*result);
  ++generation_;
  if (credential_->expires)
    use_until_ = now + std::max<Time::duration>(
                           *credential_->expires - kBeforeExpiry - std::chrono::system_clock::now(),
                           kPluginPause);
}

}  // namespace kproxy::source
