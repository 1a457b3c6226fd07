// Kubernetes JSON in, objects out.
//
// The input is read as a stream: no more than one object of a List is held as a tree at any time,
// so memory is bounded by the largest object and not by the file. A List may hold any kinds; those
// that a Service proxy does not read, and fields it does not read, are passed over (managedFields
// without being stored). A value of the wrong type or an unreadable address costs the object or
// the entry it stands in, with an Error that names file, JSON path and object; the others are
// decoded. Broken JSON ends the input with one Error that names line and column. Nesting of any
// depth is safe. Not thread-safe; a Decoder may be used for any number of inputs in turn.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "compiler/snapshot/objects.h"
#include "compiler/snapshot/string_pool.h"
#include "compiler/types/error.h"

namespace kproxy::snapshot {

// Where a stream of bytes comes from: fills the buffer, returns how many bytes (0: the end).
using ReadBytes = std::function<std::size_t(char* buffer, std::size_t size)>;

struct Diagnostics {
  Errors errors;    // an object, or an entry of one, was left out
  Errors warnings;  // harmless oddities: an unreadable externalIP, a slice of host names
};

class Decoder {
 public:
  explicit Decoder(StringPool& pool) : pool_(pool) {}

  // Decodes a v1 List (or ServiceList, EndpointSliceList, ...), a single object, or several JSON
  // documents one after the other. `input` names the source in diagnostics. `sink` is called for
  // each object in the order of the input. Returns an Error only for what ends the input: broken
  // JSON, a document that no cluster is written as (no Kubernetes object, a Status), or where all
  // documents are of other kinds.
  Status decode(std::string_view input, const ReadBytes& read,
                const std::function<void(Object)>& sink, Diagnostics& diagnostics);

 private:
  StringPool& pool_;
};

}  // namespace kproxy::snapshot
