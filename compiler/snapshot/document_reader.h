// Takes a stream of JSON documents apart: each document comes back as a Tree of the fields that are
// read, except for the elements of a top-level list `items`, which are handed over one by one as
// they are read. Memory: the largest object, plus two trees' worth of what is read of it.
// RapidJSON is used here and nowhere else. Texts of any nesting are safe: neither the parser nor
// the trees recurse. One thread.
#pragma once

#include <functional>

#include "compiler/snapshot/byte_stream.h"
#include "compiler/snapshot/tree.h"

namespace kproxy::snapshot {

struct Document {
  Tree tree;               // without `items` if that is a list
  bool has_items = false;  // it is: the elements were handed over
};

class DocumentReader {
 public:
  // Gets the elements of `items` with their index. Other fields of the document that stand before
  // `items` in the text are already in the document's tree.
  using OnItem = std::function<void(const Document& document, std::size_t index, const Tree& item)>;

  // The largest text of one object. The API server stores none above 1.5 MB.
  static constexpr std::size_t kLargestObject = 16 * 1024 * 1024;

  // `input` names the source in errors. `fields`: what is read of a document, or of an item.
  DocumentReader(std::string_view input, const ReadBytes& read, const Field& fields = kObjectFields)
      : input_(input), fields_(&fields), stream_(read) {}

  // Reads the next document into `document`; false at the end of the input, an Error if the text is
  // no JSON or the document no object.
  Result<bool> next(Document& document, const OnItem& on_item);

 private:
  Error broken(std::string what) const;

  std::string_view input_;
  const Field* fields_;
  ByteStream stream_;
};

}  // namespace kproxy::snapshot
