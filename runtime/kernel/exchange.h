// A question to any part of the kernel that speaks netlink, and its answers piece by piece.
//
// The kernel answers within send(), and puts the next piece of a list into the queue when one is
// taken out: nothing waits. Not thread-safe.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "runtime/apply/message_buffer.h"
#include "runtime/apply/netlink_socket.h"

namespace kproxy::kernel {

class Exchange {
 public:
  explicit Exchange(apply::Transport& transport);

  // Sends a request (NLM_F_DUMP for a list; NLM_F_ACK where there is no answer otherwise).
  // `payload`: what follows the header. Returns 0 or an errno.
  int ask(std::uint16_t type, std::uint16_t flags, apply::Bytes payload);

  struct Piece {
    bool done = false;         // there is no more
    int error = 0;             // an errno; then it is done
    bool interrupted = false;  // NLM_F_DUMP_INTR: the list may lack something
    bool awaited = false;      // a BackgroundTransport has nothing yet
  };
  using OnMessage = std::function<void(const nlmsghdr& message, apply::Bytes payload)>;
  // One datagram of answers.
  Piece receive(const OnMessage& on_message);

  // Both, to the end; not with a BackgroundTransport. Returns 0 or an errno.
  int run(std::uint16_t type, std::uint16_t flags, apply::Bytes payload,
          const OnMessage& on_message);

  // Sends requests, one after the other in one datagram, of which the last one has NLM_F_ACK, and
  // tells `on_refusal` the errno of each that is refused. Gives them sequence numbers. Returns 0,
  // or an errno if it is not known what became of them.
  int run_all(apply::MessageBuffer& requests, const std::function<void(int error)>& on_refusal);

 private:
  apply::Transport& transport_;
  apply::MessageBuffer request_;
  std::uint32_t sequence_ = 0;
  std::vector<std::uint8_t> received_;
};

}  // namespace kproxy::kernel
