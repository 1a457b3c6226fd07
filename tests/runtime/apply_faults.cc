// Whatever goes wrong on the socket, at whichever message: the kernel ends as wanted, or an error
// says why not and the old rules are there.
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "runtime/apply/message_reader.h"
#include "tests/runtime/apply_fixture.h"
#include "tests/runtime/refusing_transport.h"

namespace kproxy::tests {
namespace {

// Passes everything on to a socket, but for one fault at one call.
class FaultyTransport : public apply::Transport {
 public:
  enum class Call : std::uint8_t { send, receive };
  enum class Fault : std::uint8_t {
    error_before,  // the call fails and nothing happens
    error_after,   // it happens, and the call fails
    lost,          // the reply is thrown away
    short_read,    // the reply is cut
    interrupted,   // the reply says NLM_F_DUMP_INTR
  };

  FaultyTransport(apply::Transport& below, Call call, Fault fault, int error)
      : below_(below), call_(call), fault_(fault), error_(error) {}

  // Strikes at that call, counted from 0, and `times` calls in all.
  void arm(int index, int times) {
    countdown_ = index;
    times_ = times;
    struck_ = false;
  }
  void disarm() { countdown_ = -1; }
  bool struck() const { return struck_; }

  int send(std::span<const std::uint8_t> datagram) override {
    if (!strikes(Call::send)) return below_.send(datagram);
    if (fault_ == Fault::error_after) below_.send(datagram);
    return error_;
  }

  ssize_t receive(std::span<std::uint8_t> buffer) override {
    if (!strikes(Call::receive)) return below_.receive(buffer);
    if (fault_ == Fault::error_before) return -error_;
    const ssize_t size = below_.receive(buffer);
    if (size <= 0) return size;
    switch (fault_) {
      case Fault::error_after:
        return -error_;
      case Fault::lost:
        return below_.receive(buffer);
      case Fault::short_read:
        return size / 2;
      case Fault::interrupted: {
        auto* header = reinterpret_cast<nlmsghdr*>(buffer.data());
        header->nlmsg_flags |= NLM_F_DUMP_INTR;
        return size;
      }
      case Fault::error_before:
        break;
    }
    return size;
  }

  int reopen() override { return below_.reopen(); }
  std::uint32_t port_id() const override { return below_.port_id(); }

 private:
  bool strikes(Call call) {
    if (call != call_ || countdown_ < 0) return false;
    if (countdown_ > 0) {
      --countdown_;
      return false;
    }
    if (times_-- <= 0) return false;
    struck_ = true;
    return true;
  }

  apply::Transport& below_;
  const Call call_;
  const Fault fault_;
  const int error_;
  int countdown_ = -1;
  int times_ = 0;
  bool struck_ = false;
};

using Call = FaultyTransport::Call;
using Fault = FaultyTransport::Fault;

struct FaultCase {
  Call call;
  Fault fault;
  int error;
};

const FaultCase kFaults[] = {
    {Call::send, Fault::error_before, EINTR},
    {Call::send, Fault::error_before, ENOBUFS},
    {Call::send, Fault::error_before, EAGAIN},
    {Call::send, Fault::error_before, ENOMEM},
    {Call::send, Fault::error_before, EPERM},
    {Call::send, Fault::error_before, EBUSY},
    {Call::send, Fault::error_after, EINTR},
    {Call::send, Fault::error_after, ENOBUFS},
    {Call::receive, Fault::error_before, EINTR},
    {Call::receive, Fault::error_before, ENOBUFS},
    {Call::receive, Fault::error_before, EAGAIN},
    {Call::receive, Fault::error_before, EMSGSIZE},
    {Call::receive, Fault::error_after, ENOBUFS},
    {Call::receive, Fault::error_after, EMSGSIZE},
    {Call::receive, Fault::lost, 0},
    {Call::receive, Fault::short_read, 0},
    {Call::receive, Fault::interrupted, 0},
};

std::string describe(const FaultCase& c, int index) {
  return std::string(c.call == Call::send ? "send" : "receive") + " fault " +
         std::to_string(static_cast<int>(c.fault)) + " errno " + std::to_string(c.error) +
         " at call " + std::to_string(index);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(apply_faults)

BOOST_AUTO_TEST_CASE(one_fault_anywhere_in_a_change) {
  for (const FaultCase& c : kFaults) {
    Applying a;
    FaultyTransport faulty(*a.socket, c.call, c.fault, c.error);
    apply::Engine engine(faulty, a.ruleset.owners());
    a.ruleset.take_change();
    require(engine.reconcile(a.wanted()));
    int index = 0;
    for (; index < 50; ++index) {
      a.ruleset.update({service_state("changing", {service_port(Family::ipv4, 7, index % 5)})},
                       no_other);
      faulty.arm(index, 1);
      const auto applied = engine.apply(a.ruleset.take_change(), a.wanted());
      const bool struck = faulty.struck();
      faulty.disarm();
      BOOST_TEST_CONTEXT(describe(c, index)) {
        require(applied);
        BOOST_TEST(applied->attempts <= 3);
        a.check_equal();
      }
      if (!struck) break;
    }
    BOOST_TEST(index > 0);   // it struck somewhere
    BOOST_TEST(index < 50);  // and at every call there was
  }
}

BOOST_AUTO_TEST_CASE(one_fault_anywhere_in_a_restart) {
  for (const FaultCase& c : kFaults) {
    Applying a;
    FaultyTransport faulty(*a.socket, c.call, c.fault, c.error);
    a.apply();
    ruleset::Change tampering;
    tampering.erase = {a.desired().elements.front()};
    int index = 0;
    for (; index < 1000; ++index) {
      require(a.engine->apply(tampering, a.wanted()));
      apply::Engine engine(faulty, a.ruleset.owners());
      faulty.arm(index, 1);
      const auto applied = engine.reconcile(a.wanted());
      const bool struck = faulty.struck();
      faulty.disarm();
      BOOST_TEST_CONTEXT(describe(c, index)) {
        require(applied);
        BOOST_TEST(applied->attempts <= 3);
        a.check_equal();
      }
      if (!struck) break;
    }
    BOOST_TEST(index > 0);
    BOOST_TEST(index < 1000);
  }
}

BOOST_AUTO_TEST_CASE(one_refusal_of_any_message_of_a_change) {
  constexpr int kErestart = 512;  // of the kernel itself; no program should ever see it
  for (int error : {EINTR, ENOBUFS, EAGAIN, kErestart, EPERM, ENOMEM, EBUSY, EEXIST, ENOENT}) {
    Applying a;
    RefusingTransport refusing(*a.socket);
    apply::Engine engine(refusing, a.ruleset.owners());
    a.ruleset.take_change();
    require(engine.reconcile(a.wanted()));
    int index = 0;
    for (; index < 50; ++index) {
      a.ruleset.update({service_state("changing", {service_port(Family::ipv4, 7, 3 + index % 5)})},
                       no_other);
      refusing.arm(index, error);
      const auto applied = engine.apply(a.ruleset.take_change(), a.wanted());
      const bool struck = refusing.struck();
      refusing.disarm();
      BOOST_TEST_CONTEXT("errno " << error << " for message " << index) {
        require(applied);
        BOOST_TEST(applied->attempts == (struck ? 2 : 1));
        BOOST_TEST(applied->rejected.empty());
        a.check_equal();
      }
      if (!struck) break;
    }
    BOOST_TEST(index > 2);
    BOOST_TEST(index < 50);
  }
}

// What cannot be mended piece by piece is made anew.
BOOST_AUTO_TEST_CASE(a_table_that_contradicts_every_change_is_replaced) {
  Applying a;
  RefusingTransport refusing(*a.socket);
  apply::Engine engine(refusing, a.ruleset.owners());
  a.ruleset.take_change();
  require(engine.reconcile(a.wanted()));
  nft("add rule inet kproxy services4 counter drop");
  nft("add chain inet kproxy other");
  refusing.arm(0, EOPNOTSUPP, 2);
  const auto applied = require(engine.reconcile(a.wanted()));
  BOOST_TEST(applied.attempts == 3);
  BOOST_TEST(applied.transactions == 1u);
  BOOST_TEST(applied.inserted == a.desired().elements.size());
  a.check_equal();
}

BOOST_AUTO_TEST_CASE(numbers_that_answers_bring) {
  struct Case {
    std::int32_t number;
    int error;
  };
  const Case cases[] = {{0, 0},          {-EPERM, EPERM},
                        {-4095, 4095},   {-4103, 4103 /* of ipset */},
                        {EPERM, EPROTO}, {std::numeric_limits<std::int32_t>::min(), EPROTO}};
  for (const Case& c : cases) {
    struct {
      nlmsghdr header;
      nlmsgerr error;
    } answer{{sizeof answer, NLMSG_ERROR, 0, 1, 0}, {c.number, {}}};
    std::uint8_t bytes[sizeof answer];
    std::memcpy(bytes, &answer, sizeof answer);
    const auto message = apply::MessageReader(bytes).next();
    BOOST_REQUIRE(message.has_value());
    BOOST_TEST(apply::error_of(*message) == c.error, c.number);
  }
}

// An element is left out for what it is, and not for the moment at which it came.
BOOST_AUTO_TEST_CASE(refusals_of_an_element_by_their_error) {  // OPS-11 BEYOND-07
  struct Case {
    int error;
    bool left_out;
  };
  const Case cases[] = {{ENOMEM, false}, {ENOBUFS, false}, {EAGAIN, false}, {EINTR, false},
                        {EPERM, false},  {ENOENT, true},   {EINVAL, true},  {ENFILE, true}};
  for (const Case& c : cases) {
    BOOST_TEST_CONTEXT(std::strerror(c.error)) {
      Applying a;
      RefusingTransport refusing(*a.socket);
      apply::Engine engine(refusing, a.ruleset.owners());
      a.ruleset.take_change();
      require(engine.reconcile(a.wanted()));
      const apply::Desired before = a.desired();
      a.ruleset.update({service_state("new", {service_port(Family::ipv4, 6, 3)})}, no_other);
      refusing.arm(1, c.error, 3);
      const auto applied = engine.apply(a.ruleset.take_change(), a.wanted());
      refusing.disarm();
      BOOST_TEST(applied.ok() == c.left_out);
      BOOST_TEST(!engine.rejected().empty() == c.left_out);
      if (!c.left_out) BOOST_TEST(require(a.engine->verify([&] { return before; })).none());
      require(engine.reconcile(a.wanted()));
      BOOST_TEST(engine.rejected().empty());
      a.check_equal();
    }
  }
}

BOOST_AUTO_TEST_CASE(a_fault_that_stays_is_an_error_and_the_old_rules_are_there) {  // OPS-11
  Applying a;
  FaultyTransport faulty(*a.socket, Call::send, Fault::error_before, ENOMEM);
  apply::Engine engine(faulty, a.ruleset.owners());
  a.ruleset.take_change();
  require(engine.reconcile(a.wanted()));
  const apply::Desired before = a.desired();
  a.ruleset.update({service_state("plain4", {})}, no_other);
  faulty.arm(0, 1000000);
  const auto applied = engine.apply(a.ruleset.take_change(), a.wanted());
  BOOST_REQUIRE(!applied.ok());
  BOOST_TEST(applied.error().message().find("Cannot allocate memory") != std::string::npos,
             applied.error().message());
  faulty.disarm();
  BOOST_TEST(require(a.engine->verify([&] { return before; })).none());
  require(engine.reconcile(a.wanted()));
  a.check_equal();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::tests
