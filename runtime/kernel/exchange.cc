#include "runtime/kernel/exchange.h"

#include <libmnl/libmnl.h>

#include <cerrno>
#include <cstring>

namespace kproxy::kernel {
namespace {

// The kernel makes pieces of a list as large as the buffer it is to fill, up to 32 KiB.
constexpr std::size_t kReceive = 64 * 1024;

// The errno of a NLMSG_ERROR or NLMSG_DONE.
int error_of(const nlmsghdr& message) {
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(std::int32_t)) return 0;
  std::int32_t error;
  std::memcpy(&error, mnl_nlmsg_get_payload(&message), sizeof error);
  return -error;
}

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
  if (size < 0) return end(static_cast<int>(-size));
  const auto* message = reinterpret_cast<const nlmsghdr*>(received_.data());
  int rest = static_cast<int>(size);
  for (; mnl_nlmsg_ok(message, rest); message = mnl_nlmsg_next(message, &rest)) {
    if (message->nlmsg_seq != sequence_) continue;
    if (message->nlmsg_flags & NLM_F_DUMP_INTR) piece.interrupted = true;
    if (message->nlmsg_type == NLMSG_ERROR || message->nlmsg_type == NLMSG_DONE)
      return end(error_of(*message));
    const auto* payload = static_cast<const std::uint8_t*>(mnl_nlmsg_get_payload(message));
    on_message(*message, {payload, mnl_nlmsg_get_payload_len(message)});
    if ((message->nlmsg_flags & NLM_F_MULTI) == 0) piece.done = true;  // an answer without a list
  }
  return rest > 0 ? end(EPROTO) : piece;
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
  auto* request = reinterpret_cast<nlmsghdr*>(requests.data());
  int rest = static_cast<int>(requests.size());
  for (; mnl_nlmsg_ok(request, rest); request = mnl_nlmsg_next(request, &rest))
    request->nlmsg_seq = ++sequence_;
  if (const int error = transport_.send(requests.bytes()); error != 0) return error;

  for (;;) {
    const ssize_t size = transport_.receive(received_);
    if (size < 0) return static_cast<int>(-size);
    const auto* answer = reinterpret_cast<const nlmsghdr*>(received_.data());
    for (rest = static_cast<int>(size); mnl_nlmsg_ok(answer, rest);
         answer = mnl_nlmsg_next(answer, &rest)) {
      // Unsigned, so that it holds when sequence numbers wrap around.
      if (answer->nlmsg_type != NLMSG_ERROR || answer->nlmsg_seq - before - 1 >= sequence_ - before)
        continue;
      if (error_of(*answer) != 0) on_refusal(error_of(*answer));
      if (answer->nlmsg_seq == sequence_) return 0;
    }
  }
}

}  // namespace kproxy::kernel
