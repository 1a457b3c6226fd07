// Questions to nf_tables and its answers: a transaction, a dump, a single object.
//
// What can go wrong on a netlink socket is told apart here: the kernel said no; the kernel said
// yes; it is not known what the kernel said (a reply was lost, the socket's queue overflowed, the
// system call was interrupted). In the last case a transaction may have been applied or not.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/apply/batch.h"
#include "runtime/apply/netlink_socket.h"

namespace kproxy::apply {

// The kernel's no to one message of a batch.
struct Refusal {
  std::uint32_t sequence = 0;
  int error = 0;                        // an errno
  std::optional<std::uint32_t> offset;  // of the attribute at fault in the message
  std::string message;                  // the kernel's own words, seldom given
};

struct Answer {
  enum class Kind : std::uint8_t { committed, refused, unclear };
  Kind kind = Kind::unclear;
  std::vector<Refusal> refusals{};  // of kind refused, the first few
  int error = 0;  // of kind unclear: the socket's errno, 0 if an answer is missing
};

// How a dump or a question ended.
struct Ending {
  int error = 0;             // an errno, 0: complete
  bool interrupted = false;  // somebody's transaction was committed meanwhile (NLM_F_DUMP_INTR)
};

// A message of nf_tables.
struct Reply {
  std::uint16_t type;  // NFT_MSG_..
  std::uint8_t family;
  Bytes attributes;
  const nlmsghdr* message;  // all of it
};

// Not thread-safe.
class Conversation {
 public:
  explicit Conversation(Transport& transport);

  // For the next batch.
  std::uint32_t next_sequence() const { return next_sequence_; }
  // Sends a finished batch.
  Answer transact(const Batch& batch);

  using OnReply = std::function<void(const Reply&)>;
  // All objects that a NFT_MSG_GET.. message lists; its attributes narrow the choice.
  Ending dump(std::uint16_t type, std::uint8_t family, Bytes attributes, const OnReply& on_reply);
  // One object; or as many as the attributes name, until one is not there (ENOENT).
  Ending get(std::uint16_t type, std::uint8_t family, Bytes attributes, const OnReply& on_reply,
             std::size_t objects = 1);

 private:
  Ending ask(std::uint16_t type, std::uint16_t flags, std::uint8_t family, Bytes attributes,
             const OnReply& on_reply, std::size_t objects);

  Transport& transport_;
  std::uint32_t next_sequence_ = 1;
  MessageBuffer request_;
  std::vector<std::uint8_t> received_;
};

}  // namespace kproxy::apply
