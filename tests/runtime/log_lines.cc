// Lines of the log: their two forms, which are wanted, and how often (CFG-33, CFG-34, CFG-56).
#include <unistd.h>

#include <array>
#include <boost/test/unit_test.hpp>
#include <regex>
#include <thread>

#include "runtime/log/log.h"
#include "runtime/log/repetition.h"

namespace {

using namespace kproxy;
using namespace kproxy::log;
using namespace std::chrono_literals;

// What is written to a pipe.
class Pipe {
 public:
  Pipe() { BOOST_REQUIRE(pipe(ends_.data()) == 0); }
  ~Pipe() {
    close(ends_[0]);
    if (ends_[1] >= 0) close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int fd() const { return ends_[1]; }
  std::string text() {  // ends the writing
    close(std::exchange(ends_[1], -1));
    std::string all;
    char buffer[4096];
    for (ssize_t size; (size = read(ends_[0], buffer, sizeof buffer)) > 0;)
      all.append(buffer, static_cast<std::size_t>(size));
    return all;
  }

 private:
  std::array<int, 2> ends_{};
};

constexpr Place kPlace{"/src/runtime/daemon.cc", 42};

void expect_match(const std::string& text, const std::string& form) {
  BOOST_TEST(std::regex_match(text, std::regex(form)), text << " is not of the form " << form);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(log_lines)

BOOST_AUTO_TEST_CASE(as_text) {
  Pipe pipe;
  const Log log({Format::text, pipe.fd(), pipe.fd()}, 0);
  log.info(0, "A \"message\"\n", {{"text", "a\tb\x01"}, {"count", 3}, {"time", 1.5}}, kPlace);
  log.warning("Beware", {}, kPlace);
  log.error("Failed", {"where", "what", "hint"}, {{"times", 2}}, kPlace);
  const std::string head = R"(\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ daemon\.cc:42\] )";
  expect_match(pipe.text(), "I" + head +
                                R"x("A \\"message\\"\\n" text="a\\tb\\x01" count=3 time=1\.500
W)x" + head + R"x("Beware"
E)x" + head + R"x("Failed" err="where: what \(hint\)" times=2
)x");
}

BOOST_AUTO_TEST_CASE(as_json) {
  Pipe pipe;
  const Log log({Format::json, pipe.fd(), pipe.fd()}, 4);
  log.info(4, "A \"message\"\n", {{"text", "a\tb\x01"}, {"count", 3}, {"time", 1.5}}, kPlace);
  log.warning("Beware", {}, kPlace);
  log.error("Failed", {"where", "what", ""}, {}, kPlace);
  const std::string head = R"x(\{"ts":\d{13}\.\d{3},"caller":"runtime/daemon\.cc:42",)x";
  expect_match(
      pipe.text(),
      head + R"x("msg":"A \\"message\\"\\n","v":4,"text":"a\\tb\\u0001","count":3,"time":1\.500\}
)x" + head +
          R"x("msg":"Beware","v":0\}
)x" + head +
          R"x("msg":"Failed","err":"where: what"\}
)x");
}

BOOST_AUTO_TEST_CASE(bytes_that_are_no_text) {  // a JSON line stays one that can be read
  for (const auto& [format, expected] : {std::pair{Format::text, "\"a\\xffb\\xc3\xc3\xa4\\xe2\""},
                                         {Format::json, "\"a\\ufffdb\\ufffd\xc3\xa4\\ufffd\""}}) {
    Pipe pipe;
    const Log log({format, pipe.fd(), pipe.fd()}, 0);
    log.info(0,
             "a\xff"
             "b\xc3\xc3\xa4\xe2",
             {}, kPlace);
    const std::string text = pipe.text();
    BOOST_TEST(text.find(expected) != std::string::npos, text);
  }
}

BOOST_AUTO_TEST_CASE(information_apart_from_errors) {  // CFG-34
  Pipe info, errors;
  const Log log({Format::text, info.fd(), errors.fd()}, 0);
  log.info(0, "known");
  log.warning("beware");
  log.error("failed", {"", "x", ""});
  const std::string known = info.text(), failed = errors.text();
  BOOST_TEST(known.find("known") != std::string::npos);
  BOOST_TEST(known.find("beware") == std::string::npos);
  BOOST_TEST(failed.find("beware") != std::string::npos);
  BOOST_TEST(failed.find("failed") != std::string::npos);
  BOOST_TEST(failed.find("known") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(wanted_lines) {  // CFG-33
  struct Case {
    int verbosity;
    const char* vmodule;
    int level;
    const char* file;
    bool wanted;
  };
  const Case cases[] = {
      {0, "", 0, "/a/daemon.cc", true},
      {0, "", 1, "/a/daemon.cc", false},
      {2, "", 2, "/a/daemon.cc", true},
      {2, "", 3, "/a/daemon.cc", false},
      {0, "daemon=4", 4, "/a/daemon.cc", true},
      {0, "daemon=4", 4, "daemon.cc", true},
      {0, "daemon=4", 5, "/a/daemon.cc", false},
      {0, "daemon=4", 1, "/a/daemons.cc", false},
      {0, "daemon=4", 1, "/daemon/a.cc", false},
      {2, "daemon=0", 2, "/a/daemon.cc", true},  // a file's level adds, it does not take away
      {0, "d*=4", 4, "/a/daemon.cc", true},
      {0, "d?emon=4", 4, "/a/daemon.cc", true},
      {0, "[ab]*=4", 4, "/a/daemon.cc", false},
      {0, "*=4", 4, "/a/b/anything.h", true},
      {0, "x=1,daemon=2", 2, "/a/daemon.cc", true},
      {0, "d*=1,daemon=2", 2, "/a/daemon.cc", false},  // the first that matches
      {0, "*/apply/engine=3", 3, "/a/runtime/apply/engine.cc", true},
      {0, "*/apply/*=3", 3, "/a/runtime/apply/engine.cc", true},
      {0, "apply/engine=3", 3, "/a/runtime/apply/engine.cc", false},
      {0, "daemon", 1, "daemon.cc", false},
      {0, "daemon=x,=3,,daemon=1", 1, "daemon.cc", true},
  };
  for (const Case& each : cases) {
    Verbosity verbosity(each.verbosity);
    verbosity.set_modules(each.vmodule);
    BOOST_TEST(verbosity.wants(each.level, each.file) == each.wanted,
               each.vmodule << ", " << each.level << " from " << each.file);
  }
}

// HC-49: while other threads log.
BOOST_AUTO_TEST_CASE(verbosity_changes_while_running) {
  constexpr int kLines = 500;
  Pipe pipe;
  Log log(pipe.fd(), 0);
  std::string read_back;
  std::thread writer([&log] {
    for (int i = 0; i < kLines; ++i) log.info(0, "line", {{"text", "of one thread"}}, kPlace);
  });
  for (int i = 0; i < 200; ++i) {
    log.verbosity().set_level(i % 3);
    log.verbosity().set_modules(i % 2 == 0 ? "daemon=1" : "");
  }
  log.verbosity().set_modules("");
  log.verbosity().set_level(3);
  log.info(3, "now wanted");
  log.info(4, "never wanted");
  writer.join();
  BOOST_TEST(log.verbosity().level() == 3);
  const std::string text = pipe.text();
  BOOST_TEST(std::count(text.begin(), text.end(), '\n') == kLines + 1);
  BOOST_TEST(text.find("now wanted") != std::string::npos);
  BOOST_TEST(text.find("never wanted") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_trouble_is_told_once_and_then_from_time_to_time) {
  Repetition repetition(60s, 2);
  const auto start = Repetition::Clock::time_point() + 1h;
  struct Case {
    const char* text;
    std::chrono::seconds after;
    std::optional<std::size_t> told;
  };
  const Case cases[] = {
      {"a", 0s, 0},   {"a", 1s, {}},  {"b", 2s, 0},  {"a", 59s, {}},
      {"a", 60s, 2},  {"a", 61s, {}}, {"b", 62s, 0},  // b: nothing kept back
      {"c", 63s, 0},                                  // forgets a
      {"a", 64s, 0},                                  // forgets b
      {"c", 65s, {}}, {"b", 66s, 0},
  };
  for (const Case& each : cases)
    BOOST_TEST((repetition.tell(each.text, start + each.after) == each.told),
               each.text << " after " << each.after.count() << " s");
}

BOOST_AUTO_TEST_SUITE_END()
