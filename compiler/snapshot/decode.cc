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

constexpr const char* kExpected =
    "a List of Services, EndpointSlices and Nodes is expected, as kubectl get -o json writes";

std::string_view text_of(const Tree& tree, std::string_view key) {
  const Value value = tree.root()[key];
  return value.kind() == Kind::string ? value.text() : std::string_view();
}

constexpr std::string_view kList = "List";
constexpr std::string_view kRefusal = "Status";  // of the API server

// The kind of a list's items: "Service" for "ServiceList". Empty for "List", whose items say
// theirs.
std::string_view item_kind(std::string_view list_kind) {
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

  // The document has been read. An Error if it is nothing that a cluster is written as: an answer
  // of the API server that refuses, or other kinds, must not be taken for an empty cluster.
  Status finish(const Document& document) {
    const Value root = document.tree.root();
    const std::string_view kind = text_of(document.tree, "kind");
    const std::string_view api_version = text_of(document.tree, "apiVersion");
    if (kind.empty()) return Error{path_, "is no Kubernetes object: it has no kind", kExpected};
    const bool is_list = kind.ends_with(kList);
    if (kind != kList && known_kind(api_version, is_list ? item_kind(kind) : kind).empty()) {
      const std::string_view meant = meant_kind(api_version, kind);
      Error error{path_ + ".kind" + (meant.empty() ? "" : ": " + named(meant, root)),
                  "is " + quoted(kind) + of(api_version), kExpected};
      if (kind == kRefusal || !meant.empty()) return error;
      other_kind_ = std::move(error);
      return ok_status();
    }
    if (!is_list && !document.has_items) {
      decode(path_, api_version, kind, root);
      return ok_status();
    }
    if (!is_list)
      return Error{path_ + ".items", "is a list, which no " + std::string(kind) + " has",
                   kExpected};
    if (not_held_ > 0)
      return Error{path_, "is too large for a list whose kind comes after its items", kExpected};
    const Value items = root["items"];
    if (!document.has_items && items.kind() != Kind::null)
      return Error{path_ + ".items",
                   items.is_given() ? "is " + items.describe() + ", not a list" : "is missing",
                   kExpected};
    for (const HeldItem& held : held_) decode_item(document.tree, held.index, held.tree);
    if (items_ > 0 && passed_over_ == items_)
      other_kind_ = Error{path_ + ".items", "holds other kinds alone", kExpected};
    return ok_status();
  }

  // Set if nothing in the document is of a kind that is read: says so.
  const std::optional<Error>& other_kind() const { return other_kind_; }

 private:
  static std::string of(std::string_view api_version) {
    return api_version.empty() ? std::string() : " of " + quoted(api_version);
  }

  void decode_item(const Tree& list, std::size_t index, const Tree& item) {
    ++items_;
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
    } else if (subject.kind.empty()) {
      passed_over(subject, api_version, kind, object);
    } else {
      if (auto decoded = decode_object(object, subject, pool_)) sink_(std::move(*decoded));
    }
  }

  void passed_over(Subject& subject, std::string_view api_version, std::string_view kind,
                   Value object) {
    ++passed_over_;
    subject.kind = meant_kind(api_version, kind);
    if (!subject.kind.empty() && report_.takes_error()) {
      report_.say_error(subject.path + ": " + named(subject.kind, object),
                        "is left out: its kind is " + quoted(kind) + of(api_version),
                        std::string(subject.kind) + " of " +
                            std::string(api_version_of(subject.kind)) + " is read");
    }
  }

  // "Service shop/web", as far as it can be told.
  static std::string named(std::string_view kind, Value object) {
    const auto name_of = [metadata = object["metadata"]](std::string_view key) {
      const Value name = metadata[key];
      return std::string(name.kind() == Kind::string && is_plain(name.text()) ? name.text() : "");
    };
    const ObjectName name{name_of("namespace"), name_of("name")};
    return std::string(kind) + (name.name.empty() ? "" : " " + name.to_string());
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
  std::size_t items_ = 0;
  std::size_t passed_over_ = 0;  // of the items: their kinds are not read
  std::optional<Error> other_kind_;
};

Error in(std::string_view input, Error error) {
  error.where = std::string(input) + ": " + error.where;
  return error;
}

}  // namespace

Status Decoder::decode(std::string_view input, const ReadBytes& read,
                       const std::function<void(Object)>& sink, Diagnostics& diagnostics) {
  Report report(input, diagnostics);
  DocumentReader reader(input, read);
  Document document;
  bool holds_cluster = false;
  std::optional<Error> other_kind;  // the first document without anything that is read
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
      if (number == 1) fatal = Error{std::string(input), "is empty", kExpected};
      if (!holds_cluster && other_kind) fatal = in(input, *other_kind);
      if (!fatal) break;
    } else if (const Status finished = decoder.finish(document); !finished) {
      fatal = in(input, finished.error());
    } else if (!decoder.other_kind()) {
      holds_cluster = true;
    } else if (!other_kind) {
      other_kind = decoder.other_kind();
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
