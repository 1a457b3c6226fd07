// One JSON object as a tree: the part of it that is read.
//
// A Tree is a list of nodes in the order of the text, each knowing where its contents end, and one
// string with all their text. It is filled by appending and emptied without giving memory back, so
// that a tree used for one object after the other soon allocates nothing. Which fields a tree holds
// is said by a table of Fields; keys of nodes are pointers into it. A Value is a place in a Tree
// and is valid until the tree changes. Plain data, no recursion; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kproxy::snapshot {

// A key that is read, and the keys that are read in the object (or objects of the list) below it.
struct Field {
  std::string_view key;
  const Field* fields = nullptr;
  std::size_t count = 0;

  explicit constexpr Field(std::string_view key) : key(key) {}
  template <std::size_t size>
  constexpr Field(std::string_view key, const Field (&fields)[size])
      : key(key), fields(fields), count(size) {}

  // Null if the key is not read.
  const Field* find(std::string_view name) const {
    for (std::size_t i = 0; i < count; ++i)
      if (fields[i].key == name) return &fields[i];
    return nullptr;
  }
};

// All that is read of any Kubernetes object, and of an event of a watch.
extern const Field kObjectFields;
extern const Field kEventFields;

enum class Kind : std::uint8_t { absent, null, boolean, number, string, array, object };

class Value;

class Tree {
 public:
  void clear();
  // Adds a value without contents. `text` is a string's text, a number or boolean as written.
  void add(Kind kind, const Field* field, std::string_view text);
  // Adds an array or object; what is added until close() is in it.
  void open(Kind kind, const Field* field);
  void close();

  Value root() const;
  // Bytes held, about.
  std::size_t size() const { return nodes_.size() * sizeof(Node) + text_.size(); }

 private:
  friend class Value;
  static constexpr std::uint32_t kNone = static_cast<std::uint32_t>(-1);

  struct Node {
    const Field* field;  // whose key the value has, or the list has that it is in
    std::uint32_t parent;
    std::uint32_t end;  // the node after all contents
    std::uint32_t text_begin;
    std::uint32_t text_size;
    Kind kind;
  };

  std::vector<Node> nodes_;
  std::string text_;
  std::uint32_t open_ = kNone;  // the array or object that is being filled
};

class Value {
 public:
  Value() = default;  // absent

  Kind kind() const { return tree_ == nullptr ? Kind::absent : node().kind; }
  bool is_given() const { return kind() > Kind::null; }  // neither absent nor null
  std::string_view text() const;
  // The first value of that key; absent if there is none or this is no object.
  Value operator[](std::string_view key) const;

  // The values in an array or object, in their order.
  class Iterator {
   public:
    Iterator(const Tree* tree, std::uint32_t index) : tree_(tree), index_(index) {}
    Value operator*() const { return Value(tree_, index_); }
    Iterator& operator++() {
      index_ = tree_->nodes_[index_].end;
      return *this;
    }
    bool operator!=(const Iterator& other) const { return index_ != other.index_; }

   private:
    const Tree* tree_;
    std::uint32_t index_;
  };
  Iterator begin() const { return {tree_, tree_ == nullptr ? 0 : index_ + 1}; }
  Iterator end() const { return {tree_, tree_ == nullptr ? 0 : node().end}; }
  std::size_t size() const;  // counts

  // ".spec.ports[0].port": the way from the tree's root.
  std::string path() const;
  // For a message: "an object", a number, a string in quotes; cut short and printable.
  std::string describe() const;

 private:
  friend class Tree;
  Value(const Tree* tree, std::uint32_t index) : tree_(tree), index_(index) {}
  const Tree::Node& node() const { return tree_->nodes_[index_]; }

  const Tree* tree_ = nullptr;
  std::uint32_t index_ = 0;
};

// ".name", or "["a key with/other characters"]".
std::string path_step(std::string_view key);
// In quotes, cut short, with everything escaped that could harm a terminal or a log.
std::string quoted(std::string_view text);

}  // namespace kproxy::snapshot
