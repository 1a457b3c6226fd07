#include "runtime/kernel/stale_flows.h"

#include <cerrno>
#include <cstring>

#include "runtime/kernel/conntrack.h"
#include "runtime/kernel/own_addresses.h"

namespace kproxy::kernel {
namespace {

constexpr unsigned kTries = 5;

Error failure(std::string_view what, int error) {
  return {"conntrack", std::string(what) + ": " + std::strerror(error),
          error == EPERM ? "kproxy needs CAP_NET_ADMIN" : ""};
}

Family other(Family family) {
  return family == Family::ipv4 ? Family::ipv6 : Family::ipv4;
}

// The list itself, not what it says, came to harm.
bool is_interruption(int error) {
  return error == EINTR || error == ENOBUFS || error == EAGAIN || error == EPROTO ||
         error == EMSGSIZE;
}

}  // namespace

// One pass, from its first list to its end.
class StaleFlows::Running {
 public:
  Running(service::UdpFlows& flows, Family family, const service::NodeView& node,
          apply::Transport& lists, apply::Transport& deletions)
      : flows_(flows), lists_(lists), deletions_(deletions), entries_(lists, deletions) {
    pass_.family = wanted_.family = family;
    flows_.begin(family);
    wanted_.address = flows_.only_address(family);
    wanted_.port = flows_.only_port(family);
    if (flows_.node_ports(family)) find_node_ports(node);
    list();
  }

  enum class Step : std::uint8_t { goes_on, waits, ended };

  Step step() {
    if (ended_) return Step::ended;
    const Exchange::Piece piece = entries_.next([this](const Entry& entry) {
      ++pass_.examined;
      if (flows_.is_stale(entry.flow, node_ports_)) entries_.remove(entry);
    });
    if (piece.awaited) return Step::waits;
    const int error = entries_.flush(pass_.deleted);
    interrupted_ = interrupted_ || piece.interrupted;
    if (error != 0 && !is_interruption(error)) return end(failure("cannot delete an entry", error));
    if (error == 0 && !piece.done) return Step::goes_on;
    if (error == 0 && piece.error == 0 && !interrupted_) return end(std::nullopt);
    if (filtered_ && (piece.error == EINVAL || piece.error == EOPNOTSUPP)) {
      filtered_ = false;
      --pass_.tries;
    } else if (piece.error != 0 && !is_interruption(piece.error)) {
      return end(failure("cannot list entries", piece.error));
    } else if (pass_.tries == kTries) {
      return end(Error{"conntrack",
                       "was interrupted " + std::to_string(kTries) + " times while listing entries",
                       "stale ones may be left"});
    }
    lists_.reopen();
    if (error != 0) deletions_.reopen();
    list();
    return ended_ ? Step::ended : Step::goes_on;
  }

  const Pass& pass() const { return pass_; }

 private:
  void find_node_ports(const service::NodeView& node) {
    const Result<std::vector<Cidr>> own = own_addresses(pass_.family);
    if (own)
      node_ports_ = service::node_port_destinations(node.of(pass_.family), pass_.family, *own);
    else
      pass_.error = own.error();  // the other frontends are looked at all the same
  }

  void list() {
    ++pass_.tries;
    interrupted_ = false;
    const int error = entries_.list(wanted_, filtered_);
    if (error != 0) end(failure("cannot list entries", error));
  }

  Step end(std::optional<Error> error) {
    ended_ = true;
    if (error) pass_.error = std::move(error);
    if (!pass_.error) flows_.finish(pass_.family);
    pass_.duration = Clock::now() - began_;
    return Step::ended;
  }

  service::UdpFlows& flows_;
  apply::Transport& lists_;
  apply::Transport& deletions_;
  UdpEntries entries_;
  Wanted wanted_;
  service::AddressSet node_ports_;
  bool filtered_ = true;
  bool interrupted_ = false;
  bool ended_ = false;
  const Clock::time_point began_ = Clock::now();
  Pass pass_;
};

StaleFlows::StaleFlows()
    : StaleFlows([]() -> Result<std::unique_ptr<apply::Transport>> {
        auto socket = apply::NetlinkSocket::open();
        if (!socket) return socket.error();
        return std::unique_ptr<apply::Transport>(std::move(*socket));
      }) {}

StaleFlows::StaleFlows(OpenTransport open) : open_(std::move(open)) {}
StaleFlows::~StaleFlows() = default;

bool StaleFlows::pending() const {
  return running_ || flows_.touched(Family::ipv4) || flows_.touched(Family::ipv6);
}

Status StaleFlows::open_sockets() {
  if (!deletions_) {
    auto opened = open_();
    if (!opened) return opened.error();
    deletions_ = std::move(*opened);
  }
  if (!lists_) {
    auto opened = open_();
    if (!opened) return opened.error();
    auto started = BackgroundTransport::start(std::move(*opened));
    if (!started) return started.error();
    lists_ = std::move(*started);
  }
  return ok_status();
}

std::vector<Pass> StaleFlows::clear(Clock::time_point until, const service::NodeView& node) {
  std::vector<Pass> ended;
  do {
    if (!running_) {
      Family family = next_;
      if (!flows_.touched(family)) family = other(family);
      if (!flows_.touched(family)) break;
      next_ = other(family);
      if (const Status opened = open_sockets(); !opened) {
        flows_.begin(family);  // to be looked at by the next pass
        ended.push_back({.family = family, .error = opened.error()});
        continue;
      }
      running_ = std::make_unique<Running>(flows_, family, node, *lists_, *deletions_);
    }
    const Running::Step step = running_->step();
    if (step == Running::Step::waits) break;
    if (step == Running::Step::ended) {
      ended.push_back(running_->pass());
      running_.reset();
      if (ended.back().error) {  // something may be left to read
        lists_->reopen();
        deletions_->reopen();
      }
    }
  } while (Clock::now() < until);
  return ended;
}

}  // namespace kproxy::kernel
