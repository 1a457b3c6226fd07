// First inputs for the fuzzers read_back and conntrack: what a real kernel answers.
//
//   unshare --net fuzz_record FOLDER     in a network namespace of its own, where lo is up
//
// Writes FOLDER/read_back.* and FOLDER/conntrack.*, in the format of datagrams.h.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>

#include "runtime/apply/engine.h"
#include "runtime/apply/read_back.h"
#include "runtime/kernel/conntrack.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/sample.h"

namespace kproxy::fuzz {
namespace {

class Recorder : public apply::Transport {
 public:
  explicit Recorder(apply::Transport& below) : below_(below) {}

  int send(std::span<const std::uint8_t> datagram) override { return below_.send(datagram); }
  ssize_t receive(std::span<std::uint8_t> buffer) override {
    const ssize_t size = below_.receive(buffer);
    if (size > 0 && size <= 0xffff) {
      recorded_ += static_cast<char>(size & 0xff);
      recorded_ += static_cast<char>(size >> 8);
      recorded_.append(text_of(buffer.data(), static_cast<std::size_t>(size)));
    }
    return size;
  }
  int reopen() override { return below_.reopen(); }
  std::uint32_t port_id() const override { return below_.port_id(); }
  const std::string& recorded() const { return recorded_; }

 private:
  apply::Transport& below_;
  std::string recorded_;
};

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// To ports where nobody listens; an entry of connection tracking for each.
void send_udp() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  for (std::uint16_t port = 5000; port < 5005; ++port) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sendto(fd, "", 0, 0, reinterpret_cast<sockaddr*>(&to), sizeof to);
  }
  close(fd);
}

void record(const std::string& folder) {
  ruleset::Tracker tracker = sample();
  const apply::Desired wanted = desired(tracker.ruleset());
  auto socket = apply::NetlinkSocket::open(), other = apply::NetlinkSocket::open();
  expect(socket.ok() && other.ok(), "netlink sockets can be opened");
  expect(apply::Engine(**socket, tracker.ruleset().owners()).reconcile([&] { return wanted; }).ok(),
         "the sample can be applied");
  Recorder reading(**socket), comparing(**socket);
  apply::Conversation conversation(reading);
  expect(read_table(conversation, tracker.ruleset().owners()).ok(), "and read");
  write(folder + "/read_back.listed", reading.recorded());
  apply::Engine engine(comparing, tracker.ruleset().owners());
  expect(engine.reconcile([&] { return wanted; }).ok(), "and compared");
  write(folder + "/read_back.compared", comparing.recorded());

  send_udp();
  Recorder lists(**other);
  kernel::UdpEntries entries(lists, **socket);
  entries.list({}, false);
  std::size_t seen = 0;
  while (!entries.next([&seen](const kernel::Entry&) { ++seen; }).done) continue;
  expect(seen > 0, "there are UDP entries");
  write(folder + "/conntrack.listed", lists.recorded());
}

}  // namespace
}  // namespace kproxy::fuzz

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  kproxy::fuzz::record(argv[1]);
}
