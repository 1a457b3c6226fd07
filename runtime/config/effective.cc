#include "runtime/config/effective.h"

#include <algorithm>

#include "compiler/types/address.h"
#include "compiler/types/json_text.h"

namespace kproxy::config {
namespace {

using options::Field;
using options::FieldType;
using options::text_of;
using options::Values;

struct Server {
  const char* field;
  const char* port;
  const char* ipv6;
};
constexpr Server kServers[] = {
    {"healthzBindAddress", "10256", "[::]:10256"},
    {"metricsBindAddress", "10249", "[::1]:10249"},
};

// NAME=VALUE in two.
std::pair<std::string, std::string> halves(const std::string& item) {
  const std::size_t equals = item.rfind('=');
  return {item.substr(0, equals), item.substr(equals + 1)};
}

std::string joined(char open, const std::vector<std::string>& items, char close) {
  std::string out(1, open);
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ',';
    out += items[i];
  }
  return out + close;
}

// Without its sign, which JSON does not know.
std::string number(const std::string& text) {
  return text.empty() ? "0" : text.substr(text.starts_with('+'));
}

std::string value_of(FieldType type, const std::vector<std::string>& texts) {
  const std::string text = texts.empty() ? std::string() : texts.front();
  std::vector<std::string> items;
  switch (type) {
    case FieldType::boolean:
      return text == "true" ? text : "false";
    case FieldType::integer:
    case FieldType::number:
      return number(text);
    case FieldType::quantity:
      return text.find_first_not_of("0123456789") == std::string::npos ? number(text)
                                                                       : json_text(text);
    case FieldType::text:
    case FieldType::duration:
      return json_text(text);
    case FieldType::texts:
      if (texts.empty()) return "null";
      for (const std::string& item : texts) items.push_back(json_text(item));
      return joined('[', items, ']');
    case FieldType::booleans:
      for (const std::string& item : texts) {
        const auto [name, on] = halves(item);
        items.push_back(json_text(name) + ": " + on);
      }
      return joined('{', items, '}');
    case FieldType::modules:
      if (texts.empty()) return "null";
      for (const std::string& item : texts) {
        const auto [pattern, level] = halves(item);
        items.push_back("{\"filePattern\": " + json_text(pattern) + ", \"verbosity\": " + level +
                        "}");
      }
      return joined('[', items, ']');
  }
  return "null";
}

// Writes the fields as objects within objects; a style says how they are set.
template <typename Style>
std::string write(const Values& values, Style style) {
  std::string out;
  std::vector<std::string> open;  // the objects we are in
  for (const Field& field : options::fields()) {
    std::vector<std::string> parts;
    for (std::string_view rest = field.path;;) {
      const std::size_t dot = rest.find('.');
      parts.emplace_back(rest.substr(0, dot));
      if (dot == std::string_view::npos) break;
      rest.remove_prefix(dot + 1);
    }
    const std::string leaf = parts.back();
    parts.pop_back();
    const std::size_t common = static_cast<std::size_t>(
        std::mismatch(open.begin(), open.end(), parts.begin(), parts.end()).first - open.begin());
    for (; open.size() > common; open.pop_back()) style.end(out);
    for (; open.size() < parts.size(); open.push_back(parts[open.size()]))
      style.begin(out, parts[open.size()], open.size());
    const auto found = values.find(field.path);
    style.member(
        out, leaf,
        value_of(field.type, found == values.end() ? std::vector<std::string>() : found->second),
        open.size());
  }
  for (; !open.empty(); open.pop_back()) style.end(out);
  return out;
}

struct Yaml {
  void begin(std::string& out, const std::string& name, std::size_t depth) const {
    out += std::string(2 * depth, ' ') + name + ":\n";
  }
  void end(std::string&) const {}
  void member(std::string& out, const std::string& name, const std::string& value,
              std::size_t depth) const {
    out += std::string(2 * depth, ' ') + name + ": " + value + '\n';
  }
};

struct Json {
  void comma(std::string& out) const {
    if (!out.empty() && out.back() != '{') out += ',';
  }
  void begin(std::string& out, const std::string& name, std::size_t) const {
    comma(out);
    out += json_text(name) + ":{";
  }
  void end(std::string& out) const { out += '}'; }
  void member(std::string& out, const std::string& name, const std::string& value,
              std::size_t) const {
    comma(out);
    out += json_text(name) + ':' + value;
  }
};

}  // namespace

Values effective(Values given, Origin origin) {
  if (text_of(given, "mode").empty()) given["mode"] = {"nftables"};
  const auto bind_address = Address::parse(text_of(given, "bindAddress"));
  const bool ipv6 =
      origin == Origin::file && bind_address && bind_address->family() == Family::ipv6;
  for (const Server& server : kServers)
    if (ipv6 && text_of(given, server.field).empty()) given[server.field] = {server.ipv6};
  Values values =
      options::with_defaults(std::move(given), origin == Origin::file ? options::Zeros::are_defaults
                                                                      : options::Zeros::kept);
  for (const Server& server : kServers)
    values[server.field] = {with_port(text_of(values, server.field), server.port)};
  return values;
}

std::string with_port(const std::string& address, const std::string& port) {
  const auto parsed = Address::parse(address);
  if (!parsed) return address;
  return (address.find(':') == std::string::npos ? address : '[' + address + ']') + ':' + port;
}

std::string to_yaml(const Values& values) {
  return write(values, Yaml());
}

std::string to_json(const Values& values) {
  return '{' + write(values, Json()) + '}';
}

}  // namespace kproxy::config
