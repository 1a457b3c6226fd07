// bench_floor FILE [CHANGES]: what the kernel itself takes. Sends the table that `bench_apply
// --record FILE` has written, in a network namespace of its own, with an encoder for elements and a
// netlink socket and nothing else; then changes single elements. See run.py.
//
// The load is sent twice: as recorded, and with the rules after the elements, which is the order of
// an nft text. That takes the kernel longer: for each rule that looks into a map it walks the map.
#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cstdlib>
#include <utility>

#include "tests/bench/measure.h"
#include "tests/bench/recording.h"

namespace {

using namespace kproxy::bench;
using One = Elements::One;

constexpr std::size_t kBatch = 1 << 20;  // bytes: the load is sent in so many pieces as this makes

[[noreturn]] void fail(const char* what, int error) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
  std::exit(1);
}

class Sender {
 public:
  Sender(const Recording& recording) : recording_(recording), buffer_(2 * kBatch) {
    fd_ = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    const int size = static_cast<int>(buffer_.size());
    if (fd_ < 0 || setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
      fail("netlink socket", errno);
  }
  ~Sender() { close(fd_); }

  void load(bool rules_last) {
    begin();
    for (const auto& step : recording_.steps) {
      if (const auto* message = std::get_if<Message>(&step)) {
        if (!rules_last || !is_rule(*message)) put(*message);
        continue;
      }
      const auto& [set, elements] = std::get<Elements>(step);
      std::size_t next = 0;
      while (next < elements.size()) {
        next += put(NFT_MSG_NEWSETELEM, set, elements.data() + next, elements.size() - next);
        if (used_ < kBatch) continue;
        commit();
        begin();
      }
    }
    for (const auto& step : recording_.steps)
      if (const auto* message = std::get_if<Message>(&step);
          rules_last && message != nullptr && is_rule(*message))
        put(*message);
    commit();
  }

  void remove_table() {
    begin();
    header(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, 0, NFPROTO_INET);
    text(NFTA_TABLE_NAME, "kproxy");
    end_message();
    commit();
  }

  // Erases the one and inserts the other, in one transaction.
  void change(const std::string& set, const One& from, const One& to) {
    begin();
    put(NFT_MSG_DELSETELEM, set, &from, 1);
    put(NFT_MSG_NEWSETELEM, set, &to, 1);
    commit();
  }

 private:
  static bool is_rule(const Message& message) { return (message.type & 0xff) == NFT_MSG_NEWRULE; }
  void put(const Message& message) {
    header(message.type, message.flags, message.family);
    bytes(message.attributes.data(), message.attributes.size());
    end_message();
  }

  void bytes(const void* from, std::size_t size) {
    std::memcpy(buffer_.data() + used_, from, size);
    used_ += size;
    while (used_ % 4 != 0) buffer_[used_++] = 0;
  }
  std::size_t attribute(std::uint16_t type) {
    const std::size_t at = used_;
    const std::uint16_t head[2] = {0, type};
    bytes(head, sizeof head);
    return at;
  }
  void close_attribute(std::size_t at, std::size_t padding = 0) {
    const auto size = static_cast<std::uint16_t>(used_ - at - padding);
    std::memcpy(buffer_.data() + at, &size, sizeof size);
  }
  void text(std::uint16_t type, const std::string& text) {
    const std::size_t at = attribute(type);
    bytes(text.c_str(), text.size() + 1);
    close_attribute(at, (4 - (text.size() + 1) % 4) % 4);
  }
  void value(std::uint16_t nest, const std::uint8_t* from, std::size_t size) {
    const std::size_t outer = attribute(nest | NLA_F_NESTED);
    const std::size_t inner = attribute(NFTA_DATA_VALUE);
    bytes(from, size);
    close_attribute(inner, (4 - size % 4) % 4);
    close_attribute(outer);
  }

  void header(std::uint16_t type, std::uint16_t flags, std::uint8_t family,
              std::uint16_t resource = 0) {
    message_ = used_;
    const nlmsghdr head{0, type, static_cast<std::uint16_t>(NLM_F_REQUEST | flags), ++sequence_, 0};
    const nfgenmsg general{family, NFNETLINK_V0, htons(resource)};
    bytes(&head, sizeof head);
    bytes(&general, sizeof general);
  }
  void end_message() {
    const auto size = static_cast<std::uint32_t>(used_ - message_);
    std::memcpy(buffer_.data() + message_, &size, sizeof size);
  }

  void begin() {
    used_ = 0;
    header(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    end_message();
  }
  void commit() {
    const std::uint16_t flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
    std::memcpy(buffer_.data() + message_ + offsetof(nlmsghdr, nlmsg_flags), &flags, sizeof flags);
    header(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
    end_message();
    if (send(fd_, buffer_.data(), used_, 0) != static_cast<ssize_t>(used_)) fail("send", errno);
    struct {
      nlmsghdr header;
      nlmsgerr error;
      char rest[512];
    } answer;
    if (recv(fd_, &answer, sizeof answer, 0) < 0) fail("recv", errno);
    if (answer.header.nlmsg_type != NLMSG_ERROR || answer.error.error != 0)
      fail("the kernel's answer", -answer.error.error);
  }

  // A message with as many elements as it takes; how many.
  std::size_t put(std::uint16_t type, const std::string& set, const One* elements,
                  std::size_t size) {
    header(NFNL_SUBSYS_NFTABLES << 8 | type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0,
           NFPROTO_INET);
    text(NFTA_SET_ELEM_LIST_TABLE, "kproxy");
    text(NFTA_SET_ELEM_LIST_SET, set);
    const std::size_t list = attribute(NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED);
    std::size_t i = 0;
    for (; i < size && used_ - list < 0xfe00; ++i) {
      const One& e = elements[i];
      const std::size_t element = attribute(NFTA_LIST_ELEM | NLA_F_NESTED);
      value(NFTA_SET_ELEM_KEY, e.key, e.key_size);
      if (type == NFT_MSG_NEWSETELEM && e.data_size > 0) {
        value(NFTA_SET_ELEM_DATA, e.data, e.data_size);
      } else if (type == NFT_MSG_NEWSETELEM && e.verdict != 0) {
        const std::size_t data = attribute(NFTA_SET_ELEM_DATA | NLA_F_NESTED);
        const std::size_t verdict = attribute(NFTA_DATA_VERDICT | NLA_F_NESTED);
        const std::size_t code = attribute(NFTA_VERDICT_CODE);
        const std::uint32_t number = htonl(static_cast<std::uint32_t>(e.verdict));
        bytes(&number, sizeof number);
        close_attribute(code);
        if (e.chain != 0) text(NFTA_VERDICT_CHAIN, recording_.chains[e.chain]);
        close_attribute(verdict);
        close_attribute(data);
      }
      close_attribute(element);
    }
    close_attribute(list);
    end_message();
    return i;
  }

  const Recording& recording_;
  std::vector<std::uint8_t> buffer_;
  std::size_t used_ = 0;
  std::size_t message_ = 0;
  std::uint32_t sequence_ = 0;
  int fd_ = -1;
};

const Elements* find(const Recording& recording, const std::string& set) {
  for (const auto& step : recording.steps)
    if (const auto* elements = std::get_if<Elements>(&step);
        elements != nullptr && elements->set == set)
      return elements;
  return nullptr;
}

template <typename Alter>
std::vector<Span> changes(Sender& sender, const Elements& elements, int count, Alter alter) {
  std::vector<Span> spans;
  const std::size_t size = elements.elements.size();
  for (int i = 0; i < count; ++i) {
    const One& from = elements.elements[static_cast<std::size_t>(i) * 7919 % size];
    One to = from;
    if (!alter(to)) continue;
    const Stopwatch watch;
    sender.change(elements.set, from, to);
    spans.push_back(watch.read());
    sender.change(elements.set, to, from);
  }
  return spans;
}

}  // namespace

int main(int argc, char** argv) {
  Recording recording;
  if (argc < 2 || !transfer(argv[1], recording, false)) {
    std::fprintf(stderr, "usage: bench_floor FILE [CHANGES]; the file is bench_apply's\n");
    return 1;
  }
  const int count = argc > 2 ? std::atoi(argv[2]) : 200;
  if (!enter_network_namespace()) return 1;
  Sender sender(recording);
  for (const bool rules_last : {true, false}) {
    if (!rules_last) sender.remove_table();
    const Stopwatch watch;
    sender.load(rules_last);
    report(rules_last ? "first_load_as_text" : "first_load", watch.read());
  }
  const Elements* endpoints = find(recording, "services4-endpoints");
  const Elements* frontends = find(recording, "services4");
  if (endpoints == nullptr || frontends == nullptr) return 0;
  report("endpoint_change", changes(sender, *endpoints, count, [](One& one) {
           one.data[3] ^= 0x80;  // the address's last byte
           return true;
         }));
  std::uint16_t other = 0;  // the least usual chain: that of a Service with fewer endpoints
  for (const One& one : frontends->elements)
    if (one.chain != 0 && one.chain != frontends->elements.front().chain) other = one.chain;
  if (other == 0) return 0;
  report("verdict_change", changes(sender, *frontends, std::max(count / 10, 10), [&](One& one) {
           return std::exchange(one.chain, other) != other;
         }));
  return 0;
}
