#include "compiler/options/configuration.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <exception>
#include <optional>
#include <sstream>
#include <utility>

#include "compiler/options/duration.h"
#include "compiler/options/fields.h"
#include "compiler/options/number.h"
#include "compiler/options/settings.h"
#include "compiler/types/utf8.h"

namespace kproxy::options {
namespace {

constexpr std::string_view kKind = "KubeProxyConfiguration";
constexpr std::string_view kApiVersion = "kubeproxy.config.k8s.io/v1alpha1";

bool is_object(std::string_view path) {
  const std::string prefix = std::string(path) + '.';
  return std::any_of(fields().begin(), fields().end(),
                     [&prefix](const Field& known) { return known.path.starts_with(prefix); });
}

// What a scalar is, by the rules that Kubernetes' YAML reader follows (YAML 1.1).
std::optional<bool> as_boolean(const YAML::Node& node) {
  static constexpr std::array<std::string_view, 11> kTrue{
      "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"};
  static constexpr std::array<std::string_view, 11> kFalse{
      "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"};
  if (node.Tag() != "?") return std::nullopt;
  if (std::find(kTrue.begin(), kTrue.end(), node.Scalar()) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), node.Scalar()) != kFalse.end()) return false;
  return std::nullopt;
}

std::optional<std::int64_t> as_integer(const YAML::Node& node) {
  if (node.Tag() != "?") return std::nullopt;
  return parse_integer(node.Scalar());
}

// Words like inf and nan are texts to YAML.
bool is_number(const YAML::Node& node) {
  const auto number = node.Tag() == "?" ? parse_number(node.Scalar()) : std::nullopt;
  return number && std::isfinite(*number);
}

bool is_text(const YAML::Node& node) {
  return node.IsScalar() && !as_boolean(node) && !is_number(node);
}

// Counts documents that are not empty. The library's own way to read them all does not come to an
// end where, say, a comma follows the first one: it stands still there, and finds one empty
// document after the other.
class Documents : public YAML::EventHandler {
 public:
  std::size_t count(const std::string& text) {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    std::size_t documents = 0;
    for (int last = -1; parser.HandleNextDocument(*this); last = begin_.pos) {
      if (begin_.pos == last) throw YAML::ParserException(begin_, "not expected here");
      documents += !empty_;
    }
    return documents;
  }

 private:
  void OnDocumentStart(const YAML::Mark& mark) override {
    begin_ = mark;
    empty_ = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override { empty_ = false; }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {
    empty_ = false;
  }
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {
    empty_ = false;
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {
    empty_ = false;
  }
  void OnMapEnd() override {}

  YAML::Mark begin_;
  bool empty_ = true;
};

// Walks one document along the table of fields.
class Reader {
 public:
  Reader(std::string_view input, Configuration& result) : input_(input), result_(result) {}

  void read(const YAML::Node& document) {
    if (!is_ours(document)) return;
    read_object(document, {});
    result_.where = [input = std::string(input_), lines = lines_](std::string_view field) {
      return place(input, lines, field);
    };
    const Options options = check(settings_of(result_.fields), result_.where, result_.errors);
    result_.mode = text_of(result_.fields, "mode");
    if (result_.errors.empty()) result_.options = options;
  }

 private:
  using Lines = std::map<std::string, int, std::less<>>;

  // "config.yaml:7: KubeProxyConfiguration.clusterCIDR".
  static std::string place(std::string_view input, const Lines& lines, std::string_view path) {
    // An entry of a list or map stands where its field does, as far as lines are concerned.
    std::string_view known = path.substr(0, path.find('['));
    if (known.starts_with("featureGates.")) known = "featureGates";
    const auto line = lines.find(known);
    std::string text(input);
    if (line != lines.end()) text += ':' + std::to_string(line->second);
    text.append(": ").append(kKind);
    if (!path.empty()) text.append(".").append(path);
    return text;
  }

  void error(std::string_view path, std::string what, std::string hint = {}) {
    result_.errors.push_back({place(input_, lines_, path), std::move(what), std::move(hint)});
  }
  void warning(std::string_view path, std::string what, std::string hint = {}) {
    result_.warnings.push_back({place(input_, lines_, path), std::move(what), std::move(hint)});
  }

  bool is_ours(const YAML::Node& document) {
    const std::string wanted = "it must begin with apiVersion: " + std::string(kApiVersion) +
                               " and kind: " + std::string(kKind);
    if (!document.IsMap()) {
      result_.errors.push_back({std::string(input_), "is no KubeProxyConfiguration", wanted});
      return false;
    }
    for (const auto& [name, value] : {std::pair{"apiVersion", kApiVersion}, {"kind", kKind}}) {
      YAML::Node node;  // the last of that name, which counts
      for (const auto& member : document)
        if (member.first.IsScalar() && member.first.Scalar() == name) node.reset(member.second);
      if (node.IsNull())
        result_.errors.push_back({std::string(input_), std::string(name) + " is missing", wanted});
      else if (!node.IsScalar() || node.Scalar() != value)
        result_.errors.push_back(
            {std::string(input_) + ':' + std::to_string(node.Mark().line + 1),
             std::string(name) + " is " + describe(node) + ", not " + std::string(value),
             {}});
    }
    return result_.errors.empty();
  }

  void read_object(const YAML::Node& object, const std::string& prefix) {
    // The last of several fields of one name counts, whole.
    std::map<std::string, YAML::Node> members;
    for (const auto& member : object) {
      if (!member.first.IsScalar()) {
        warning(prefix.substr(0, prefix.size() - !prefix.empty()),
                "has a field whose name is no text");
        continue;
      }
      const std::string path = prefix + member.first.Scalar();
      lines_[path] = member.first.Mark().line + 1;
      const bool first = members.insert_or_assign(path, member.second).second;
      if (!first) warning(path, "stands more than once", "the last one counts");
    }
    for (const auto& [path, node] : members) {
      if (const Field* field = find_field(path)) {
        if (!node.IsNull()) read_value(*field, node);
      } else if (!is_object(path)) {
        warning(path, "is not a known field", "it has no effect");
      } else if (node.IsMap()) {
        read_object(node, path + '.');
      } else if (!node.IsNull()) {
        error(path, "is " + describe(node) + ", not an object");
      }
    }
  }

  void read_value(const Field& field, const YAML::Node& node) {
    const auto keep = [this, &field](std::vector<std::string> texts) {
      result_.fields[std::string(field.path)] = std::move(texts);
    };
    const auto wrong = [this, &field, &node](std::string_view wanted) {
      error(field.path, "is " + describe(node) + ", not " + std::string(wanted));
    };
    switch (field.type) {
      case FieldType::text:
        return is_text(node) ? keep({node.Scalar()}) : wrong("a string");
      case FieldType::boolean: {
        const auto value = node.IsScalar() ? as_boolean(node) : std::nullopt;
        return value ? keep({*value ? "true" : "false"}) : wrong("true or false");
      }
      case FieldType::integer:
        return node.IsScalar() && as_integer(node) ? keep({node.Scalar()}) : wrong("an integer");
      case FieldType::number:
        return node.IsScalar() && is_number(node) ? keep({node.Scalar()}) : wrong("a number");
      case FieldType::duration:
        return is_text(node) && parse_duration(node.Scalar())
                   ? keep({node.Scalar()})
                   : wrong("a duration like 30s or \"0\"");
      case FieldType::quantity:
        return node.IsScalar() && !as_boolean(node) ? keep({node.Scalar()})
                                                    : wrong("a string or a number");
      case FieldType::texts:
        return read_texts(field, node);
      case FieldType::booleans:
        return read_booleans(field, node);
      case FieldType::modules:
        return read_modules(field, node);
    }
  }

  void read_texts(const Field& field, const YAML::Node& node) {
    if (!node.IsSequence()) return error(field.path, "is " + describe(node) + ", not a list");
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < node.size(); ++i) {
      if (is_text(node[i]))
        texts.push_back(node[i].Scalar());
      else
        error(std::string(field.path) + '[' + std::to_string(i) + ']',
              "is " + describe(node[i]) + ", not a string");
    }
    result_.fields[std::string(field.path)] = std::move(texts);
  }

  void read_booleans(const Field& field, const YAML::Node& node) {
    if (!node.IsMap()) return error(field.path, "is " + describe(node) + ", not an object");
    std::map<std::string, bool> booleans;
    for (const auto& member : node) {
      const std::string name = member.first.IsScalar() ? member.first.Scalar() : std::string();
      const auto value = member.second.IsScalar() ? as_boolean(member.second) : std::nullopt;
      if (value)
        booleans[name] = *value;
      else
        error(std::string(field.path) + '.' + name,
              "is " + describe(member.second) + ", not true or false");
    }
    std::vector<std::string> texts;
    texts.reserve(booleans.size());
    for (const auto& [name, value] : booleans) texts.push_back(name + (value ? "=true" : "=false"));
    result_.fields[std::string(field.path)] = std::move(texts);
  }

  void read_modules(const Field& field, const YAML::Node& node) {
    if (!node.IsSequence()) return error(field.path, "is " + describe(node) + ", not a list");
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < node.size(); ++i) {
      const YAML::Node pattern = node[i].IsMap() ? node[i]["filePattern"] : YAML::Node();
      const YAML::Node verbosity = node[i].IsMap() ? node[i]["verbosity"] : YAML::Node();
      if (pattern && is_text(pattern) && verbosity && verbosity.IsScalar() && as_integer(verbosity))
        texts.push_back(pattern.Scalar() + '=' + verbosity.Scalar());
      else
        error(std::string(field.path) + '[' + std::to_string(i) + ']',
              "is not an object with a filePattern and a verbosity",
              "like {filePattern: daemon, verbosity: 4}");
    }
    result_.fields[std::string(field.path)] = std::move(texts);
  }

  static std::string describe(const YAML::Node& node) {
    if (node.IsMap()) return "an object";
    if (node.IsSequence()) return "a list";
    if (node.IsNull()) return "null";
    return is_text(node) ? '"' + node.Scalar() + '"' : node.Scalar();
  }

  std::string_view input_;
  Configuration& result_;
  Lines lines_;
};

// The number of the first line with a byte that is no UTF-8; 0 if there is none.
std::size_t line_of_other_bytes(std::string_view text) {
  std::size_t line = 1;
  while (!text.empty()) {
    const std::size_t size = utf8_size(text);
    if (size == 0) return line;
    line += text.front() == '\n';
    text.remove_prefix(size);
  }
  return 0;
}

}  // namespace

Configuration read_configuration(std::string_view input, const std::string& text) {
  Configuration result;
  if (const std::size_t line = line_of_other_bytes(text); line != 0) {
    result.errors.push_back(
        {std::string(input) + ':' + std::to_string(line), "is not text in UTF-8", {}});
    return result;
  }
  try {
    if (const std::size_t documents = Documents().count(text); documents > 1)
      result.warnings.push_back({std::string(input),
                                 "holds " + std::to_string(documents) + " documents",
                                 "only the first one counts"});
    Reader(input, result).read(YAML::Load(text));
  } catch (const YAML::Exception& failure) {
    result.errors.push_back({std::string(input) + ':' + std::to_string(failure.mark.line + 1) +
                                 ':' + std::to_string(failure.mark.column + 1),
                             "is neither YAML nor JSON: " + failure.msg,
                             {}});
  } catch (const std::exception& failure) {
    result.errors.push_back(
        {std::string(input), std::string("cannot be read: ") + failure.what(), {}});
  }
  return result;
}

}  // namespace kproxy::options
