#include "runtime/source/cluster_event.h"

#include <cstdio>
#include <ctime>

#include "compiler/types/json_text.h"

namespace kproxy::source {
namespace {

constexpr std::size_t kLongestNote = 1024;

std::string ns_of(const ClusterEvent& event) {
  return event.regarding.ns.empty() ? "default" : event.regarding.ns;
}

// "2026-11-21T00:48:19.049939Z"
std::string to_text(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto count = duration_cast<microseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = count / 1'000'000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const std::size_t size = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof text - size, ".%06dZ", static_cast<int>(count % 1'000'000));
  return text;
}

// Not in the middle of a character.
std::string_view cut(std::string_view text, std::size_t longest) {
  if (text.size() <= longest) return text;
  while (longest > 0 && (static_cast<unsigned char>(text[longest]) & 0xc0) == 0x80) --longest;
  return text.substr(0, longest);
}

}  // namespace

ClusterEvent event_about_node(const std::string& node) {
  ClusterEvent event;
  event.regarding.kind = "Node";
  event.regarding.name = event.regarding.uid = node;
  return event;
}

std::string event_path(const ClusterEvent& event) {
  return "/apis/events.k8s.io/v1/namespaces/" + ns_of(event) + "/events";
}

std::string event_body(const ClusterEvent& event, const std::string& node,
                       std::chrono::system_clock::time_point now) {
  const auto& about = event.regarding;
  char suffix[32];
  std::snprintf(suffix, sizeof suffix, ".%llx",
                static_cast<unsigned long long>(now.time_since_epoch().count()));
  std::string body = "{";
  const auto field = [&body](std::string_view key, std::string_view text) {
    if (body.back() != '{') body += ',';
    body.append(json_text(key)).append(":").append(json_text(text));
  };
  const auto object = [&body](std::string_view key) {
    body.append(",").append(json_text(key)).append(":{");
  };
  field("kind", "Event");
  field("apiVersion", "events.k8s.io/v1");
  object("metadata");
  field("name", about.name + suffix);
  field("namespace", ns_of(event));
  body += '}';
  field("eventTime", to_text(now));
  field("reportingController", "kube-proxy");
  field("reportingInstance", "kube-proxy-" + node);
  field("action", event.action);
  field("reason", event.reason);
  object("regarding");
  field("kind", about.kind);
  field("apiVersion", about.api_version);
  if (!about.ns.empty()) field("namespace", about.ns);
  field("name", about.name);
  if (!about.uid.empty()) field("uid", about.uid);
  body += '}';
  if (!event.note.empty()) field("note", cut(event.note, kLongestNote));
  field("type", event.type);
  return body + "}";
}

}  // namespace kproxy::source
