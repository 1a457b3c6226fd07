// What answers: every address of the namespace is a pod, which says who it is.
#pragma once

#include <memory>
#include <vector>

#include "tests/load/sockets.h"

namespace kproxy::load {

// One connection: says at once who it is, and again for each byte that comes.
class Conversation final : public Party {
 public:
  explicit Conversation(int fd) : Party(fd) {
    sockaddr_in6 own{};
    socklen_t size = sizeof own;
    getsockname(fd, reinterpret_cast<sockaddr*>(&own), &size);
    own_ = own.sin6_addr;
    say();
  }
  void ready() override {
    std::array<char, 16> data;
    const ssize_t count = recv(socket_.fd(), data.data(), data.size(), 0);
    if (count > 0) return say();
    if (count == 0 || errno != EAGAIN) ended_ = true;
  }
  bool ended() const { return ended_; }

 private:
  void say() {
    if (send(socket_.fd(), &own_, sizeof own_, MSG_NOSIGNAL) != sizeof own_) ended_ = true;
  }
  in6_addr own_{};
  bool ended_ = false;
};

class Listener final : public Party {
 public:
  Listener(Loop& loop, std::uint16_t port) : Party(open_socket(SOCK_STREAM)), loop_(loop) {
    socket_.bind_to(in6addr_any, port);
    if (listen(socket_.fd(), 4096) != 0) die("listen");
    loop.watch(*this, EPOLLIN);
  }
  void ready() override {
    int fd = 0;
    while ((fd = accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
      conversations_.push_back(std::make_unique<Conversation>(fd));
      loop_.watch(*conversations_.back(), EPOLLIN);
    }
  }
  void tidy() {
    std::erase_if(conversations_, [](const auto& one) { return one->ended(); });
  }

 private:
  Loop& loop_;
  std::vector<std::unique_ptr<Conversation>> conversations_;
};

struct Datagram {
  std::uint64_t number = 0;
  in6_addr endpoint{};
};

class Echo final : public Party {
 public:
  Echo(Loop& loop, std::uint16_t port) : Party(open_socket(SOCK_DGRAM)) {
    socket_.set(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    socket_.bind_to(in6addr_any, port);
    loop.watch(*this, EPOLLIN);
  }
  void ready() override {
    for (;;) {
      Datagram datagram;
      sockaddr_in6 peer{};
      iovec data{&datagram, sizeof datagram};
      alignas(cmsghdr) std::array<char, 256> control{};
      msghdr message{&peer, sizeof peer, &data, 1, control.data(), control.size(), 0};
      if (recvmsg(socket_.fd(), &message, 0) < 0) return;
      for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr;
           one = CMSG_NXTHDR(&message, one)) {
        if (one->cmsg_level != IPPROTO_IPV6 || one->cmsg_type != IPV6_PKTINFO) continue;
        in6_pktinfo info{};
        std::memcpy(&info, CMSG_DATA(one), sizeof info);
        info.ipi6_ifindex = 0;
        datagram.endpoint = info.ipi6_addr;
        std::memcpy(CMSG_DATA(one), &info, sizeof info);
        message.msg_control = one;
        message.msg_controllen = CMSG_SPACE(sizeof info);
        sendmsg(socket_.fd(), &message, 0);
        break;
      }
    }
  }
};

}  // namespace kproxy::load
