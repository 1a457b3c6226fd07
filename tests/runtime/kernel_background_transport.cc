// The kernel is asked in another thread: what comes back is all there is, in order, and few of it
// at a time; the owner never waits.
#include <poll.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>

#include "runtime/kernel/background_transport.h"
#include "tests/runtime/becomes.h"

namespace kproxy::kernel {
namespace {

using namespace std::chrono_literals;
using tests::becomes;

// Answers "<n>" with the texts "<n>.0", "<n>.1" ..; how many, and what is then, the test says.
struct Script {
  int answers = 0;
  int send_error = 0, error = EAGAIN, reopen_error = 0;
  std::chrono::milliseconds time{};  // that each receive() takes
  std::atomic<bool> held = false;    // so long send() takes, or two seconds
  std::atomic<bool> held_long = false;
  std::atomic<int> asked = 0, received = 0, reopened = 0;
};

class Scripted : public apply::Transport {
 public:
  explicit Scripted(Script& script) : script_(script) {}

  int send(std::span<const std::uint8_t> datagram) override {
    ++script_.asked;
    for (int i = 0; i < 2000 && script_.held; ++i) std::this_thread::sleep_for(1ms);
    script_.held_long = script_.held_long || script_.held;
    question_.assign(datagram.begin(), datagram.end());
    next_ = 0;
    return script_.send_error;
  }
  ssize_t receive(std::span<std::uint8_t> buffer) override {
    std::this_thread::sleep_for(script_.time);
    if (next_ == script_.answers) return -script_.error;
    const std::string answer = question_ + "." + std::to_string(next_++);
    std::memcpy(buffer.data(), answer.data(), answer.size());
    ++script_.received;
    return static_cast<ssize_t>(answer.size());
  }
  int reopen() override {
    ++script_.reopened;
    return script_.reopen_error;
  }
  std::uint32_t port_id() const override {
    return 7 + static_cast<std::uint32_t>(script_.reopened);
  }

 private:
  Script& script_;
  std::string question_;
  int next_ = 0;
};

struct Owner {
  explicit Owner(Script& script)
      : transport(BackgroundTransport::start(std::make_unique<Scripted>(script)).value()) {}

  int ask(const std::string& question) {
    return transport->send(
        {reinterpret_cast<const std::uint8_t*>(question.data()), question.size()});
  }
  // The next answer, or "errno <n>".
  std::string answer() {
    for (;;) {
      std::uint8_t buffer[64];
      const ssize_t size = transport->receive(buffer);
      if (size >= 0) return std::string(buffer, buffer + size);
      if (size != -EINPROGRESS) return "errno " + std::to_string(-size);
      pollfd event{transport->file_descriptor(), POLLIN, 0};
      BOOST_REQUIRE(poll(&event, 1, 20000) == 1);
    }
  }

  std::unique_ptr<BackgroundTransport> transport;
};

const std::string kNoMore = "errno " + std::to_string(EAGAIN);

}  // namespace

BOOST_AUTO_TEST_SUITE(kernel_background_transport)

BOOST_AUTO_TEST_CASE(all_answers_in_order) {
  Script script{.answers = 1000};
  Owner owner(script);
  BOOST_TEST(owner.answer() == kNoMore, "nothing was asked");
  for (const std::string question : {"1", "2", "3"}) {
    BOOST_TEST(owner.ask(question) == 0);
    for (int i = 0; i < script.answers; ++i)
      BOOST_REQUIRE_EQUAL(owner.answer(), question + "." + std::to_string(i));
    if (question != "2") BOOST_TEST(owner.answer() == kNoMore);  // or the next question at once
  }
  BOOST_TEST(owner.answer() == kNoMore);
}

// Whoever does not take answers is not sent any number of them.
BOOST_AUTO_TEST_CASE(few_answers_wait) {
  Script script{.answers = 1000};
  Owner owner(script);
  owner.ask("1");
  const int most = BackgroundTransport::kAnswers + 1;  // one is in the thread's hands
  BOOST_TEST(becomes([&] { return script.received == most; }));
  std::this_thread::sleep_for(20ms);
  BOOST_TEST(script.received == most);
  for (int i = 0; i < 10; ++i) owner.answer();
  BOOST_TEST(becomes([&] { return script.received == most + 10; }));
}

// The kernel is busy with a question: the owner is not.
BOOST_AUTO_TEST_CASE(owner_does_not_wait) {
  Script script{.answers = 1};
  Owner owner(script);
  std::uint8_t buffer[64];
  script.held = true;
  BOOST_TEST(owner.ask("1") == 0);
  BOOST_TEST(owner.transport->receive(buffer) == -EINPROGRESS);
  BOOST_TEST(owner.transport->port_id() == 7u);
  script.held = false;
  BOOST_TEST(owner.answer() == "1.0");
  BOOST_TEST(owner.answer() == kNoMore);

  script.held = true;
  BOOST_TEST(owner.ask("2") == 0);
  BOOST_TEST(becomes([&] { return script.asked == 2; }));
  BOOST_TEST(owner.transport->reopen() == 0);
  BOOST_TEST(owner.ask("3") == 0);
  BOOST_TEST(owner.ask("4") == EBUSY);
  BOOST_TEST(owner.transport->receive(buffer) == -EINPROGRESS);
  script.held = false;
  BOOST_TEST(owner.answer() == "3.0");
  BOOST_TEST(owner.answer() == kNoMore);
  BOOST_TEST(!script.held_long, "the owner waited");
}

// What a question met is told where answers are expected.
BOOST_AUTO_TEST_CASE(errors) {
  Script script{.answers = 2, .error = ENOBUFS};
  Owner owner(script);
  owner.ask("1");
  BOOST_TEST(owner.answer() == "1.0");
  BOOST_TEST(owner.answer() == "1.1");
  BOOST_TEST(owner.answer() == "errno " + std::to_string(ENOBUFS));
  BOOST_TEST(owner.answer() == kNoMore, "told once");
  script.send_error = EPERM;
  owner.ask("2");
  BOOST_TEST(owner.answer() == "errno " + std::to_string(EPERM));
  script.send_error = 0;
  script.reopen_error = EMFILE;
  owner.transport->reopen();
  owner.ask("3");
  BOOST_TEST(owner.answer() == "errno " + std::to_string(EMFILE));
  script.reopen_error = 0;
  owner.transport->reopen();
  BOOST_TEST(owner.answer() == kNoMore);
  BOOST_TEST(owner.transport->port_id() == 9u);
}

// In the middle of many answers: those that are left are forgotten.
BOOST_AUTO_TEST_CASE(reopened) {
  for (const bool full : {false, true}) {
    Script script{.answers = 1000};
    Owner owner(script);
    owner.ask("1");
    BOOST_TEST(owner.answer() == "1.0");
    if (full) BOOST_TEST(becomes([&] { return script.received >= 5; }));
    owner.transport->reopen();
    owner.ask("2");
    BOOST_TEST(owner.answer() == "2.0");
    BOOST_TEST(script.reopened == 1);
  }
}

// The end waits for the call that is under way, and for nothing else.
BOOST_AUTO_TEST_CASE(ends) {
  for (const int answers_taken : {0, 1}) {
    Script script{.answers = 1000, .time = 200ms};
    int received;
    {
      Owner owner(script);
      owner.ask("1");
      for (int i = 0; i < answers_taken; ++i) owner.answer();
      received = script.received;
    }
    BOOST_TEST(script.received <= received + 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace kproxy::kernel
