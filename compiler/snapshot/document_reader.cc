#include "compiler/snapshot/document_reader.h"

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

// RapidJSON copies the text of strings byte by byte unless it knows better for a stream, as it does
// for its own. Most of the input is text that is passed over: so here is better for ours.
template <>
template <>
inline void rapidjson::Reader::ScanCopyUnescapedString(kproxy::snapshot::ByteStream& from,
                                                       rapidjson::Reader::StackStream<char>& to) {
  std::string_view text;
  do {
    text = from.plain_text();
    if (text.empty()) return;
    std::memcpy(to.Push(static_cast<rapidjson::SizeType>(text.size())), text.data(), text.size());
  } while (from.advance(text.size()));
}

namespace kproxy::snapshot {
namespace {

// Receives RapidJSON's events and adds those to a tree that belong to fields that are read.
class TreeBuilder {
 public:
  TreeBuilder(const Field& fields, ByteStream& stream, Document& document,
              const DocumentReader::OnItem& on_item)
      : fields_(fields),
        stream_(stream),
        document_(document),
        on_item_(on_item),
        tree_(&document.tree) {
    document_.tree.clear();
    document_.has_items = false;
    stream_.limit(DocumentReader::kLargestObject);
  }

  bool not_an_object() const { return not_an_object_; }

  bool Null() { return scalar(Kind::null, {}); }
  bool Bool(bool value) { return scalar(Kind::boolean, value ? "true" : "false"); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return scalar(Kind::number, {text, size});
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    return scalar(Kind::string, {text, size});
  }
  // Not called: numbers arrive as they are written.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(std::int64_t) { return false; }
  bool Uint64(std::uint64_t) { return false; }
  bool Double(double) { return false; }

  bool Key(const char* text, rapidjson::SizeType size, bool) {
    if (skipped_ > 0) return true;
    const std::string_view key(text, size);
    key_is_items_ = !in_items_ && open_.size() == 1 && key == "items";
    field_ = key_is_items_ ? &kItems : open_.back().fields->find(key);
    return true;
  }

  bool StartObject() { return start(Kind::object); }
  bool StartArray() { return start(Kind::array); }
  bool EndObject(rapidjson::SizeType) { return end(); }
  bool EndArray(rapidjson::SizeType) { return end(); }

 private:
  struct Open {
    const Field* fields;  // what is read in it
    Kind kind;
  };
  static constexpr Field kItems{"items"};

  bool in_array() const { return !open_.empty() && open_.back().kind == Kind::array; }

  // The table for the value that begins; null if it is not read.
  const Field* value_fields() const {
    if (skipped_ > 0) return nullptr;
    if (open_.empty()) return &fields_;  // the document or an item
    return in_array() ? open_.back().fields : field_;
  }

  bool scalar(Kind kind, std::string_view text) {
    const Field* fields = value_fields();
    if (fields == nullptr) return true;
    if (open_.empty() && !in_items_) return refuse();
    if (open_.empty()) tree_->clear();
    tree_->add(kind, fields, text);
    if (open_.empty()) finish_item();
    return true;
  }

  bool start(Kind kind) {
    const Field* fields = value_fields();
    if (fields == nullptr) {
      ++skipped_;
      return true;
    }
    if (open_.empty() && !in_items_ && kind != Kind::object) return refuse();
    if (kind == Kind::array && fields == &kItems && key_is_items_) {
      in_items_ = document_.has_items = true;
      key_is_items_ = false;
      tree_ = &item_;
      open_.clear();
      begin_item();
      return true;
    }
    if (open_.empty() && in_items_) tree_->clear();
    // No list of lists is read: its contents would only make the tree deep.
    const bool list_of_lists = kind == Kind::array && (in_array() || open_.empty());
    tree_->open(kind, fields);
    open_.push_back({fields, kind});
    if (list_of_lists) {
      close();
      ++skipped_;
    }
    return true;
  }

  bool end() {
    if (skipped_ > 0) {
      if (--skipped_ == 0 && open_.empty() && in_items_) finish_item();
    } else if (open_.empty()) {  // the end of `items`
      in_items_ = false;
      tree_ = &document_.tree;
      open_.push_back({&fields_, Kind::object});
    } else {
      close();
      if (open_.empty() && in_items_) finish_item();
    }
    return true;
  }

  void close() {
    tree_->close();
    open_.pop_back();
  }

  void begin_item() { stream_.limit(DocumentReader::kLargestObject); }

  void finish_item() {
    on_item_(document_, index_++, item_);
    begin_item();
  }

  bool refuse() {
    not_an_object_ = true;
    return false;
  }

  const Field& fields_;
  ByteStream& stream_;
  Document& document_;
  const DocumentReader::OnItem& on_item_;
  Tree item_;
  Tree* tree_;                    // that is being filled
  std::vector<Open> open_;        // the way from its root
  const Field* field_ = nullptr;  // of the last key
  bool key_is_items_ = false;
  bool in_items_ = false;
  std::size_t skipped_ = 0;  // depth inside a value that is not read
  std::size_t index_ = 0;    // of the next item
  bool not_an_object_ = false;
};

}  // namespace

Result<bool> DocumentReader::next(Document& document, const OnItem& on_item) {
  stream_.skip_whitespace();
  if (stream_.at_end() && !stream_.beyond_limit()) return false;

  // Numbers stay text: none is too large and none is rounded.
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseStopWhenDoneFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  TreeBuilder builder(*fields_, stream_, document, on_item);
  rapidjson::Reader reader;
  const rapidjson::ParseResult result = reader.Parse<kFlags>(stream_, builder);
  if (!result.IsError()) return true;
  if (stream_.beyond_limit())
    return broken("one object is larger than 16 MiB, which no object of the API server is");
  if (builder.not_an_object()) return broken("is no Kubernetes object: no JSON object begins here");
  const bool begins_wrong = result.Code() == rapidjson::kParseErrorDocumentEmpty;
  Error error =
      broken(std::string("is not JSON: ") +
             (begins_wrong ? "no JSON value begins here" : GetParseError_En(result.Code())));
  if (stream_.at_end()) error.hint = "the text ends here; was it written to its end?";
  return error;
}

Error DocumentReader::broken(std::string what) const {
  return {std::string(input_) + ": line " + std::to_string(stream_.line()) + ", column " +
              std::to_string(stream_.column()),
          std::move(what),
          {}};
}

}  // namespace kproxy::snapshot
