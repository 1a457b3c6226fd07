#include "compiler/snapshot/decode.h"

#include "compiler/snapshot/decode_object.h"
#include "compiler/snapshot/document_reader.h"

namespace kproxy::snapshot {
namespace {

// Items that name no kind and came before their list's kind: held until it is known.
struct HeldItem {
  std::size_t index;
  Tree tree;
};
constexpr std::size_t kMostHeld = 256 * 1024 * 1024;  // bytes

std::string_view text_of(const Tree& tree, std::string_view key) {
  const Value value = tree.root()[key];
  return value.kind() == Kind::string ? value.text() : std::string_view();
}

// The kind of a list's items: "Service" for "ServiceList". Empty for "List", whose items say
// theirs.
std::string_view item_kind(std::string_view list_kind) {
  constexpr std::string_view kList = "List";
  if (!list_kind.ends_with(kList)) return {};
  return list_kind.substr(0, list_kind.size() - kList.size());
}

// One document of an input: an object, or a list and its items.
class DocumentDecoder {
 public:
  DocumentDecoder(std::string path, Report& report, const std::function<void(Object)>& sink,
                  StringPool& pool)
      : path_(std::move(path)), report_(report), sink_(sink), pool_(pool) {}

  void item(const Document& list, std::size_t index, const Tree& item) {
    const bool undecided = text_of(item, "kind").empty() && text_of(list.tree, "kind").empty();
    if (!undecided) {
      decode_item(list.tree, index, item);
    } else if (held_size_ < kMostHeld) {
      held_.push_back({index, item});
      held_size_ += sizeof(HeldItem) + item.size();
    } else {
      ++not_held_;
    }
  }

  // The document has been read. Nothing, or what is wrong with it.
  std::optional<std::string> finish(const Document& document) {
    const std::string_view kind = text_of(document.tree, "kind");
    if (kind.empty()) return "is no Kubernetes object: it has no kind";
    if (not_held_ > 0) return "is too large for a list whose kind comes after its items";
    for (const HeldItem& held : held_) decode_item(document.tree, held.index, held.tree);
    if (document.has_items) return std::nullopt;
    if (!kind.ends_with("List")) {
      decode(path_, text_of(document.tree, "apiVersion"), kind, document.tree.root());
    } else if (const Value items = document.tree.root()["items"]; items.is_given()) {
      error(path_ + ".items", "is " + items.describe() + ", not a list");
    }
    return std::nullopt;
  }

 private:
  void decode_item(const Tree& list, std::size_t index, const Tree& item) {
    const Value root = item.root();
    std::string_view api_version = text_of(item, "apiVersion");
    std::string_view kind = text_of(item, "kind");
    if (kind.empty()) {
      kind = item_kind(text_of(list, "kind"));
      if (api_version.empty() && !kind.empty()) api_version = text_of(list, "apiVersion");
    }
    decode(path_ + ".items[" + std::to_string(index) + "]", api_version, kind, root);
  }

  void decode(std::string path, std::string_view api_version, std::string_view kind, Value object) {
    Subject subject{report_, std::move(path), known_kind(api_version, kind), {}};
    if (object.kind() != Kind::object) {
      error(subject.path, "is " + object.describe() + ", not an object");
    } else if (kind.empty()) {
      error(subject.path, "has no kind");
    } else if (!subject.kind.empty()) {
      if (auto decoded = decode_object(object, subject, pool_)) sink_(std::move(*decoded));
    }
  }

  void error(std::string_view where, std::string what) {
    if (report_.takes_error()) report_.say_error(where, std::move(what));
  }

  std::string path_;
  Report& report_;
  const std::function<void(Object)>& sink_;
  StringPool& pool_;
  std::vector<HeldItem> held_;
  std::size_t held_size_ = 0;
  std::size_t not_held_ = 0;
};

}  // namespace

Status Decoder::decode(std::string_view input, const ReadBytes& read,
                       const std::function<void(Object)>& sink, Diagnostics& diagnostics) {
  Report report(input, diagnostics);
  DocumentReader reader(input, read);
  Document document;
  for (std::size_t number = 1;; ++number) {
    const std::string path = number == 1 ? "$" : "document " + std::to_string(number) + ": $";
    DocumentDecoder decoder(path, report, sink, pool_);
    const auto more =
        reader.next(document, [&](const Document& list, std::size_t index, const Tree& item) {
          decoder.item(list, index, item);
        });
    std::optional<Error> fatal;
    if (!more) {
      fatal = more.error();
    } else if (!*more) {
      if (number == 1) fatal = Error{std::string(input), "is empty", "a v1 List is expected"};
      if (!fatal) break;
    } else if (auto what = decoder.finish(document)) {
      fatal =
          Error{std::string(input) + ": " + path, *what, "kubectl get -o json prints a v1 List"};
    }
    if (fatal) {
      report.finish();
      return *fatal;
    }
  }
  report.finish();
  return ok_status();
}

}  // namespace kproxy::snapshot
