// A Transport that asks the kernel in a thread of its own, for lists that it is long about: one
// receive() lasts as long as the kernel looks for entries that pass a filter, which may be through
// the whole of a large table.
//
// The two threads meet at a question (one at most) and a queue of answers (a few datagrams). The
// thread sends what it is asked and receives until the kernel has said all it will, or fails, or
// the queue is full. Whoever owns this never waits, but in the destructor: for the call to the
// kernel that is under way, since nothing can interrupt it; no other one follows. All is called by
// one thread, the owner's.
//
// Memory: a buffer of 64 KiB and kAnswers datagrams, which the kernel makes up to 32 KiB large.
#pragma once

#include <cerrno>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/apply/netlink_socket.h"

namespace kproxy::kernel {

class BackgroundTransport : public apply::Transport {
 public:
  static constexpr std::size_t kAnswers = 4;  // how far the kernel may be ahead

  // Starts the thread, in the caller's network namespace.
  static Result<std::unique_ptr<BackgroundTransport>> start(
      std::unique_ptr<apply::Transport> inner);
  ~BackgroundTransport() override;
  BackgroundTransport(const BackgroundTransport&) = delete;
  BackgroundTransport& operator=(const BackgroundTransport&) = delete;

  // EBUSY: the question before is still to be sent. Whether the kernel takes it, receive() tells.
  int send(std::span<const std::uint8_t> datagram) override;
  // Also -EINPROGRESS: there is nothing yet. After all answers to a question, the error that ended
  // them: EAGAIN if the kernel had no more.
  ssize_t receive(std::span<std::uint8_t> buffer) override;
  // At once: what was asked and answered is forgotten. Whether it succeeds, receive() tells, also
  // of each question until it does.
  int reopen() override;
  std::uint32_t port_id() const override;

  // After EINPROGRESS, to be polled for reading: there may be something now.
  int file_descriptor() const { return event_; }

 private:
  BackgroundTransport(std::unique_ptr<apply::Transport> inner, int event);

  void run();
  int answer(const std::vector<std::uint8_t>& question, std::vector<std::uint8_t>& buffer);
  bool deliver(std::span<const std::uint8_t> datagram);
  void wake_owner() const;

  const std::unique_ptr<apply::Transport> inner_;  // the thread's, once there is one
  const int event_;

  mutable std::mutex mutex_;         // of all that follows
  std::condition_variable changed_;  // for the thread: more to do, or room
  bool stop_ = false;
  bool reopen_ = false;
  std::optional<std::vector<std::uint8_t>> question_;
  bool asking_ = false;  // a question, or for a fresh socket
  std::deque<std::vector<std::uint8_t>> answers_;
  int error_ = EAGAIN;  // that ended the answers
  std::uint32_t port_id_;

  std::thread thread_;
};

}  // namespace kproxy::kernel
