// UDP entries of the kernel's connection tracking: listing and deleting them.
//
// In a list's messages and in requests to delete, an entry is known by the tuple of its first
// packet, its zone and an id that tells it from a later one with the same tuple. Not thread-safe.
#pragma once

#include <optional>

#include "compiler/service/udp_flows.h"
#include "runtime/kernel/exchange.h"

namespace kproxy::kernel {

// Which UDP entries are wanted: of a family and, if given, sent to an address or port.
struct Wanted {
  Family family = Family::ipv4;
  std::optional<Address> address;
  std::optional<Port> port;
};

// An entry that was listed; views into the message.
struct Entry {
  service::UdpFlow flow;
  apply::Bytes message;  // without its header
};

class UdpEntries {
 public:
  // The transports must outlive it, and be no-one else's: one for lists, one for deleting.
  UdpEntries(apply::Transport& lists, apply::Transport& deletions);

  // Begins a list. `filtered`: the kernel is to list what is wanted only; kernels before 5.8 list
  // all entries of the family regardless. Returns 0 or an errno.
  int list(const Wanted& wanted, bool filtered);
  // The next few hundred entries: calls on_entry with those that are UDP and of the family.
  Exchange::Piece next(const std::function<void(const Entry&)>& on_entry);

  // Notes an entry for deletion.
  void remove(const Entry& entry);
  // Deletes what was noted; may be called during a list. Adds to `deleted` how many there were
  // still. Returns 0 or an errno: of the first that the kernel would not delete, or of the socket.
  int flush(std::size_t& deleted);

 private:
  Exchange lists_;
  Exchange deletions_;
  Family family_ = Family::ipv4;  // of the list
  apply::MessageBuffer removals_;
  std::size_t removal_count_ = 0;
  std::size_t last_removal_ = 0;  // where it begins
};

// Has the kernel load connection tracking, if that is a module; its settings appear with it.
void load_conntrack();

}  // namespace kproxy::kernel
