// Flags that stand for fields of KubeProxyConfiguration: one line of a table each.
//
// FieldFlags adds the table's options to a CLI::App; after the App has parsed, values() gives what
// was given, by field. An empty text means not given; of a flag that is no list and is given twice
// the last one counts. Must outlive the App's parsing; not thread-safe.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/options/fields.h"
#include "compiler/types/error.h"

namespace CLI {
class App;
}

namespace kproxy::options {

struct FlagOfField {
  const char* names;  // "--node,--hostname-override"; the first one is named in errors
  std::string_view field;
  const char* shape;  // of the value, for --help; empty for a boolean
  const char* help;
};

class FieldFlags {
 public:
  // The table must outlive this.
  FieldFlags(CLI::App& app, std::span<const FlagOfField> table, const char* group);
  FieldFlags(const FieldFlags&) = delete;
  FieldFlags& operator=(const FieldFlags&) = delete;

  // What is wrong in type is added to `errors`, and not among the values.
  Values values(Errors& errors) const;

  // "--cluster-cidr: KubeProxyConfiguration.clusterCIDR", also of a field within (an entry of a
  // list); without the flag where the table has none.
  std::string place(std::string_view field) const;

  // Whether one of the flags stands for this field, or for what it is within.
  bool has(std::string_view field) const;

  // Each flag's name and what it was given, or else its field's default.
  std::vector<std::pair<std::string, std::string>> listing() const;

 private:
  struct Given {
    std::string text;               // of a scalar
    std::vector<std::string> list;  // of all others
  };

  const FlagOfField* find(std::string_view field) const;

  std::span<const FlagOfField> table_;
  std::deque<Given> given_;  // beside table_
};

// "a,b" and "c": a, b, c. Nothing of an empty list, but an empty text after a last comma.
std::vector<std::string> split(const std::vector<std::string>& lists);

}  // namespace kproxy::options
