// The cluster from the API server: lists and watches Services, EndpointSlices, ServiceCIDRs and the
// own Node, and keeps a Snapshot what the server says.
//
// One file descriptor becomes readable when there is something to do, including timers; work() then
// does it and never waits. Objects enter the snapshot as they arrive. A list that replaces what is
// known (after the server has forgotten where we were) adds and changes first and removes at its
// end what it did not name: the snapshot is never emptied in between. Whatever the server refuses
// or breaks off is asked again, at growing intervals; the snapshot stays as it is meanwhile.
// Memory: the largest single object on top of the snapshot. One thread.
#pragma once

#include <memory>
#include <string>

#include "compiler/snapshot/decode.h"
#include "compiler/snapshot/snapshot.h"
#include "compiler/types/error.h"
#include "runtime/config/api_access.h"
#include "runtime/source/cluster_event.h"
#include "runtime/source/observations.h"

namespace kproxy::source {

class ApiServer {
 public:
  // `node` is the own Node's name. The pool must outlive the snapshots that are worked on.
  static Result<std::unique_ptr<ApiServer>> open(const config::ApiAccess& access, std::string node,
                                                 snapshot::StringPool& pool);
  // Ends all requests at once.
  ~ApiServer();
  ApiServer(const ApiServer&) = delete;
  ApiServer& operator=(const ApiServer&) = delete;

  // Readable at once after open().
  int fd() const;
  // Does what is due. Always the same snapshot.
  void work(snapshot::Snapshot& snapshot, snapshot::Diagnostics& diagnostics);

  // All Services and EndpointSlices are in the snapshot. Stays so. Says nothing about the rest.
  bool complete() const;
  // All ServiceCIDRs are in the snapshot, if there are any to be had from this server. Stays so.
  bool service_cidrs_listed() const;
  // The server has said whether there is a Node of that name; it is in the snapshot if so.
  bool node_listed() const;

  Observations take_observations();

  // Posts the event once, soon; a failure becomes a trouble.
  void post_event(const ClusterEvent& event);
  // Some event has not been posted yet, nor given up.
  bool posting() const;

 private:
  class Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace kproxy::source
