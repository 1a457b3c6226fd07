// Notices when somebody else changes our table.
//
// nf_tables tells a multicast group about every object of every transaction in the network
// namespace. What we caused ourselves is dropped by a filter in the kernel, so that a large load of
// ours does not fill the queue; of the rest only names of tables are looked at, so that foreign
// transactions by the hundred cost next to nothing. Where notifications were lost, the table counts
// as changed: reading it back tells.
//
// As long as anybody listens, the kernel writes a message for each element that a transaction adds,
// ours too: a Monitor is better made after a large first load. Not thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "compiler/types/error.h"
#include "runtime/apply/netlink_socket.h"

namespace kproxy::apply {

class Monitor {
 public:
  // Of the calling thread's network namespace. What the socket with `own_port` sends is not
  // noticed.
  static Result<Monitor> open(std::uint32_t own_port);

  // Readable when there may be something.
  int file_descriptor() const { return socket_->file_descriptor(); }

  // Takes the notifications there are, a bounded number; returns whether our table may have been
  // touched.
  bool touched();
  // Who touched it last, as the kernel names who committed: "nft, process 4711"; empty: not known.
  const std::string& author() const { return author_; }

  // The socket to pass over is another one now.
  void set_own_port(std::uint32_t own_port);

 private:
  explicit Monitor(std::unique_ptr<NetlinkSocket> socket);

  std::unique_ptr<NetlinkSocket> socket_;
  std::uint32_t own_port_ = 0;
  std::vector<std::uint8_t> received_;
  bool author_follows_ = false;  // the next end of a transaction is of one that touched our table
  std::string author_;
};

}  // namespace kproxy::apply
