#include "compiler/snapshot/tree.h"

#include <algorithm>

namespace kproxy::snapshot {

void Tree::clear() {
  nodes_.clear();
  text_.clear();
  open_ = kNone;
}

void Tree::add(Kind kind, const Field* field, std::string_view text) {
  nodes_.push_back({field, open_, static_cast<std::uint32_t>(nodes_.size() + 1),
                    static_cast<std::uint32_t>(text_.size()),
                    static_cast<std::uint32_t>(text.size()), kind});
  text_.append(text);
}

void Tree::open(Kind kind, const Field* field) {
  add(kind, field, {});
  open_ = static_cast<std::uint32_t>(nodes_.size() - 1);
}

void Tree::close() {
  Node& node = nodes_[open_];
  node.end = static_cast<std::uint32_t>(nodes_.size());
  open_ = node.parent;
}

Value Tree::root() const {
  return nodes_.empty() ? Value() : Value(this, 0);
}

std::string_view Value::text() const {
  if (tree_ == nullptr) return {};
  return std::string_view(tree_->text_).substr(node().text_begin, node().text_size);
}

Value Value::operator[](std::string_view key) const {
  if (kind() != Kind::object) return {};
  for (Value value : *this)
    if (value.node().field->key == key) return value;
  return {};
}

std::size_t Value::size() const {
  std::size_t count = 0;
  for (Iterator i = begin(), last = end(); i != last; ++i) ++count;
  return count;
}

std::string Value::path() const {
  if (tree_ == nullptr) return {};
  std::vector<std::string> steps;
  for (std::uint32_t index = index_; tree_->nodes_[index].parent != Tree::kNone;) {
    const Tree::Node& node = tree_->nodes_[index];
    const Value parent(tree_, node.parent);
    if (parent.kind() == Kind::object) {
      steps.push_back(path_step(node.field->key));
    } else {
      std::size_t position = 0;
      for (Iterator i = parent.begin(); i != Iterator(tree_, index); ++i) ++position;
      steps.push_back(std::string("[").append(std::to_string(position)).append("]"));
    }
    index = node.parent;
  }
  std::string path;
  for (auto step = steps.rbegin(); step != steps.rend(); ++step) path += *step;
  return path;
}

std::string Value::describe() const {
  switch (kind()) {
    case Kind::absent:
      return "missing";
    case Kind::null:
      return "null";
    case Kind::boolean:
      return std::string(text());
    case Kind::number:
      return text().size() <= 40 ? std::string(text()) : "a number of many digits";
    case Kind::string:
      return quoted(text());
    case Kind::array:
      return "a list";
    case Kind::object:
      return "an object";
  }
  return "?";
}

std::string path_step(std::string_view key) {
  const bool plain = std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  });
  return std::string(plain ? "." : "[\"").append(key).append(plain ? "" : "\"]");
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kLongest = 80;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quote = "\"";
  for (char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      quote += '\\';
      quote += c;
    } else if (byte >= 0x20 && byte < 0x7f) {
      quote += c;
    } else {
      quote += "\\x";
      quote += kHex[byte >> 4];
      quote += kHex[byte & 15];
    }
  }
  quote += text.size() > kLongest ? "\"..." : "\"";
  return quote;
}

}  // namespace kproxy::snapshot
