// load_traffic: clients of Services, and the pods that answer them, for as long as standard input
// stays open. Clients and pods have a network namespace each, and whatever is between them is what
// the test is about. A pod is an address: every address of the pods' namespace answers on one port
// and says which address it was asked by.
//
// What became of everything goes to standard output, a line each, times in seconds of
// CLOCK_MONOTONIC:
//
//   connection BEGIN END FRONTEND CLIENT OUTCOME AGAIN   a new TCP connection, until it is answered
//   sticky ...                                           the same, to a Service with affinity
//   flow BEGIN END FRONTEND ENDPOINT OUTCOME ANSWERS     a TCP connection that stays
//   udp FLOW BEGIN END ENDPOINT ANSWERS                  answers in a row from one endpoint
//   lost FLOW TIME                                       a datagram that was not answered
//
// OUTCOME is the endpoint that answered or an error; for a flow "ended" or an error. AGAIN:
// segments that had to be sent again. BEGIN is the time before the first packet is sent.
//
// One thread: a connection is attempted, accepted and answered by the same loop.
#include <poll.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/load/pods.h"
#include "tests/load/sockets.h"

namespace kproxy::load {
namespace {

constexpr double kPatience = 5.0;   // for a connection, or an answer
constexpr double kLostAfter = 1.0;  // a datagram
constexpr double kTick = 0.002;     // how exactly things are begun
constexpr std::uint16_t kFrontendPort = 80;
constexpr std::uint16_t kFirstUdpPort = 20000;  // of clients: below those that the kernel gives out

// A TCP connection, answered once.
class Connection final : public Party {
 public:
  Connection(const char* kind, const std::string& client, const std::string& frontend)
      : Party(open_socket(SOCK_STREAM)), kind_(kind), client_(client), frontend_(frontend) {
    socket_.set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    socket_.bind_to(address_of(client), 0);
    socket_.reset_at_end();
    const sockaddr_in6 to = socket_address(address_of(frontend), kFrontendPort);
    begin_ = now();
    if (connect(socket_.fd(), generic(to), sizeof to) != 0 && errno != EINPROGRESS)
      end(name_of(errno));
  }
  void ready() override {
    in6_addr endpoint{};
    const ssize_t count = recv(socket_.fd(), &endpoint, sizeof endpoint, 0);
    if (count == sizeof endpoint)
      end(text_of(endpoint));
    else if (count >= 0)
      end("closed");
    else if (errno != EAGAIN && errno != ENOTCONN)
      end(name_of(errno));
  }
  void look_at(double time) {
    if (time > begin_ + kPatience) end("silence");
  }
  bool ended() const { return ended_; }

 private:
  void end(const std::string& outcome) {
    if (std::exchange(ended_, true)) return;
    std::printf("%s %.6f %.6f %s %s %s %u\n", kind_, begin_, now(), frontend_.c_str(),
                client_.c_str(), outcome.c_str(), socket_.sent_again());
  }

  const char* const kind_;
  const std::string &client_, &frontend_;
  double begin_ = 0;
  bool ended_ = false;
};

// A TCP connection that stays for so many seconds, with a question now and then.
class Flow final : public Party {
 public:
  Flow(const std::string& client, const std::string& frontend, double seconds)
      : Party(open_socket(SOCK_STREAM)),
        frontend_(frontend),
        begin_(now()),
        end_(begin_ + seconds) {
    socket_.set(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    socket_.bind_to(address_of(client), 0);
    socket_.reset_at_end();
    asked_ = begin_;
    const sockaddr_in6 to = socket_address(address_of(frontend), kFrontendPort);
    if (connect(socket_.fd(), generic(to), sizeof to) != 0 && errno != EINPROGRESS)
      end(name_of(errno));
  }
  void ready() override {
    in6_addr endpoint{};
    const ssize_t count = recv(socket_.fd(), &endpoint, sizeof endpoint, 0);
    if (count < 0 && (errno == EAGAIN || errno == ENOTCONN)) return;
    if (count < 0) return end(name_of(errno));
    if (count != sizeof endpoint) return end("closed");
    ++answers_;
    asked_ = 0;
    if (endpoint_.empty()) endpoint_ = text_of(endpoint);
    if (endpoint_ != text_of(endpoint)) end("moved");
  }
  void look_at(double time) {
    if (asked_ != 0 && time > asked_ + kPatience) return end("silence");
    if (asked_ == 0 && time > end_) return end("ended");
  }
  void ask() {
    if (ended_ || asked_ != 0) return;
    asked_ = now();
    if (send(socket_.fd(), "?", 1, MSG_NOSIGNAL) != 1) end(name_of(errno));
  }
  void stop() { end("ended"); }
  bool ended() const { return ended_; }

 private:
  void end(const char* outcome) {
    if (std::exchange(ended_, true)) return;
    std::printf("flow %.6f %.6f %s %s %s %u\n", begin_, now(), frontend_.c_str(),
                endpoint_.empty() ? "-" : endpoint_.c_str(), outcome, answers_);
  }

  const std::string& frontend_;
  const double begin_, end_;
  double asked_ = 0;  // since when there is no answer; 0: there is
  std::string endpoint_;
  unsigned answers_ = 0;
  bool ended_ = false;
};

// Datagrams from one source port.
class UdpFlow final : public Party {
 public:
  UdpFlow(unsigned index, const std::string& client, const std::string& frontend)
      : Party(open_socket(SOCK_DGRAM)), index_(index) {
    socket_.bind_to(address_of(client), static_cast<std::uint16_t>(kFirstUdpPort + index));
    const sockaddr_in6 to = socket_address(address_of(frontend), kFrontendPort);
    if (connect(socket_.fd(), generic(to), sizeof to) != 0) die("connect to " + frontend);
  }
  void ready() override {
    Datagram datagram;
    const ssize_t count = recv(socket_.fd(), &datagram, sizeof datagram, 0);
    const double time = now();
    if (count < 0 && errno != EAGAIN) return answered(time, name_of(errno));
    if (count != sizeof datagram) return;
    const auto sent = std::find_if(sent_.begin(), sent_.end(),
                                   [&](const auto& one) { return one.first == datagram.number; });
    if (sent == sent_.end()) return;
    answered(sent->second, text_of(datagram.endpoint));
    sent_.erase(sent);
  }
  void look_at(double time) {
    while (!sent_.empty() && time > sent_.front().second + kLostAfter) lose();
  }
  void ask() {
    const Datagram datagram{++number_, {}};
    sent_.emplace_back(number_, now());
    // An error is one that an ICMP message has told; it goes with that.
    if (send(socket_.fd(), &datagram, sizeof datagram, 0) < 0) answered(now(), name_of(errno));
  }
  void stop() {
    answered(0, "");
    stopped_ = true;
  }

 private:
  void lose() {
    std::printf("lost %u %.6f\n", index_, sent_.front().second);
    sent_.pop_front();
  }
  void answered(double time, const std::string& endpoint) {
    if (stopped_) return;
    if (endpoint != endpoint_) {
      if (answers_ > 0)
        std::printf("udp %u %.6f %.6f %s %u\n", index_, begin_, last_, endpoint_.c_str(), answers_);
      endpoint_ = endpoint;
      begin_ = time;
      answers_ = 0;
    }
    last_ = time;
    ++answers_;
  }

  const unsigned index_;
  std::uint64_t number_ = 0;
  std::deque<std::pair<std::uint64_t, double>> sent_;  // and not answered yet
  std::string endpoint_;
  double begin_ = 0, last_ = 0;
  unsigned answers_ = 0;
  bool stopped_ = false;
};

// What is due how often.
class Pace {
 public:
  explicit Pace(double rate) : rate_(rate) {}
  unsigned due(double time) {
    if (rate_ <= 0) return 0;
    const auto all = static_cast<std::uint64_t>((time - begin_) * rate_);
    return static_cast<unsigned>(all - std::exchange(done_, all));
  }

 private:
  const double rate_;
  const double begin_ = now();
  std::uint64_t done_ = 0;
};

struct Flags {
  std::string pods, clients;  // network namespaces
  std::uint16_t port = 8080;
  std::vector<std::string> from, to, sticky_to;
  double rate = 0, sticky_rate = 0;
  unsigned flows = 0, udp_flows = 0;
  double flow_rate = 10, flow_seconds = 10;
};

bool input_ended() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  char byte = 0;
  return poll(&input, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

class Clients {
 public:
  Clients(const Flags& flags, Loop& loop) : flags_(flags), loop_(loop) {
    for (unsigned i = 0; i < flags.udp_flows; ++i) {
      const std::string& to = flags.to[i % flags.to.size()];
      udp_flows_.push_back(std::make_unique<UdpFlow>(i, client_of(to, i), to));
      loop.watch(*udp_flows_.back(), EPOLLIN);
    }
    flows_.resize(flags.flows);
  }

  void work(double time) {
    for (unsigned n = connections_.due(time); n > 0; --n) begin("connection", flags_.to, count_++);
    for (unsigned n = sticky_.due(time); n > 0; --n)
      begin("sticky", flags_.sticky_to, sticky_count_++);
    for (std::size_t i = 0; i < flows_.size(); ++i) {
      auto& flow = flows_[i];
      if (flow) flow->look_at(time);
      if (!flow || flow->ended()) {
        const std::string& to = flags_.to[i % flags_.to.size()];
        // Every other stays till the end, whatever becomes of its endpoint.
        flow = std::make_unique<Flow>(client_of(to, i), to, i % 2 ? 1e9 : flags_.flow_seconds);
        loop_.watch(*flow, EPOLLIN);
      }
    }
    for (auto& flow : udp_flows_) flow->look_at(time);
    for (unsigned n = questions_.due(time); n > 0; --n) flows_[asked_++ % flows_.size()]->ask();
    for (unsigned n = datagrams_.due(time); n > 0; --n)
      udp_flows_[sent_++ % udp_flows_.size()]->ask();
    for (auto& one : running_) one->look_at(time);
    std::erase_if(running_, [](const auto& one) { return one->ended(); });
  }
  bool idle() const { return running_.empty(); }
  void finish(double time) {
    for (auto& one : running_) one->look_at(time);
    std::erase_if(running_, [](const auto& one) { return one->ended(); });
  }
  void stop() {
    for (auto& flow : flows_) flow->stop();
    for (auto& flow : udp_flows_) flow->stop();
  }

 private:
  // A client of the frontend's family: those of both families take turns in `from`.
  const std::string& client_of(const std::string& frontend, std::size_t n) const {
    const bool six = frontend.find(':') != std::string::npos;
    for (;; ++n) {
      const std::string& client = flags_.from[n % flags_.from.size()];
      if ((client.find(':') != std::string::npos) == six) return client;
    }
  }
  // Each client goes to each frontend in turn.
  void begin(const char* kind, const std::vector<std::string>& to, std::size_t n) {
    const std::string& frontend = to[n % to.size()];
    running_.push_back(std::make_unique<Connection>(
        kind, client_of(frontend, n / to.size() % flags_.from.size()), frontend));
    if (!running_.back()->ended()) loop_.watch(*running_.back(), EPOLLIN);
  }

  const Flags& flags_;
  Loop& loop_;
  Pace connections_{flags_.rate}, sticky_{flags_.sticky_rate};
  Pace questions_{flags_.flow_rate * flags_.flows}, datagrams_{flags_.flow_rate * flags_.udp_flows};
  std::size_t count_ = 0, sticky_count_ = 0, asked_ = 0, sent_ = 0;
  std::vector<std::unique_ptr<Connection>> running_;
  std::vector<std::unique_ptr<Flow>> flows_;
  std::vector<std::unique_ptr<UdpFlow>> udp_flows_;
};

}  // namespace
}  // namespace kproxy::load

int main(int argc, char** argv) {
  using namespace kproxy::load;
  Flags flags;
  CLI::App app("Clients of Services and the pods that answer, until standard input ends");
  app.add_option("--pods", flags.pods, "network namespace whose every address answers")->required();
  app.add_option("--clients", flags.clients, "network namespace of the clients")->required();
  app.add_option("--port", flags.port, "that pods answer on")->capture_default_str();
  app.add_option("--from", flags.from, "addresses of clients, of both families")->required();
  app.add_option("--to", flags.to, "addresses of Services, port 80")->required();
  app.add_option("--sticky-to", flags.sticky_to, "addresses of Services with affinity, port 80");
  app.add_option("--rate", flags.rate, "new connections a second");
  app.add_option("--sticky-rate", flags.sticky_rate, "the same, to those with affinity");
  app.add_option("--flows", flags.flows, "connections that stay");
  app.add_option("--udp-flows", flags.udp_flows, "of a source port each");
  app.add_option("--flow-rate", flags.flow_rate, "questions a second in each flow");
  app.add_option("--flow-seconds", flags.flow_seconds, "that every other TCP flow stays");
  CLI11_PARSE(app, argc, argv);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);

  Loop loop;
  enter(flags.pods);
  Listener listener(loop, flags.port);
  Echo echo(loop, flags.port);
  enter(flags.clients);
  Clients clients(flags, loop);
  double looked = 0;
  for (double time = now();; time = now()) {
    clients.work(time);
    loop.wait(kTick);
    listener.tidy();
    if (time < looked + 0.1) continue;
    looked = time;
    if (input_ended()) break;
  }
  clients.stop();
  const double end = now() + kPatience;
  for (double time = now(); !clients.idle() && time < end + 1; time = now()) {
    clients.finish(time);
    loop.wait(kTick);
  }
  return std::fflush(stdout) == 0 ? 0 : 1;
}
