#include <rapidjson/prettywriter.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "compiler/kpcompile/counts.h"
#include "compiler/kpcompile/report.h"

namespace kproxy::kpcompile {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

// What RapidJSON writes to.
class Stream {
 public:
  using Ch = char;
  explicit Stream(const ruleset::WriteText& write) : write_(write) {}
  void Put(char c) {
    text_ += c;
    if (text_.size() >= kPiece) Flush();
  }
  void Flush() {
    write_(text_);
    text_.clear();
  }

 private:
  const ruleset::WriteText& write_;
  std::string text_;
};

class JsonReport {
 public:
  explicit JsonReport(const ruleset::WriteText& write) : stream_(write), writer_(stream_) {
    writer_.SetIndent(' ', 2);
  }

  void write(const Compilation& compilation) {
    const Counts counts = count(compilation);
    writer_.StartObject();
    text("node", compilation.ruleset.node().name);
    key("structure");
    writer_.StartObject();
    number("baseChains", counts.base_chains);
    number("chains", counts.chains);
    number("rules", counts.rules);
    number("sets", counts.sets);
    number("maps", counts.maps);
    writer_.EndObject();
    key("elements");
    writer_.StartObject();
    for (const auto& [set, size] : counts.elements) number(set, size);
    writer_.EndObject();
    key("services");
    writer_.StartObject();
    std::map<snapshot::ObjectName, const snapshot::Snapshot::Entry*> services;
    for (const auto& [name, entry] : compilation.snapshot.services()) services[name] = &entry;
    for (const auto& [name, entry] : services) {
      const auto ports = service::resolve(*entry, compilation.ruleset.node());
      if (ports.empty()) continue;
      key(name.to_string());
      writer_.StartArray();
      for (const service::ServicePort& port : ports) service_port(port);
      writer_.EndArray();
    }
    writer_.EndObject();
    key("conflicts");
    writer_.StartArray();
    for (const Error& conflict : compilation.ruleset.conflicts()) string(conflict.message());
    writer_.EndArray();
    writer_.EndObject();
    stream_.Put('\n');
    stream_.Flush();
  }

 private:
  void string(std::string_view value) {
    writer_.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
  void key(std::string_view name) {
    writer_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    string(value);
  }
  void number(std::string_view name, std::uint64_t value) {
    key(name);
    writer_.Uint64(value);
  }

  void service_port(const service::ServicePort& port) {
    const auto policy = [](bool local) { return local ? "Local" : "Cluster"; };
    writer_.StartObject();
    text("name", port.port_name);
    text("family", to_string(port.family));
    text("protocol", to_string(port.protocol));
    number("port", port.port.value);
    text("internalTrafficPolicy", policy(port.internal_local));
    text("externalTrafficPolicy", policy(port.external_local));
    if (port.affinity_seconds) number("affinitySeconds", *port.affinity_seconds);
    if (port.source_ranges) {
      key("sourceRanges");
      writer_.StartArray();
      for (const Cidr& range : *port.source_ranges) string(range.to_string());
      writer_.EndArray();
    }
    key("frontends");
    writer_.StartArray();
    for (const service::Frontend& frontend : port.frontends) {
      writer_.StartObject();
      text("kind", to_string(frontend.kind));
      if (frontend.kind != service::FrontendKind::node_port)
        text("address", frontend.address.to_string());
      number("port", frontend.port.value);
      writer_.EndObject();
    }
    writer_.EndArray();
    key("endpoints");
    writer_.StartArray();
    for (const service::Endpoint& endpoint : endpoints_of(port)) {
      writer_.StartObject();
      text("address", endpoint.address.to_string());
      number("port", endpoint.port.value);
      key("local");
      writer_.Bool(endpoint.local);
      key("policies");
      writer_.StartArray();
      if (std::binary_search(port.endpoints.cluster.begin(), port.endpoints.cluster.end(),
                             endpoint))
        string("Cluster");
      if (std::binary_search(port.endpoints.local.begin(), port.endpoints.local.end(), endpoint))
        string("Local");
      writer_.EndArray();
      writer_.EndObject();
    }
    writer_.EndArray();
    writer_.EndObject();
  }

  Stream stream_;
  rapidjson::PrettyWriter<Stream> writer_;
};

}  // namespace

void write_json(const Compilation& compilation, const ruleset::WriteText& write) {
  JsonReport(write).write(compilation);
}

}  // namespace kproxy::kpcompile
