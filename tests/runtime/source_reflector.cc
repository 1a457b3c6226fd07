// The conversation with the API server about one resource, without a connection: what it answers
// in, what it is asked out.
#include <boost/test/unit_test.hpp>
#include <sstream>

#include "runtime/source/reflector.h"

namespace kproxy::source {
namespace {

using snapshot::WatchEvent;
using Mode = Reflector::Mode;
using Effect = Reflector::Effect;
using End = Reflector::End;

// Services unless it is optional, which ServiceCIDRs are.
Resource resource(bool optional) {
  if (optional)
    return {"ServiceCIDR", "/apis/networking.k8s.io/v1/servicecidrs", "", "", true, false};
  return {"Service",
          "/api/v1/services",
          "!service.kubernetes.io/service-proxy-name",
          "spec.clusterIP!=None",
          false,
          false};
}

// Plays the server's side of a case, and notes ours. Words of the server:
//
//   200, 429/3   status, Retry-After        add@7, del@7, mark@7, end@7   events and bookmarks with
//   list@5>tok   a page, and the next one's                               their version; end: of
//   list err410       an ERROR event             too-large                     the refusal's cause
//   .            the answer ends            !       the connection breaks, or there is none
//   ?            nothing until it is given up        +5      seconds pass
//
// Ours: stream, page, page>tok, watch@7 are requests, "2.4" is the wait before one, "(30)" how long
// it took to give up, "listed" the end of a list.
class Conversation {
 public:
  Conversation(bool optional, double random)
      : reflector_(resource(optional), [random] { return random; }) {
    ask();
  }

  std::string play(const std::string& server) {
    std::istringstream words(server);
    for (std::string word; words >> word;) hear(word);
    return said_;
  }

  bool listed() const { return reflector_.listed(); }

 private:
  void say(const std::string& word) { said_ += said_.empty() ? word : " " + word; }

  static std::string seconds(Time::duration duration) {
    std::ostringstream text;
    text << std::chrono::duration<double>(duration).count();
    return text.str();
  }

  static std::string after(const std::string& target, const std::string& mark) {
    const std::size_t at = target.find(mark);
    if (at == std::string::npos) return "";
    const std::size_t begin = at + mark.size();
    return target.substr(begin, target.find('&', begin) - begin);
  }

  void ask() {
    BOOST_REQUIRE(reflector_.next().has_value());
    if (*reflector_.next() > now_) {
      say(seconds(*reflector_.next() - now_));
      now_ = *reflector_.next();
    }
    const auto request = reflector_.begin(now_);
    BOOST_TEST(!reflector_.next().has_value());
    const std::string from = after(request.target, "continue=");
    const std::string version = after(request.target, "resourceVersion=");
    BOOST_TEST(request.begins_list == (request.mode != Mode::watch && from.empty()));
    if (request.mode == Mode::stream) say("stream");
    if (request.mode == Mode::page) say(from.empty() ? "page" : "page>" + from);
    if (request.mode == Mode::watch) say("watch@" + version);
  }

  void end(End how) {
    reflector_.end(how, now_);
    ask();
  }

  void follow(Effect effect) {
    if (effect == Effect::list_end) say("listed");
    if (effect == Effect::stop) end(End::torn);
  }

  void hear(const std::string& word) {
    const std::string version = word.substr(word.find('@') + 1);
    WatchEvent event;
    event.version = version;
    if (word == ".") return end(End::clean);
    if (word == "!") return end(End::torn);
    if (word == "?") {
      say("(" + seconds(reflector_.waited() - now_) + ")");
      now_ = reflector_.waited();
      return end(End::stalled);
    }
    if (word == "too-large") {
      snapshot::ServerStatus status;
      status.version_too_large = true;
      return reflector_.refusal(status);
    }
    if (word[0] == '+') {
      now_ += std::chrono::seconds(std::stoi(word));
      return;
    }
    if (word.starts_with("list@")) {
      const std::size_t next = version.find('>');
      const bool last = next == std::string::npos;
      follow(reflector_.page({version.substr(0, next), last ? "" : version.substr(next + 1)}));
      return end(End::clean);
    }
    reflector_.received(now_);
    if (word.starts_with("err")) {
      event.type = WatchEvent::Type::error;
      event.version.clear();
      event.status.code = std::stoi(word.substr(3));
      event.status.version_too_large = event.status.code == 504;
    } else if (word.starts_with("add@")) {
      event.type = WatchEvent::Type::added;
    } else if (word.starts_with("del@")) {
      event.type = WatchEvent::Type::deleted;
    } else if (word.starts_with("mark@")) {
      event.type = WatchEvent::Type::bookmark;
    } else if (word.starts_with("end@")) {
      event.type = WatchEvent::Type::bookmark;
      event.end_of_list = true;
    } else {
      const std::size_t slash = word.find('/');
      std::optional<std::chrono::seconds> retry_after;
      if (slash != std::string::npos)
        retry_after = std::chrono::seconds(std::stoll(word.substr(slash + 1)));
      return reflector_.status(std::stoi(word), retry_after, now_);
    }
    const Effect effect = reflector_.event(event);
    if (event.type == WatchEvent::Type::added || event.type == WatchEvent::Type::deleted)
      BOOST_TEST((effect == Effect::apply));
    follow(effect);
  }

  Reflector reflector_;
  Time now_{std::chrono::hours(1)};
  std::string said_;
};

std::string play(const std::string& server, bool optional = false, double random = 0) {
  return Conversation(optional, random).play(server);
}

// clang-format off
struct Case {
  const char* server;
  const char* ours;
};

constexpr Case kCases[] = {
    // a streaming list that goes on as a watch, and is resumed where it ended, well or badly
    {"200 add@3 add@2 end@10 +300 .", "stream listed watch@10"},
    {"200 add@3 end@10 add@12 .", "stream listed watch@12"},
    {"200 end@10 mark@15 !", "stream listed watch@15"},
    {"200 end@10 del@13 !", "stream listed watch@13"},
    {"200 end@10 +9 ! 200 add@99 . 200 add@100 . 200 mark@1000 .", "stream listed watch@10 watch@99 watch@100 watch@1000"},
    {"200 end@10 +9 ! 200 mark@9 add@8 +9 .", "stream listed watch@10 watch@10"},        // no way back
    {"200 end@10 add@ add@x add@-1 add@1e9 add@ffff +9 .", "stream listed watch@10"},     // no versions
    {"200 end@10 add@123456789012345678901 +9 .", "stream listed watch@10"},
    // a list counts only when it is complete
    {"200 add@3 .", "stream 0.8 stream"},
    {"200 add@3 ! 200 add@3 !", "stream 0.8 stream 1.6 stream"},
    {"200 mark@3 +9 !", "stream 0.8 stream"},
    {"200 end@ ?", "stream (30) 0.8 page"},
    // delays grow with each failure, and begin anew after a success
    {"! ! ! ! ! ! ! !", "stream 0.8 stream 1.6 stream 3.2 stream 6.4 stream 12.8 stream 24 stream 24 stream 24 stream"},
    {"! ! 200 end@5 +6 ! !", "stream 0.8 stream 1.6 stream listed watch@5 0.8 watch@5"},
    {"200 end@5 +6 ! ! ! 200 add@6 ! !", "stream listed watch@5 0.8 watch@5 1.6 watch@5 watch@6 0.8 watch@6"},
    {"200 end@5 +6 ! 200 ! 200 ! 200 +5 ! 200 !", "stream listed watch@5 0.8 watch@5 1.6 watch@5 watch@5 0.8 watch@5"},
    {"200 end@5 . 200 . 200 .", "stream listed watch@5 0.8 watch@5 1.6 watch@5"},     // no busy loop
    // what is temporary, whatever is asked
    {"401 . 403 . 404 . 408 . 500 .", "stream 0.8 stream 1.6 stream 3.2 stream 6.4 stream 12.8 page"},
    {"200 end@5 +6 ! 401 . 403 . 404 . 429 . 500 . 503 . 504 .", "stream listed watch@5 0.8 watch@5 1.6 watch@5 3.2 watch@5 6.4 watch@5 12.8 watch@5 24 watch@5 24 watch@5"},
    {"302 . 204 .", "stream 0.8 stream 1.6 stream"},
    // Retry-After is honoured where it is longer, within reason
    {"429/3 . 429/3 . 429/3 .", "stream 3 stream 3 stream 3.2 stream"},
    {"503/1 . 429/86400 . 429/9223372036854775807 .", "stream 1 page 120 stream 120 stream"},
    // streaming lists refused: pages, from then on
    {"422 . 200 list@7 200 add@8 .", "stream page listed watch@7 watch@8"},
    {"400 . 200 list@7>a 200 list@7>b 200 list@7 200 +9 .", "stream page page>a page>b listed watch@7 watch@7"},
    {"405 .", "stream page"},
    {"406 . 406 .", "stream page 0.8 page"},
    {"415 . 200 list@7 200 +9 ! 410 .", "stream page listed watch@7 watch@7 page"},
    {"422 . 200 list@7>a 200 list@9 !", "stream page page>a listed watch@7 0.8 watch@7"},  // all pages are of the first one's version
    // a list without a version cannot be watched from; it is not followed by itself at once
    {"422 . 200 list@ 200 list@x 200 list@7 200", "stream page listed 0.8 page listed 1.6 page listed watch@7"},
    // pages that go wrong begin again; the token that a 410 offers is not used
    {"422 . 200 list@7>a 410 . 200 list@9", "stream page page>a page listed watch@9"},
    {"422 . 200 list@7>a ! 200 list@9", "stream page page>a 0.8 page listed watch@9"},
    {"422 . 200 list@7>a 500 . 200 list@9", "stream page page>a 0.8 page listed watch@9"},
    {"422 . 200 ! ?", "stream page 0.8 page (30) 1.6 page"},
    {"422 . 410 . 410 .", "stream page 0.8 page 1.6 page"},
    // the version is forgotten: one list, at once
    {"200 end@5 +6 ! 410 . 200 end@9", "stream listed watch@5 stream listed"},
    {"200 end@5 +6 ! 200 err410 200 end@9", "stream listed watch@5 stream listed"},
    {"200 end@5 +6 err410 200 end@9", "stream listed stream listed"},
    {"200 end@5 +6 ! ! ! ! ! 200 err410", "stream listed watch@5 0.8 watch@5 1.6 watch@5 3.2 watch@5 6.4 watch@5 stream"},
    {"410 . 200 err410 200 end@5", "stream 0.8 stream 1.6 stream listed"},
    // a server that forgets all the time gets no endless lists
    {"200 end@5 err410 200 end@6 err410 200 end@7 err410", "stream listed stream listed 0.8 stream listed 1.6 stream"},
    {"200 end@5 +6 ! 410 . 200 end@6 . 410 . 200 end@7 . 410 .", "stream listed watch@5 stream listed watch@6 0.8 stream listed watch@7 1.6 stream"},
    {"200 end@5 +6 err410 200 end@6 +6 err410", "stream listed stream listed stream"},
    // a server that is behind: no version then
    {"200 end@5 +6 ! 200 err504 200 end@4", "stream listed watch@5 0.8 stream listed"},
    {"200 end@5 +6 ! 504/1 too-large .", "stream listed watch@5 1 stream"},
    // a version that the server finds malformed
    {"200 end@5 +6 ! 400 .", "stream listed watch@5 0.8 stream"},
    // other errors in a stream
    {"200 end@5 +6 err500", "stream listed 0.8 watch@5"},
    {"200 err500", "stream 0.8 page"},
    // patience: for an answer, for the rest of a list; a watch may be silent, but not for ever
    {"? ? ?", "stream (30) 0.8 page (30) 1.6 stream (30) 3.2 page"},
    {"200 add@3 +20 add@4 ?", "stream (30) 0.8 page"},
    {"200 end@5 +100 ?", "stream listed (230) watch@5"},
    {"200 end@5 +6 ! ? 200 ?", "stream listed watch@5 (30) 0.8 watch@5 (330) watch@5"},
    {"? 200 list@7 200 +9 ! 410 . 200 list@8", "stream (30) 0.8 page listed watch@7 watch@7 page listed watch@8"},
    {"? ! 200 end@7", "stream (30) 0.8 page 1.6 stream listed"},
};

// Of what not every server has.
constexpr Case kOptionalCases[] = {
    {"404 . 404 .", "stream 600 stream 600 stream"},
    {"404 . 200 end@5 +6 !", "stream 600 stream listed watch@5"},
    {"403 . 403 . 403 . 403 . 403 . 403 . 403 . 403 . 403 . 403 . 403 . 403 .",
     "stream 0.8 stream 1.6 stream 3.2 stream 6.4 stream 12.8 stream 25.6 stream 51.2 stream 102.4 stream 204.8 stream 409.6 stream 600 stream 600 stream"},
    {"! 500 .", "stream 0.8 stream 1.6 page"},
    {"200 end@5 +6 ! 404 .", "stream listed watch@5 600 watch@5"},
};
// clang-format on

BOOST_AUTO_TEST_SUITE(source_reflector)

BOOST_AUTO_TEST_CASE(conversations) {  // OPS-13
  for (const Case& test : kCases)
    BOOST_TEST(play(test.server) == test.ours,
               test.server << "\n  " << play(test.server) << "\n  " << test.ours << " is expected");
}

BOOST_AUTO_TEST_CASE(conversations_about_what_a_server_may_lack) {  // NODE-03
  for (const Case& test : kOptionalCases)
    BOOST_TEST(play(test.server, true) == test.ours, test.server
                                                         << "\n  " << play(test.server, true)
                                                         << "\n  " << test.ours << " is expected");
}

// Servers before 1.31 select Services by no field but name and namespace.
BOOST_AUTO_TEST_CASE(a_field_that_the_server_does_not_know) {
  Resource services = resource(false);
  services.field_selector_saves = true;
  Reflector reflector(services, [] { return 0; });
  const auto asked = [&reflector](int code) {
    const Reflector::Request request = reflector.begin(*reflector.next());
    reflector.status(code, std::nullopt, {});
    reflector.end(End::clean, {});
    return (request.mode == Mode::stream ? "stream" : "page") +
           std::string(request.target.find("fieldSelector=") == std::string::npos ? "" : ", field");
  };
  BOOST_TEST(asked(400) == "stream, field");
  BOOST_TEST(asked(400) == "page, field");
  BOOST_TEST(asked(400) == "stream");
  BOOST_TEST(asked(400) == "page");
  BOOST_TEST((*reflector.next() > Time{}));  // the field was not to blame
}

BOOST_AUTO_TEST_CASE(what_counts_as_listed) {  // OPS-05
  const auto listed = [](const char* server, bool optional) {
    Conversation conversation(optional, 0);
    conversation.play(server);
    return conversation.listed();
  };
  BOOST_TEST(!listed("200 add@3", false));
  BOOST_TEST(listed("200 add@3 end@4", false));
  BOOST_TEST(listed("200 add@3 end@4 ! 410 . ! !", false));
  BOOST_TEST(!listed("422 . 200 list@7>a", false));
  BOOST_TEST(listed("422 . 200 list@7>a 200 list@7", false));
  BOOST_TEST(!listed("404 . 403 . 500 . !", false));
  BOOST_TEST(listed("404 .", true));
  BOOST_TEST(listed("403 .", true));
  BOOST_TEST(!listed("401 . 500 . ! 429 .", true));
}

BOOST_AUTO_TEST_CASE(delays_are_stretched_and_stay_within_bounds) {
  BOOST_TEST(play("! ! ! ! ! ! !", false, 1) ==
             "stream 1 stream 2 stream 4 stream 8 stream 16 stream 30 stream 30 stream");
  BOOST_TEST(play("429/3 .", false, 1) == "stream 3.75 stream");  // not earlier than was asked
}

BOOST_AUTO_TEST_CASE(targets_are_those_of_kube_proxy) {
  const Time now(std::chrono::hours(1));
  Reflector services(resource(false), [] { return 11.5 / 300; });
  BOOST_TEST(services.begin(now).target ==
             "/api/v1/services?allowWatchBookmarks=true&fieldSelector=spec.clusterIP%21%3DNone"
             "&labelSelector=%21service.kubernetes.io%2Fservice-proxy-name"
             "&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeout=5m11s"
             "&timeoutSeconds=311&watch=true");
  services.status(422, {}, now);
  services.end(End::clean, now);
  BOOST_TEST(services.begin(now).target ==
             "/api/v1/services?fieldSelector=spec.clusterIP%21%3DNone"
             "&labelSelector=%21service.kubernetes.io%2Fservice-proxy-name&limit=500");
  services.status(200, {}, now);
  services.page({"7", "a+/=b"});
  services.end(End::clean, now);
  BOOST_TEST(services.begin(now).target ==
             "/api/v1/services?continue=a%2B%2F%3Db&fieldSelector=spec.clusterIP%21%3DNone"
             "&labelSelector=%21service.kubernetes.io%2Fservice-proxy-name&limit=500");
  services.status(200, {}, now);
  services.page({"7", ""});
  services.end(End::clean, now);
  BOOST_TEST(services.begin(now).target ==
             "/api/v1/services?allowWatchBookmarks=true&fieldSelector=spec.clusterIP%21%3DNone"
             "&labelSelector=%21service.kubernetes.io%2Fservice-proxy-name&resourceVersion=7"
             "&timeout=5m11s&timeoutSeconds=311&watch=true");
  Reflector cidrs(resource(true), [] { return 0.999; });
  BOOST_TEST(cidrs.begin(now).target ==
             "/apis/networking.k8s.io/v1/servicecidrs?allowWatchBookmarks=true"
             "&resourceVersionMatch=NotOlderThan&sendInitialEvents=true&timeout=9m59s"
             "&timeoutSeconds=599&watch=true");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace kproxy::source
