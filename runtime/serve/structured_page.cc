#include "runtime/serve/structured_page.h"

#include "compiler/types/json_text.h"

namespace kproxy::serve {
namespace {

constexpr std::string_view kGroup = "config.k8s.io";
constexpr std::string_view kVersion = "v1beta1";
constexpr std::string_view kOldVersion = "v1alpha1";

std::vector<std::pair<std::string, StructuredPage::Value>> whole_object(const StructuredPage& page,
                                                                        std::string_view version) {
  std::vector<std::pair<std::string, StructuredPage::Value>> object{
      {"kind", page.kind},
      {"apiVersion", std::string(kGroup) + '/' + std::string(version)},
      {"metadata", StructuredPage::Map{{"name", "kube-proxy"}}}};
  object.insert(object.end(), page.fields.begin(), page.fields.end());
  return object;
}

struct JsonValue {
  std::string operator()(const std::string& text) const { return json_text(text); }
  std::string operator()(std::int64_t number) const { return std::to_string(number); }
  std::string operator()(const StructuredPage::Map& map) const {
    std::string out;
    for (const auto& [key, value] : map)
      out += (out.empty() ? "" : ",") + json_text(key) + ':' + json_text(value);
    return '{' + out + '}';
  }
  std::string operator()(const StructuredPage::List& list) const {
    std::string out;
    for (const std::string& item : list) out += (out.empty() ? "" : ",") + json_text(item);
    return '[' + out + ']';
  }
};

std::string to_json(const StructuredPage& page, std::string_view version) {
  std::string out;
  for (const auto& [key, value] : whole_object(page, version))
    out += (out.empty() ? "{" : ",") + json_text(key) + ':' + std::visit(JsonValue{}, value);
  return out + "}\n";
}

// Strings are quoted as in JSON, which YAML reads alike.
struct YamlValue {
  std::string operator()(const std::string& text) const { return ' ' + json_text(text) + '\n'; }
  std::string operator()(std::int64_t number) const { return ' ' + std::to_string(number) + '\n'; }
  std::string operator()(const StructuredPage::Map& map) const {
    std::string out = map.empty() ? " {}\n" : "\n";
    for (const auto& [key, value] : map)
      out += "  " + json_text(key) + ": " + json_text(value) + '\n';
    return out;
  }
  std::string operator()(const StructuredPage::List& list) const {
    std::string out = list.empty() ? " []\n" : "\n";
    for (const std::string& item : list) out += "- " + json_text(item) + '\n';
    return out;
  }
};

std::string to_yaml(const StructuredPage& page, std::string_view version) {
  std::string out;
  for (const auto& [key, value] : whole_object(page, version))
    out += key + ':' + std::visit(YamlValue{}, value);
  return out;
}

bool asks_for_text(const MediaRange& range) {
  return range.type == "*/*" || range.type == "text/*" || range.type == "text/plain";
}

bool asks_for(const MediaRange& range, const StructuredPage& page) {
  const std::string_view version = range.parameter("v");
  return (range.type == "application/json" || range.type == "application/yaml") &&
         range.parameter("g") == kGroup && range.parameter("as") == page.kind &&
         (version == kVersion || version == kOldVersion);
}

}  // namespace

Response negotiated(const Request& request, const StructuredPage& page) {
  const std::string accept = request.header("accept");
  if (accept.empty()) return plain_text(200, page.text);
  for (const MediaRange& range : parse_accept(accept)) {
    if (asks_for_text(range)) return plain_text(200, page.text);
    if (!asks_for(range, page)) continue;
    const std::string version(range.parameter("v"));
    const bool json = range.type == "application/json";
    Response response{200,
                      {{"Content-Type", range.type}, {"X-Content-Type-Options", "nosniff"}},
                      json ? to_json(page, version) : to_yaml(page, version),
                      false};
    if (version == kOldVersion)
      response.headers.emplace_back("Warning", "299 - \"" + std::string(kGroup) + '/' + version +
                                                   ' ' + page.kind + " is deprecated; use " +
                                                   std::string(kVersion) + '"');
    return response;
  }
  return plain_text(
      406, "To be had: text/plain, and application/json or application/yaml with ;g=" +
               std::string(kGroup) + ";v=" + std::string(kVersion) + ";as=" + page.kind + "\n");
}

}  // namespace kproxy::serve
