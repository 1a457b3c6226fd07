#include "runtime/apply/conversation.h"

#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "runtime/apply/message_reader.h"

namespace kproxy::apply {
namespace {

// The kernel makes pieces of a dump as large as the buffer it was last asked to fill, up to 32 KiB.
constexpr std::size_t kReceive = 64 * 1024;
constexpr std::size_t kHeaders = NLMSG_HDRLEN + sizeof(nfgenmsg);
constexpr std::size_t kMaxRefusals = 16;
constexpr int kMaxInterruptions = 16;  // in a row, of one receive

// A NLMSG_ERROR: the errno, the header of the message it is about, and extended attributes.
Refusal refusal_of(const Received& message) {
  Refusal refusal;
  refusal.sequence = message.header.nlmsg_seq;
  refusal.error = error_of(message);
  const std::size_t fixed = NLMSG_HDRLEN + sizeof(nlmsgerr);
  if ((message.header.nlmsg_flags & NLM_F_ACK_TLVS) == 0 || message.bytes.size() < fixed)
    return refusal;
  AttributeReader reader(message.bytes.subspan(fixed));
  while (const auto attribute = reader.next()) {
    if (attribute->type == NLMSGERR_ATTR_MSG) refusal.message = attribute->string();
    if (attribute->type == NLMSGERR_ATTR_OFFS && attribute->value.size() >= 4) {
      std::uint32_t offset;
      std::memcpy(&offset, attribute->value.data(), sizeof offset);
      refusal.offset = offset;
    }
  }
  return refusal;
}

// As Transport::receive; goes on after an interruption.
ssize_t receive(Transport& transport, std::span<std::uint8_t> buffer) {
  ssize_t size = -EINTR;
  for (int i = 0; i < kMaxInterruptions && size == -EINTR; ++i) size = transport.receive(buffer);
  return size;
}

}  // namespace

Conversation::Conversation(Transport& transport) : transport_(transport), received_(kReceive) {}

Answer Conversation::transact(const Batch& batch) {
  next_sequence_ = batch.last_sequence() + 1;
  Answer answer;
  if (answer.error = transport_.send(batch.bytes()); answer.error != 0) {
    transport_.reopen();
    return answer;
  }
  // If the commit itself fails the kernel first says so, as an error of the batch's begin, and then
  // answers the last message as if all were well: an answer counts only if no error came before.
  bool acknowledged = false, lost = false;
  const std::size_t most = batch.messages() + 3;  // each message has one answer at most
  for (std::size_t i = 0; i < most && !acknowledged; ++i) {
    const ssize_t size = receive(transport_, received_);
    if (size == -EAGAIN) break;
    if (size < 0) {
      lost = true;
      answer.error = static_cast<int>(-size);
      if (size == -ENOBUFS || size == -EMSGSIZE) continue;
      break;
    }
    MessageReader reader(Bytes(received_).first(static_cast<std::size_t>(size)));
    while (const auto message = reader.next()) {
      const std::uint32_t sequence = message->header.nlmsg_seq;
      if (message->header.nlmsg_type != NLMSG_ERROR) continue;
      // Unsigned, so that it holds when sequence numbers wrap around.
      if (sequence - batch.first_sequence() > batch.last_sequence() - batch.first_sequence())
        continue;
      if (error_of(*message) == 0) {
        acknowledged = acknowledged || sequence == batch.answered_sequence();
      } else if (answer.refusals.size() < kMaxRefusals) {
        answer.refusals.push_back(refusal_of(*message));
      }
    }
    lost = lost || reader.broken();
  }
  if (!answer.refusals.empty())
    answer.kind = Answer::Kind::refused;
  else if (acknowledged && !lost)
    answer.kind = Answer::Kind::committed;
  // Answers may be left in the queue that nobody is going to ask for.
  if (answer.kind != Answer::Kind::committed) transport_.reopen();
  return answer;
}

Ending Conversation::dump(std::uint16_t type, std::uint8_t family, Bytes attributes,
                          const OnReply& on_reply) {
  return ask(type, NLM_F_DUMP, family, attributes, on_reply, 0);
}

Ending Conversation::get(std::uint16_t type, std::uint8_t family, Bytes attributes,
                         const OnReply& on_reply, std::size_t objects) {
  return ask(type, 0, family, attributes, on_reply, objects);
}

Ending Conversation::ask(std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                         Bytes attributes, const OnReply& on_reply, std::size_t objects) {
  const std::uint32_t sequence = next_sequence_++;
  request_.clear();
  const nlmsghdr header{.nlmsg_len = static_cast<std::uint32_t>(kHeaders + attributes.size()),
                        .nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type),
                        .nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags),
                        .nlmsg_seq = sequence,
                        .nlmsg_pid = 0};
  const nfgenmsg general{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = 0};
  std::uint8_t* to = request_.reserve(header.nlmsg_len);
  std::memcpy(to, &header, sizeof header);
  std::memcpy(to + NLMSG_HDRLEN, &general, sizeof general);
  if (!attributes.empty()) std::memcpy(to + kHeaders, attributes.data(), attributes.size());
  request_.advance(header.nlmsg_len);

  Ending ending;
  const auto fail = [&](int error) {
    ending.error = error;
    transport_.reopen();
    return ending;
  };
  if (const int error = transport_.send(request_.bytes()); error != 0) return fail(error);
  for (;;) {
    const ssize_t size = receive(transport_, received_);
    if (size < 0) return fail(static_cast<int>(-size));
    if (size == 0) return fail(EPROTO);
    MessageReader reader(Bytes(received_).first(static_cast<std::size_t>(size)));
    while (const auto message = reader.next()) {
      if (message->header.nlmsg_seq != sequence) continue;
      if (message->header.nlmsg_flags & NLM_F_DUMP_INTR) ending.interrupted = true;
      // Either ends the conversation: an answer to a question, or a dump's end.
      if (message->header.nlmsg_type == NLMSG_ERROR || message->header.nlmsg_type == NLMSG_DONE) {
        ending.error = error_of(*message);
        return ending;
      }
      if (message->bytes.size() < kHeaders) continue;
      nfgenmsg reply;
      std::memcpy(&reply, message->bytes.data() + NLMSG_HDRLEN, sizeof reply);
      on_reply(Reply{static_cast<std::uint16_t>(message->header.nlmsg_type & 0xff),
                     reply.nfgen_family, message->bytes.subspan(kHeaders),
                     reinterpret_cast<const nlmsghdr*>(message->bytes.data())});
      if ((flags & NLM_F_DUMP) == 0 && --objects == 0) return ending;
    }
    if (reader.broken()) return fail(EPROTO);
  }
}

}  // namespace kproxy::apply
