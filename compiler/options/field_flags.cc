#include "compiler/options/field_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cassert>
#include <map>
#include <optional>

#include "compiler/options/duration.h"
#include "compiler/options/number.h"

namespace kproxy::options {
namespace {

std::string_view first_name(const FlagOfField& flag) {
  const std::string_view names = flag.names;
  return names.substr(0, names.find(','));
}

// What a scalar is not; nothing where it is right.
const char* not_a(FieldType type, const std::string& text) {
  switch (type) {
    case FieldType::boolean:
      return parse_boolean(text) ? nullptr : "true or false";
    case FieldType::integer:
      return parse_integer(text) ? nullptr : "an integer";
    case FieldType::number:
      return parse_number(text) ? nullptr : "a number";
    case FieldType::duration:
      return parse_duration(text) ? nullptr : "a duration like 30s";
    default:
      return nullptr;
  }
}

// NAME=BOOL as NAME=true or NAME=false, sorted; of several for one name the last one counts.
std::vector<std::string> read_booleans(const std::vector<std::string>& items,
                                       const std::string& where, Errors& errors) {
  std::map<std::string, bool> booleans;
  for (const std::string& item : items) {
    const std::size_t equals = item.find('=');
    const auto value =
        equals == std::string::npos ? std::nullopt : parse_boolean(item.substr(equals + 1));
    if (value)
      booleans[item.substr(0, equals)] = *value;
    else
      errors.push_back({where, "holds \"" + item + "\"", "write NAME=true or NAME=false"});
  }
  std::vector<std::string> texts;
  texts.reserve(booleans.size());
  for (const auto& [name, value] : booleans) texts.push_back(name + (value ? "=true" : "=false"));
  return texts;
}

}  // namespace

FieldFlags::FieldFlags(CLI::App& app, std::span<const FlagOfField> table, const char* group)
    : table_(table), given_(table.size()) {
  for (std::size_t i = 0; i < table.size(); ++i) {
    const FlagOfField& flag = table[i];
    const Field* field = find_field(flag.field);
    assert(field != nullptr);
    CLI::Option* option = nullptr;
    if (is_list(field->type)) {
      option = app.add_option(flag.names, given_[i].list, flag.help)
                   ->type_size(1)
                   ->expected(1)
                   ->allow_extra_args(false)
                   ->take_all();
    } else if (field->type == FieldType::boolean) {
      option = app.add_flag(flag.names, given_[i].text, flag.help)->take_last();
    } else {
      option = app.add_option(flag.names, given_[i].text, flag.help)->take_last();
    }
    option->group(group);
    if (*flag.shape != '\0') option->type_name(flag.shape);
  }
}

Values FieldFlags::values(Errors& errors) const {
  Values values;
  for (std::size_t i = 0; i < table_.size(); ++i) {
    const Field& field = *find_field(table_[i].field);
    const std::string name(field.path);
    if (is_list(field.type)) {
      std::vector<std::string> items = split(given_[i].list);
      // kube-proxy passes over a comma too many in gates and modules, and nowhere else.
      if (field.type != FieldType::texts) std::erase(items, "");
      if (field.type == FieldType::booleans)
        items = read_booleans(items, place(field.path), errors);
      if (!items.empty()) values[name] = std::move(items);
      continue;
    }
    const std::string& text = given_[i].text;
    if (text.empty()) continue;
    if (const char* wanted = not_a(field.type, text))
      errors.push_back({place(field.path), "is \"" + text + "\", not " + wanted, {}});
    else if (field.type == FieldType::boolean)
      values[name] = {*parse_boolean(text) ? "true" : "false"};
    else
      values[name] = {text};
  }
  return values;
}

const FlagOfField* FieldFlags::find(std::string_view field) const {
  for (const FlagOfField& flag : table_) {
    if (!field.starts_with(flag.field)) continue;
    const std::string_view rest = field.substr(flag.field.size());
    if (rest.empty() || rest.front() == '[' || rest.front() == '.') return &flag;
  }
  return nullptr;
}

bool FieldFlags::has(std::string_view field) const {
  return find(field) != nullptr;
}

std::string FieldFlags::place(std::string_view field) const {
  std::string text;
  if (const FlagOfField* flag = find(field)) text.append(first_name(*flag)).append(": ");
  return text.append("KubeProxyConfiguration.").append(field);
}

std::vector<std::pair<std::string, std::string>> FieldFlags::listing() const {
  std::vector<std::pair<std::string, std::string>> flags;
  for (std::size_t i = 0; i < table_.size(); ++i) {
    const std::string_view initial = find_field(table_[i].field)->initial;
    std::string value = given_[i].text;
    for (const std::string& item : split(given_[i].list)) {
      if (!value.empty()) value += ',';
      value += item;
    }
    if (value.empty()) value = initial;
    std::string_view names = table_[i].names;
    while (!names.empty()) {
      const std::size_t comma = std::min(names.find(','), names.size());
      const std::string_view name = names.substr(0, comma);
      if (name.starts_with("--")) flags.emplace_back(name.substr(2), value);
      names.remove_prefix(std::min(comma + 1, names.size()));
    }
  }
  return flags;
}

std::vector<std::string> split(const std::vector<std::string>& lists) {
  std::vector<std::string> items;
  for (const std::string& list : lists) {
    if (list.empty()) continue;
    for (std::size_t begin = 0; begin <= list.size();) {
      const std::size_t comma = std::min(list.find(',', begin), list.size());
      items.push_back(list.substr(begin, comma - begin));
      begin = comma + 1;
    }
  }
  return items;
}

}  // namespace kproxy::options
