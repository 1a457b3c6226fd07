#include "runtime/serve/metrics.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <chrono>
#include <cmath>

namespace kproxy::serve {
namespace {

void append_number(std::string& page, double value) {
  if (std::isnan(value)) {
    page += "NaN";
  } else if (std::isinf(value)) {
    page += value > 0 ? "+Inf" : "-Inf";
  } else {
    char digits[32];
    page.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
}

void append_escaped(std::string& text, std::string_view value, bool quotes) {
  for (char c : value) {
    if (c == '\\' || (quotes && c == '"')) text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
}

template <typename Number>
void append_line(std::string& page, std::string_view name, std::string_view suffix,
                 std::string_view labels, Number value) {
  page += name;
  page += suffix;
  page += labels;
  page += ' ';
  if constexpr (std::is_floating_point_v<Number>)
    append_number(page, value);
  else
    page += std::to_string(value);
  page += '\n';
}

}  // namespace

std::string Registry::text() const {
  std::string page;
  for (const auto& [name, family] : families_) family->append_to(page);
  return page;
}

void Counter::append_to(std::string& page, std::string_view name, std::string_view labels) const {
  append_line(page, name, "", labels, value());
}

void Gauge::set(double value) {
  value_.store(value, std::memory_order_relaxed);
  known_.store(true, std::memory_order_release);
}

void Gauge::set_to_now() {
  set(std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
}

void Gauge::append_to(std::string& page, std::string_view name, std::string_view labels) const {
  if (known_.load(std::memory_order_acquire)) append_line(page, name, "", labels, value());
}

Histogram::Histogram(Options bounds)
    : bounds_(std::move(bounds)),
      counts_(std::make_unique<std::atomic<std::uint64_t>[]>(bounds_.size() + 1)) {
  assert(std::is_sorted(bounds_.begin(), bounds_.end()));
}

void Histogram::observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  counts_[bucket].fetch_add(1, std::memory_order_relaxed);
  double sum = sum_.load(std::memory_order_relaxed);
  while (!sum_.compare_exchange_weak(sum, sum + value, std::memory_order_relaxed)) {
  }
}

void Histogram::append_to(std::string& page, std::string_view name, std::string_view labels) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= bounds_.size(); ++i) {
    count += counts_[i].load(std::memory_order_relaxed);
    std::string with_bound(labels.empty() ? "{" : labels.substr(0, labels.size() - 1));
    with_bound += labels.empty() ? "le=\"" : ",le=\"";
    append_number(with_bound, i < bounds_.size() ? bounds_[i] : INFINITY);
    append_line(page, name, "_bucket", with_bound + "\"}", count);
  }
  append_line(page, name, "_sum", labels, sum_.load(std::memory_order_relaxed));
  append_line(page, name, "_count", labels, count);
}

void append_header(std::string& page, std::string_view name, std::string_view help,
                   std::string_view type) {
  page.append("# HELP ").append(name).append(" ");
  append_escaped(page, help, false);
  page.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

std::string label_text(const std::vector<std::string>& names,
                       std::initializer_list<std::string_view> values) {
  assert(names.size() == values.size());
  std::string text;
  const std::string_view* value = values.begin();
  for (const std::string& name : names) {
    text += (text.empty() ? '{' : ',') + name + "=\"";
    append_escaped(text, *value++, true);
    text += '"';
  }
  if (!text.empty()) text += '}';
  return text;
}

Computed::Computed(Registry& registry, Type type, std::string_view name, std::string_view help,
                   std::function<double()> ask)
    : type_(type), name_(name), help_(help), ask_(std::move(ask)) {
  registry.add(name, *this);
}

void Computed::append_to(std::string& page) const {
  append_header(page, name_, help_, type_ == Type::counter ? Counter::kType : Gauge::kType);
  append_line(page, name_, "", "", ask_());
}

}  // namespace kproxy::serve
