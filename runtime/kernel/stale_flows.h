// Makes the kernel forget UDP flows that lead to endpoints which no longer serve, or to Services
// that are gone: otherwise a client that keeps its source port would be stuck for as long as it
// sends.
//
//   StaleFlows flows;
//   flows.update(name, entry, view);            // each Service that changed; all of them at first
//   ... a successful sync ...
//   while (flows.pending()) {
//     report(flows.clear(Clock::now() + 10ms, view));
//     ... poll flows.file_descriptor() ...
//   }
//
// There may be something to clear where no rule has changed: an endpoint that was not eligible any
// more stops serving.
//
// A pass lists the family's UDP entries of conntrack, filtered by the kernel where it can (5.8),
// judges one after the other and deletes what is stale; it holds a few pieces of the list at a
// time. It is carried out in small steps, so that whoever calls it can do something else in
// between; an update() during a pass is answered by another pass. A list that is interrupted is
// begun again, a few times: what has been read of it counts. Failures are told and not tried again
// by themselves.
//
// One thread, in the network namespace it is in; but the kernel is asked for the list in a thread
// of this object's own, since it may walk through its whole table for one piece (of 200,000
// entries, in 0.1 s and more). Thread and sockets are made by the first pass and kept: to close a
// socket of this protocol, the kernel waits until it has disposed of what the last transactions of
// nf_tables removed, which takes tens of milliseconds and more (seen in 6.18).
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "compiler/service/udp_flows.h"
#include "compiler/types/error.h"
#include "runtime/apply/netlink_socket.h"
#include "runtime/kernel/background_transport.h"

namespace kproxy::kernel {

// A pass through the flows of one family, at its end.
struct Pass {
  Family family = Family::ipv4;
  std::size_t examined = 0;  // flows that the kernel listed
  std::size_t deleted = 0;
  unsigned tries = 0;
  std::chrono::nanoseconds duration{};  // from its beginning, with whatever came in between
  std::optional<Error> error;           // it is incomplete, or could not be
};

class StaleFlows {
 public:
  using Clock = std::chrono::steady_clock;
  using OpenTransport = std::function<Result<std::unique_ptr<apply::Transport>>()>;

  StaleFlows();
  explicit StaleFlows(OpenTransport open);  // for tests: to the conntrack part of the kernel
  ~StaleFlows();

  // The Service as it is now; null: it is gone.
  void update(const snapshot::ObjectName& name, const snapshot::Snapshot::Entry* entry,
              const service::NodeView& node) {
    flows_.update(name, entry, node);
  }

  // Whether clear() has something to do.
  bool pending() const;
  // Works until then, if need be, but does at least one step (a few hundred flows) where it need
  // not wait for the kernel's list. Returns the passes that ended.
  std::vector<Pass> clear(Clock::time_point until, const service::NodeView& node);
  // To be polled for reading before clear() is called again; -1: it can go on at once.
  int file_descriptor() const { return running_ ? lists_->file_descriptor() : -1; }

 private:
  class Running;

  Status open_sockets();

  service::UdpFlows flows_;
  OpenTransport open_;
  std::unique_ptr<BackgroundTransport> lists_;
  std::unique_ptr<apply::Transport> deletions_;
  std::unique_ptr<Running> running_;
  Family next_ = Family::ipv4;  // families take turns where both have changes
};

}  // namespace kproxy::kernel
