#include "runtime/kernel/background_transport.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace kproxy::kernel {
namespace {

constexpr std::size_t kReceive = 64 * 1024;

Error failure(int error) {
  return {"thread", std::string("cannot start one: ") + std::strerror(error), ""};
}

}  // namespace

Result<std::unique_ptr<BackgroundTransport>> BackgroundTransport::start(
    std::unique_ptr<apply::Transport> inner) {
  const int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return failure(errno);
  std::unique_ptr<BackgroundTransport> made(new BackgroundTransport(std::move(inner), event));
  try {
    made->thread_ = std::thread([self = made.get()] { self->run(); });
  } catch (const std::system_error& error) {
    return failure(error.code().value());
  }
  return made;
}

BackgroundTransport::BackgroundTransport(std::unique_ptr<apply::Transport> inner, int event)
    : inner_(std::move(inner)), event_(event), port_id_(inner_->port_id()) {}

BackgroundTransport::~BackgroundTransport() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  close(event_);
}

int BackgroundTransport::send(std::span<const std::uint8_t> datagram) {
  {
    const std::lock_guard lock(mutex_);
    if (question_) return EBUSY;
    question_.emplace(datagram.begin(), datagram.end());
  }
  changed_.notify_one();
  return 0;
}

ssize_t BackgroundTransport::receive(std::span<std::uint8_t> buffer) {
  std::vector<std::uint8_t> datagram;
  {
    const std::lock_guard lock(mutex_);
    if (answers_.empty()) {
      if (!asking_ && !question_ && !reopen_) return -std::exchange(error_, EAGAIN);
      eventfd_t count = 0;
      eventfd_read(event_, &count);  // what woke the owner has been seen
      return -EINPROGRESS;
    }
    datagram = std::move(answers_.front());
    answers_.pop_front();
  }
  changed_.notify_one();
  if (datagram.size() > buffer.size()) return -EMSGSIZE;
  if (!datagram.empty()) std::memcpy(buffer.data(), datagram.data(), datagram.size());
  return static_cast<ssize_t>(datagram.size());
}

int BackgroundTransport::reopen() {
  {
    const std::lock_guard lock(mutex_);
    reopen_ = true;
    question_.reset();
    answers_.clear();
    error_ = EAGAIN;
  }
  changed_.notify_one();
  return 0;
}

std::uint32_t BackgroundTransport::port_id() const {
  const std::lock_guard lock(mutex_);
  return port_id_;
}

void BackgroundTransport::run() {
  std::vector<std::uint8_t> buffer(kReceive);
  int broken = 0;  // the error of opening a fresh socket
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || reopen_ || question_; });
    if (stop_) return;
    const bool afresh = std::exchange(reopen_, false);
    const auto question = std::exchange(question_, std::nullopt);
    asking_ = true;
    lock.unlock();
    if (afresh) broken = inner_->reopen();
    const std::uint32_t port_id = inner_->port_id();
    const int error = broken != 0 ? broken : question ? answer(*question, buffer) : EAGAIN;
    lock.lock();
    asking_ = false;
    port_id_ = port_id;
    if (!reopen_) error_ = error;  // else nobody wants to know
    wake_owner();
  }
}

// Returns the error that ended the answers, or 0 where no more are wanted.
int BackgroundTransport::answer(const std::vector<std::uint8_t>& question,
                                std::vector<std::uint8_t>& buffer) {
  if (const int error = inner_->send(question); error != 0) return error;
  for (;;) {
    const ssize_t size = inner_->receive(buffer);
    if (size < 0) return static_cast<int>(-size);
    if (!deliver(std::span(buffer).first(static_cast<std::size_t>(size)))) return 0;
  }
}

// Returns whether more is wanted; waits for room.
bool BackgroundTransport::deliver(std::span<const std::uint8_t> datagram) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return stop_ || reopen_ || answers_.size() < kAnswers; });
  if (stop_ || reopen_) return false;
  answers_.emplace_back(datagram.begin(), datagram.end());
  wake_owner();
  return true;
}

void BackgroundTransport::wake_owner() const {
  eventfd_write(event_, 1);
}

}  // namespace kproxy::kernel
