// Sockets of both families alike, and a loop that tells them when there is something to do. Trouble
// ends the program.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>

namespace kproxy::load {

inline double now() {
  timespec time{};
  clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

[[noreturn]] inline void die(const std::string& what) {
  std::perror(("load_traffic: " + what).c_str());
  std::exit(1);
}

// IPv4 as ::ffff:a.b.c.d: sockets of both families are then alike.
inline in6_addr address_of(const std::string& text) {
  in6_addr address{};
  const std::string mapped = text.find(':') == std::string::npos ? "::ffff:" + text : text;
  if (inet_pton(AF_INET6, mapped.c_str(), &address) != 1) die("not an address: " + text);
  return address;
}

inline std::string text_of(const in6_addr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (IN6_IS_ADDR_V4MAPPED(&address))
    inet_ntop(AF_INET, address.s6_addr + 12, text.data(), text.size());
  else
    inet_ntop(AF_INET6, &address, text.data(), text.size());
  return text.data();
}

inline sockaddr_in6 socket_address(const in6_addr& address, std::uint16_t port) {
  sockaddr_in6 made{};
  made.sin6_family = AF_INET6;
  made.sin6_addr = address;
  made.sin6_port = htons(port);
  return made;
}

inline const sockaddr* generic(const sockaddr_in6& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

inline void enter(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) die(path);
  close(fd);
}

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd_); }

  int fd() const { return fd_; }
  void set(int level, int name, int value) const {
    if (setsockopt(fd_, level, name, &value, sizeof value) != 0) die("setsockopt");
  }
  void bind_to(const in6_addr& address, std::uint16_t port) const {
    const sockaddr_in6 own = socket_address(address, port);
    if (bind(fd_, generic(own), sizeof own) != 0) die("bind to " + text_of(address));
  }
  // It ends with a reset: no TIME_WAIT, so that ports are soon free again.
  void reset_at_end() const {
    const linger at_once{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  unsigned sent_again() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size);
    return info.tcpi_total_retrans;
  }

 private:
  const int fd_;
};

inline int open_socket(int type) {
  const int fd = socket(AF_INET6, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int no = 0, yes = 1;
  if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof no) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0)
    die("socket");
  return fd;
}

inline const char* name_of(int error) {
  const char* name = strerrorname_np(error);
  return name == nullptr ? "?" : name;
}

// Something with a socket that the loop tells when it can be read or written.
class Party {
 public:
  explicit Party(int fd) : socket_(fd) {}
  virtual ~Party() = default;
  virtual void ready() = 0;
  const Socket& socket() const { return socket_; }

 protected:
  Socket socket_;
};

class Loop {
 public:
  void watch(Party& party, std::uint32_t events) {
    epoll_event event{events, {.ptr = &party}};
    if (epoll_ctl(fd_.fd(), EPOLL_CTL_ADD, party.socket().fd(), &event) != 0) die("epoll_ctl");
  }
  void wait(double seconds) {
    std::array<epoll_event, 256> events;
    const int count = epoll_wait(fd_.fd(), events.data(), static_cast<int>(events.size()),
                                 std::max(0, static_cast<int>(1000 * seconds)));
    for (int i = 0; i < count; ++i) static_cast<Party*>(events[i].data.ptr)->ready();
  }

 private:
  Socket fd_{epoll_create1(EPOLL_CLOEXEC)};
};

}  // namespace kproxy::load
