// The fields of KubeProxyConfiguration v1alpha1, one line each: the path below it, the type, the
// default. What reads a configuration, judges it, or writes it down goes by this table.
//
// Values is a configuration as text, field by field: what was given, before anybody has judged it,
// or, after with_defaults(), what is in force. Plain values; any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kproxy::options {

enum class FieldType : std::uint8_t {
  text,
  boolean,
  integer,
  number,
  duration,
  quantity,  // a duration or a size: text, or a bare number
  texts,     // a list
  booleans,  // a map, by name
  modules,   // a list of {filePattern, verbosity}
};

bool is_list(FieldType type);  // one of several texts

struct Field {
  std::string_view path;
  FieldType type;
  std::string_view initial;  // the default as text; empty: the type's empty or zero value
  bool zero_counts = false;  // in a file, where others' zeros stand for the default
};

// Sorted by path.
std::span<const Field> fields();
const Field* find_field(std::string_view path);

// Where a field stands, for Error::where: given "nftables.masqueradeBit", its path below
// KubeProxyConfiguration, says for instance "config.yaml:7: KubeProxyConfiguration.nftables...".
using Where = std::function<std::string(std::string_view field)>;

// By the path below KubeProxyConfiguration. Scalars as written, booleans as true and false, one
// text for each entry of a list, NAME=VALUE for each of a map, PATTERN=N for each module. What is
// null is not there.
using Values = std::map<std::string, std::vector<std::string>, std::less<>>;

// The only value of a field that is no list; empty where it is not there.
const std::string& text_of(const Values& values, std::string_view path);

// In a file a zero stands for the default where zero_counts does not say otherwise; a flag that is
// given has been given.
enum class Zeros : std::uint8_t { are_defaults, kept };

// All fields: with the default where there is no value, an empty one, or a zero that stands for it.
// A field that is no list has one text then, which may be empty.
Values with_defaults(Values values, Zeros zeros);

}  // namespace kproxy::options
