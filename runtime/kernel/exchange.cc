#include "runtime/kernel/exchange.h"

#include <cerrno>
#include <cstring>

#include "runtime/apply/message_reader.h"

namespace kproxy::kernel {
namespace {

// The kernel makes pieces of a list as large as the buffer it is to fill, up to 32 KiB.
constexpr std::size_t kReceive = 64 * 1024;

}  // namespace

Exchange::Exchange(apply::Transport& transport) : transport_(transport), received_(kReceive) {}

int Exchange::ask(std::uint16_t type, std::uint16_t flags, apply::Bytes payload) {
  request_.clear();
  const nlmsghdr header{.nlmsg_len = static_cast<std::uint32_t>(NLMSG_HDRLEN + payload.size()),
                        .nlmsg_type = type,
                        .nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags),
                        .nlmsg_seq = ++sequence_,
                        .nlmsg_pid = 0};
  std::uint8_t* to = request_.reserve(header.nlmsg_len);
  std::memcpy(to, &header, sizeof header);
  if (!payload.empty()) std::memcpy(to + NLMSG_HDRLEN, payload.data(), payload.size());
  request_.advance(header.nlmsg_len);
  return transport_.send(request_.bytes());
}

Exchange::Piece Exchange::receive(const OnMessage& on_message) {
  Piece piece;
  const auto end = [&](int error) {
    piece.done = true;
    piece.error = error;
    return piece;
  };
  const ssize_t size = transport_.receive(received_);
  if (size == -EINPROGRESS) {
    piece.awaited = true;
    return piece;
  }
  if (size < 0) return end(static_cast<int>(-size));
  apply::MessageReader reader(apply::Bytes(received_).first(static_cast<std::size_t>(size)));
  while (const auto message = reader.next()) {
    const nlmsghdr& header = message->header;
    if (header.nlmsg_seq != sequence_) continue;
    if (header.nlmsg_flags & NLM_F_DUMP_INTR) piece.interrupted = true;
    if (header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE)
      return end(error_of(*message));
    on_message(header, message->payload());
    if ((header.nlmsg_flags & NLM_F_MULTI) == 0) piece.done = true;  // an answer without a list
  }
  return reader.broken() ? end(EPROTO) : piece;
}

int Exchange::run(std::uint16_t type, std::uint16_t flags, apply::Bytes payload,
                  const OnMessage& on_message) {
  if (const int error = ask(type, flags, payload); error != 0) return error;
  for (;;)
    if (const Piece piece = receive(on_message); piece.done) return piece.error;
}

int Exchange::run_all(apply::MessageBuffer& requests,
                      const std::function<void(int error)>& on_refusal) {
  const std::uint32_t before = sequence_;
  for (std::size_t at = 0; at < requests.size();) {
    auto* request = reinterpret_cast<nlmsghdr*>(requests.data() + at);
    request->nlmsg_seq = ++sequence_;
    at += apply::aligned(request->nlmsg_len);
  }
  if (const int error = transport_.send(requests.bytes()); error != 0) return error;

  for (;;) {
    const ssize_t size = transport_.receive(received_);
    if (size < 0) return static_cast<int>(-size);
    apply::MessageReader reader(apply::Bytes(received_).first(static_cast<std::size_t>(size)));
    while (const auto answer = reader.next()) {
      const nlmsghdr& header = answer->header;
      // Unsigned, so that it holds when sequence numbers wrap around.
      if (header.nlmsg_type != NLMSG_ERROR || header.nlmsg_seq - before - 1 >= sequence_ - before)
        continue;
      if (error_of(*answer) != 0) on_refusal(error_of(*answer));
      if (header.nlmsg_seq == sequence_) return 0;
    }
  }
}

}  // namespace kproxy::kernel
