// One transaction: messages between a batch's begin and its end, which the kernel applies all or
// none.
//
// The kernel answers each message that it refuses, and those that ask for it; only the last one
// does, so that a batch has one reply if all is well. It is the last message before the end:
// kernels before 6.10 do not answer the end itself. An answer carries the sequence number of its
// message, and the message itself tells what it was about: nothing is recorded besides.
//
// Its objects are of one table of family inet, kproxy's but for one that is only tried out.
//
// Batches carry no generation id (NFNL_BATCH_GENID): with it the kernel would refuse them after any
// other transaction in the network namespace, also one that is of no concern to our table.
#pragma once

#include <linux/netfilter/nf_tables.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "compiler/ruleset/names.h"
#include "runtime/apply/message_buffer.h"

namespace kproxy::apply {

// A message of the batch, for explaining an answer.
struct BatchMessage {
  std::uint16_t type;  // NFT_MSG_..
  Bytes bytes;         // with its header
  Bytes attributes;
};

class Batch {
 public:
  // Sequence numbers count up from the given one. The name must outlive the batch.
  explicit Batch(std::uint32_t first_sequence, std::string_view table = ruleset::kTable)
      : table_(table) {
    begin(first_sequence);
  }
  // Starts again and keeps the memory.
  void begin(std::uint32_t first_sequence);

  // Begins a message (NFT_MSG_.. with NLM_F_CREATE and the like) for a table of that family; its
  // attributes are then put into attributes().
  void begin_message(std::uint16_t type, std::uint16_t flags, std::uint8_t family = 1 /* inet */);
  MessageBuffer& attributes() { return buffer_; }
  void end_message();
  // Has `build` write the attributes of the message begun: libnftnl wants a header to write after,
  // with so much room.
  template <typename Build>
  void build_attributes(std::size_t room, Build build) {
    buffer_.reserve(room);
    auto* header = reinterpret_cast<nlmsghdr*>(buffer_.data() + message_);
    header->nlmsg_len = static_cast<std::uint32_t>(buffer_.size() - message_);
    const std::uint32_t before = header->nlmsg_len;
    build(header);
    buffer_.advance(header->nlmsg_len - before);
  }

  // Ends the transaction: no message may follow.
  void finish();

  std::string_view table() const { return table_; }
  bool empty() const { return messages_ == 0; }
  std::size_t messages() const { return messages_; }
  std::size_t size() const { return buffer_.size(); }
  Bytes bytes() const { return buffer_.bytes(); }
  std::uint32_t first_sequence() const { return first_sequence_; }    // of the batch's begin
  std::uint32_t last_sequence() const { return next_sequence_ - 1; }  // of the batch's end
  std::uint32_t answered_sequence() const { return last_message_sequence_; }

  // The message with that sequence number; walks the batch.
  std::optional<BatchMessage> message(std::uint32_t sequence) const;

 private:
  void put_header(std::uint16_t type, std::uint16_t flags, std::uint8_t family,
                  std::uint16_t resource);

  std::string_view table_;
  MessageBuffer buffer_;
  std::uint32_t first_sequence_ = 0;
  std::uint32_t next_sequence_ = 0;
  std::uint32_t last_message_sequence_ = 0;
  std::size_t message_ = 0;  // where the last one begins
  std::size_t messages_ = 0;
};

}  // namespace kproxy::apply
