#include "compiler/ruleset/render.h"

#include <string>

namespace kproxy::ruleset {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

std::string_view type_name(SetTraits::Type type) {
  switch (type) {
    case SetTraits::Type::ipv4_addr:
      return "ipv4_addr";
    case SetTraits::Type::ipv6_addr:
      return "ipv6_addr";
    case SetTraits::Type::inet_proto:
      return "inet_proto";
    case SetTraits::Type::inet_service:
      return "inet_service";
    case SetTraits::Type::slot:
      return "";
  }
  return "";
}

// nft has no name for the type of a slot: maps that have one are declared by expressions.
std::string_view expression(SetTraits::Type type) {
  switch (type) {
    case SetTraits::Type::ipv4_addr:
      return "ip daddr";
    case SetTraits::Type::ipv6_addr:
      return "ip6 daddr";
    case SetTraits::Type::inet_proto:
      return "meta l4proto";
    case SetTraits::Type::inet_service:
      return "th dport";
    case SetTraits::Type::slot:
      return "numgen random mod 65536";
  }
  return "";
}

template <typename ToText>
std::string concatenation(const std::vector<SetTraits::Type>& types, ToText to_text) {
  std::string text;
  for (SetTraits::Type type : types) {
    if (!text.empty()) text += " . ";
    text += to_text(type);
  }
  return text;
}

std::string type_line(const SetTraits& set) {
  const bool has_slot = !set.key.empty() && set.key.back() == SetTraits::Type::slot;
  const auto to_text = has_slot ? expression : type_name;
  std::string text = has_slot ? "typeof " : "type ";
  text += concatenation(set.key, to_text);
  if (set.verdicts) text += " : verdict";
  if (!set.data.empty()) text += " : " + concatenation(set.data, to_text);
  return text;
}

std::string_view hook_name(Hook::Point point) {
  switch (point) {
    case Hook::Point::prerouting:
      return "prerouting";
    case Hook::Point::input:
      return "input";
    case Hook::Point::output:
      return "output";
    case Hook::Point::postrouting:
      return "postrouting";
  }
  return "";
}

class Renderer {
 public:
  Renderer(const Ruleset& ruleset, const WriteText& write)
      : ruleset_(ruleset), owners_(ruleset.owners()), write_(write) {}

  void render() {
    const std::string table = "table inet " + std::string(kTable);
    line("# The Services of the cluster as node " + ruleset_.node().name + " serves them.");
    line("# The first two lines make way for the table, in the same transaction.");
    line(table);
    line("delete " + table);
    line(table + " {");
    const Structure structure = ruleset_.structure();
    const auto listing = ruleset_.listing();
    auto next = listing.begin();
    for (const SetRef& set : structure.sets) {
      begin(set);
      bool any = false;
      for (; next != listing.end() && next->element.set == set; ++next) {
        if (!any) line("    elements = {");
        any = true;
        element(*next);
      }
      if (any) line("    }");
      line("  }");
    }
    for (const Chain& chain : structure.chains) write_chain(chain);
    line("}");
    flush();
  }

 private:
  void begin(const SetRef& set) {
    const SetTraits set_traits = traits(set);
    line(std::string(is_map(set.kind) ? "  map " : "  set ") + name(set, owners_) + " {");
    line("    " + type_line(set_traits));
    if (set_traits.size != 0) line("    size " + std::to_string(set_traits.size));
    if (set_traits.interval) line("    flags interval");
    if (set_traits.dynamic) line("    flags dynamic,timeout");
  }

  void element(const Ruleset::Listed& listed) {
    text_ += "      ";
    append_text(listed.element, owners_, text_);
    text_ += ',';
    if (listed.service != nullptr) {
      text_ += " # ";
      text_ += listed.service->ns;
      text_ += '/';
      text_ += listed.service->name;
      if (listed.port != nullptr && !listed.port->port_name.empty()) {
        text_ += ':';
        text_ += listed.port->port_name;
      }
    }
    text_ += '\n';
    if (text_.size() >= kPiece) flush();
  }

  void write_chain(const Chain& chain) {
    line("  chain " + name(chain.ref, owners_) + " {");
    if (chain.hook)
      line("    type nat hook " + std::string(hook_name(chain.hook->point)) + " priority " +
           std::to_string(chain.hook->priority) + "; policy accept;");
    for (const Rule& rule : chain.rules) line("    " + to_text(rule, owners_));
    line("  }");
  }

  void line(const std::string& text) {
    text_ += text;
    text_ += '\n';
    if (text_.size() >= kPiece) flush();
  }

  void flush() {
    write_(text_);
    text_.clear();
  }

  const Ruleset& ruleset_;
  const OwnerNames& owners_;
  const WriteText& write_;
  std::string text_;
};

}  // namespace

void render(const Ruleset& ruleset, const WriteText& write) {
  Renderer(ruleset, write).render();
}

}  // namespace kproxy::ruleset
