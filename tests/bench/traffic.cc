// bench_traffic: what a new TCP connection and a packet of an established UDP flow cost, through
// whatever is between two network namespaces; several such ways compared in one run, a little of
// each in turn, so that whatever else the machine does falls upon all alike.
//
//   bench_traffic connections|packets ROUNDS BATCH < WAYS
//
// WAYS has a line each: NAME, the clients' network namespace, the pods', the addresses that clients
// have (separated by commas), and the addresses they turn to, ADDRESS:PORT, likewise. Whatever
// their addresses, pods listen on port 8080.
//
// One thread is client and pod in one. A packet is on its way within the system call that sends it:
// on a veth pair, all that the kernel does with it happens there, too. So the CPU time of the
// thread is the cost of everything, and is what rates are by.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/bench/measure.h"

namespace kproxy::bench {
namespace {

constexpr std::uint16_t kPodPort = 8080;
constexpr int kPatience = 2000;     // milliseconds
constexpr std::size_t kBurst = 32;  // packets sent before they are received

[[noreturn]] void die(const std::string& what) {
  std::perror(("bench_traffic: " + what).c_str());
  std::exit(1);
}

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  ~FileDescriptor() { close(fd_); }
  int get() const { return fd_; }

 private:
  const int fd_;
};

class Namespace {
 public:
  explicit Namespace(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_.get() < 0) die(path);
  }
  void enter() const {
    if (setns(fd_.get(), CLONE_NEWNET) != 0) die("setns");
  }

 private:
  FileDescriptor fd_;
};

sockaddr_in socket_address(const std::string& text) {
  const auto colon = text.find(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
    die("not an address: " + text);
  if (colon != std::string::npos)
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(text.substr(colon + 1))));
  return address;
}

const sockaddr* generic(const sockaddr_in& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

std::vector<sockaddr_in> socket_addresses(const std::string& list) {
  std::vector<sockaddr_in> addresses;
  std::istringstream parts(list);
  for (std::string part; std::getline(parts, part, ',');) addresses.push_back(socket_address(part));
  return addresses;
}

int open_socket(int type) {
  const int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket");
  return fd;
}

void bind_to(int fd, const sockaddr_in& address) {
  if (bind(fd, generic(address), sizeof address) != 0) die("bind");
}

void set(int fd, int level, int name, int value) {
  if (setsockopt(fd, level, name, &value, sizeof value) != 0) die("setsockopt");
}

// Ready at once, as a rule: then it is not waited for.
void await(int fd, short events, const std::string& name) {
  pollfd one{fd, events, 0};
  if (poll(&one, 1, kPatience) != 1) die(name + ": no answer");
}

// Sockets of pods: ways through the same namespace share them, and take turns.
class Pods {
 public:
  int of(const std::string& path, const Namespace& name_space, int type) {
    std::unique_ptr<FileDescriptor>& made = sockets_[path];
    if (made) return made->get();
    name_space.enter();
    made = std::make_unique<FileDescriptor>(open_socket(type));
    bind_to(made->get(), socket_address("0.0.0.0:" + std::to_string(kPodPort)));
    if (type == SOCK_DGRAM) set(made->get(), SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20);
    if (type == SOCK_STREAM && listen(made->get(), 1024) != 0) die("listen");
    return made->get();
  }

 private:
  std::map<std::string, std::unique_ptr<FileDescriptor>> sockets_;
};

class Way {
 public:
  Way(const std::string& line, Pods& all_pods, int type) {
    std::istringstream words(line);
    std::string clients, pods, from, to;
    if (!(words >> name_ >> clients >> pods >> from >> to)) die("not a way: " + line);
    clients_ = std::make_unique<Namespace>(clients);
    pods_ = std::make_unique<Namespace>(pods);
    pod_ = all_pods.of(pods, *pods_, type);
    from_ = socket_addresses(from);
    to_ = socket_addresses(to);
  }
  virtual ~Way() = default;
  virtual void run(int batch) = 0;
  virtual void tell() = 0;

 protected:
  sockaddr_in next_from() { return from_[count_ % from_.size()]; }
  sockaddr_in next_to() { return to_[count_ % to_.size()]; }

  std::string name_;
  std::unique_ptr<Namespace> clients_, pods_;
  std::vector<sockaddr_in> from_, to_;
  std::size_t count_ = 0;
  int pod_ = -1;  // what listens there
  Span spent_;
};

class Connections final : public Way {
 public:
  Connections(const std::string& line, Pods& pods) : Way(line, pods, SOCK_STREAM) {}
  void run(int batch) override {
    clients_->enter();
    const Stopwatch watch;
    for (int i = 0; i < batch; ++i) one();
    const Span span = watch.read();
    spent_.cpu += span.cpu;
    spent_.wall += span.wall;
  }
  void tell() override {
    std::sort(latencies_.begin(), latencies_.end());
    const auto percentile = [&](double share) {
      return latencies_[std::min(
          latencies_.size() - 1,
          static_cast<std::size_t>(share * static_cast<double>(latencies_.size())))];
    };
    report(name_ + ".rate", 1000 * static_cast<double>(count_) / spent_.cpu);
    report(name_ + ".wall_rate", 1000 * static_cast<double>(count_) / spent_.wall);
    report(name_ + ".p50_us", 1000 * percentile(0.5));
    report(name_ + ".p99_us", 1000 * percentile(0.99));
  }

 private:
  void one() {
    const FileDescriptor client(open_socket(SOCK_STREAM));
    set(client.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    bind_to(client.get(), next_from());
    const linger reset{1, 0};  // no TIME_WAIT on either side
    setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    const sockaddr_in to = next_to();
    ++count_;
    const double begin = milliseconds(CLOCK_MONOTONIC);
    if (connect(client.get(), generic(to), sizeof to) != 0 && errno != EINPROGRESS) die("connect");
    await(client.get(), POLLOUT, name_);
    latencies_.push_back(milliseconds(CLOCK_MONOTONIC) - begin);
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(client.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      errno = error;
      die(name_ + ": connect");
    }
    await(pod_, POLLIN, name_);
    const FileDescriptor accepted(accept4(pod_, nullptr, nullptr, SOCK_CLOEXEC));
    if (accepted.get() < 0) die("accept");
  }

  std::vector<double> latencies_;
};

class Packets final : public Way {
 public:
  Packets(const std::string& line, Pods& pods) : Way(line, pods, SOCK_DGRAM) {
    clients_->enter();
    client_ = std::make_unique<FileDescriptor>(open_socket(SOCK_DGRAM));
    bind_to(client_->get(), next_from());
    const sockaddr_in to = next_to();
    if (connect(client_->get(), generic(to), sizeof to) != 0) die("connect");
    establish();
  }
  void run(int batch) override {
    const Stopwatch watch;
    for (int i = 0; i < batch; i += static_cast<int>(kBurst)) burst();
    const Span span = watch.read();
    spent_.cpu += span.cpu;
    spent_.wall += span.wall;
  }
  void tell() override {
    report(name_ + ".rate", 1000 * static_cast<double>(count_) / spent_.cpu);
    report(name_ + ".wall_rate", 1000 * static_cast<double>(count_) / spent_.wall);
  }

 private:
  // There has been an answer, so that the flow is an established one.
  void establish() {
    char byte = 0;
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (send(client_->get(), &byte, 1, 0) != 1) die("send");
    await(pod_, POLLIN, name_);
    if (recvfrom(pod_, &byte, 1, 0, reinterpret_cast<sockaddr*>(&peer), &size) != 1)
      die("recvfrom");
    // From the address that was asked: the socket's own choice would be another one.
    pods_->enter();
    in_pktinfo from{};
    from.ipi_spec_dst = endpoint();
    iovec data{&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof from)> control{};
    msghdr message{&peer, size, &data, 1, control.data(), control.size(), 0};
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = IPPROTO_IP;
    header->cmsg_type = IP_PKTINFO;
    header->cmsg_len = CMSG_LEN(sizeof from);
    std::memcpy(CMSG_DATA(header), &from, sizeof from);
    if (sendmsg(pod_, &message, 0) != 1) die("sendmsg");
    await(client_->get(), POLLIN, name_);
    if (recv(client_->get(), &byte, 1, 0) != 1) die("recv");
  }
  // The last of the addresses is that of the endpoint.
  in_addr endpoint() const { return to_.back().sin_addr; }

  void burst() {
    std::array<char, 64> payload{};
    iovec data{payload.data(), 18};
    std::array<mmsghdr, kBurst> messages{};
    for (mmsghdr& one : messages) one.msg_hdr = {nullptr, 0, &data, 1, nullptr, 0, 0};
    const int sent = sendmmsg(client_->get(), messages.data(), kBurst, 0);
    if (sent != static_cast<int>(kBurst)) die("sendmmsg");
    for (int received = 0; received < sent;) {
      data.iov_len = payload.size();
      const int now = recvmmsg(pod_, messages.data(), kBurst, 0, nullptr);
      if (now <= 0) await(pod_, POLLIN, name_);  // none may be lost
      if (now > 0) received += now;
    }
    count_ += kBurst;
  }

  std::unique_ptr<FileDescriptor> client_;
};

int run(const std::string& what, int rounds, int batch) {
  Pods pods;
  std::vector<std::unique_ptr<Way>> ways;
  for (std::string line; std::getline(std::cin, line);)
    if (what == "connections")
      ways.push_back(std::make_unique<Connections>(line, pods));
    else
      ways.push_back(std::make_unique<Packets>(line, pods));
  // There and back, so that nobody always comes after the same one.
  for (int round = 0; round < rounds; ++round)
    for (std::size_t i = 0; i < ways.size(); ++i)
      ways[round % 2 == 0 ? i : ways.size() - 1 - i]->run(batch);
  for (const auto& way : ways) way->tell();
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace
}  // namespace kproxy::bench

int main(int argc, char** argv) {
  const std::string what = argc == 4 ? argv[1] : "";
  if (what != "connections" && what != "packets") {
    std::fputs("usage: bench_traffic connections|packets ROUNDS BATCH < WAYS\n", stderr);
    return 2;
  }
  return kproxy::bench::run(what, std::atoi(argv[2]), std::atoi(argv[3]));
}
