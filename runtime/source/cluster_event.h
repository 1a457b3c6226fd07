// An Event for the API server (events.k8s.io/v1): what kubectl describe shows under an object.
#pragma once

#include <chrono>
#include <string>

namespace kproxy::source {

struct ClusterEvent {
  struct Regarding {
    std::string api_version = "v1";
    std::string kind;  // "Node", "Service"
    std::string ns;    // empty for what has none
    std::string name;
    std::string uid;  // may be empty
  };

  Regarding regarding;
  std::string type = "Normal";  // or "Warning"
  std::string reason;           // "Starting"
  std::string action;           // "StartKubeProxy"
  std::string note;             // may be empty; cut at the 1 KiB that the server takes
};

// One about the Node of that name, the rest to be filled in.
ClusterEvent event_about_node(const std::string& node);
// Where it is posted to: the regarded object's namespace, or default.
std::string event_path(const ClusterEvent& event);
// The JSON text of it, happening now on this node. The time is also part of its name.
std::string event_body(const ClusterEvent& event, const std::string& node,
                       std::chrono::system_clock::time_point now);

}  // namespace kproxy::source
