// Metrics in the data model of Prometheus: counters, gauges and histograms, with and without
// labels, and the page that shows them.
//
// A metric registers itself where it is constructed and lives as long as the registry does. Any
// thread may change a value at any time: that is one or two atomic operations, without a lock. Only
// Labelled::with() takes one, to find the value: keep the reference where it matters. Names, labels
// and help are those given here in the code; a wrong one is a programming error.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/types/address.h"

namespace kproxy::serve {

// All of a page's lines that begin with one metric's name.
class MetricFamily {
 public:
  virtual ~MetricFamily() = default;
  virtual void append_to(std::string& page) const = 0;
};

// The metrics of a page. Register all before the first text(); then any thread.
class Registry {
 public:
  Registry() = default;
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  void add(std::string_view name, const MetricFamily& family) { families_.emplace(name, &family); }
  // In the text exposition format 0.0.4, sorted by name.
  std::string text() const;

 private:
  std::map<std::string, const MetricFamily*, std::less<>> families_;
};

class Counter {
 public:
  struct Options {};
  explicit Counter(const Options&) {}

  void add(std::uint64_t more = 1) { value_.fetch_add(more, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }
  void reset() { value_.store(0, std::memory_order_relaxed); }

  static constexpr std::string_view kType = "counter";
  void append_to(std::string& page, std::string_view name, std::string_view labels) const;

 private:
  std::atomic<std::uint64_t> value_{0};
};

// Shown from the first set() on: a time that is not known yet is not 1970.
class Gauge {
 public:
  struct Options {};
  explicit Gauge(const Options&) {}

  void set(double value);
  void set_to_now();  // seconds since 1970
  double value() const { return value_.load(std::memory_order_relaxed); }
  void reset() { known_.store(false, std::memory_order_relaxed); }

  static constexpr std::string_view kType = "gauge";
  void append_to(std::string& page, std::string_view name, std::string_view labels) const;

 private:
  std::atomic<double> value_{0};
  std::atomic<bool> known_{false};
};

class Histogram {
 public:
  using Options = std::vector<double>;  // the buckets' upper bounds, ascending, without +Inf
  explicit Histogram(Options bounds);

  void observe(double value);

  static constexpr std::string_view kType = "histogram";
  void append_to(std::string& page, std::string_view name, std::string_view labels) const;

 private:
  std::vector<double> bounds_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> counts_;  // by bucket, the last for +Inf
  std::atomic<double> sum_{0};
};

// # HELP and # TYPE.
void append_header(std::string& page, std::string_view name, std::string_view help,
                   std::string_view type);
// {a="b",c="d"}; empty without labels.
std::string label_text(const std::vector<std::string>& names,
                       std::initializer_list<std::string_view> values);

// A metric without labels. Shown from the start.
template <typename Value>
class Single : public Value, public MetricFamily {
 public:
  Single(Registry& registry, std::string_view name, std::string_view help,
         const typename Value::Options& options = {})
      : Value(options), name_(name), help_(help) {
    if constexpr (std::is_same_v<Value, Gauge>) Value::set(0);
    registry.add(name, *this);
  }
  void append_to(std::string& page) const override {
    append_header(page, name_, help_, Value::kType);
    Value::append_to(page, name_, "");
  }

 private:
  std::string name_;
  std::string help_;
};

// A metric with labels: a value for each combination that has been asked for. Sorted on the page by
// the labels' text. At most kMostValues combinations: whatever comes beyond them shares one value
// that no page shows.
template <typename Value>
class Labelled : public MetricFamily {
 public:
  static constexpr std::size_t kMostValues = 1000;

  // labels: in alphabetical order, as Prometheus' own clients write them.
  Labelled(Registry& registry, std::string_view name, std::string_view help,
           std::vector<std::string> labels, typename Value::Options options = {})
      : name_(name),
        help_(help),
        labels_(std::move(labels)),
        options_(std::move(options)),
        beyond_(options_) {
    registry.add(name, *this);
  }

  // The value of these labels, in their order; the reference stays good.
  Value& with(std::initializer_list<std::string_view> values) {
    std::string key = label_text(labels_, values);
    const std::lock_guard lock(mutex_);
    const auto at = values_.find(key);
    if (at != values_.end()) return at->second;
    if (values_.size() >= kMostValues) return beyond_;
    return values_.try_emplace(std::move(key), options_).first->second;
  }

  void reset() {
    const std::lock_guard lock(mutex_);
    for (auto& [labels, value] : values_) value.reset();
  }

  void append_to(std::string& page) const override {
    std::string lines;
    const std::lock_guard lock(mutex_);
    for (const auto& [labels, value] : values_) value.append_to(lines, name_, labels);
    if (lines.empty()) return;
    append_header(page, name_, help_, Value::kType);
    page += lines;
  }

 private:
  std::string name_;
  std::string help_;
  std::vector<std::string> labels_;
  typename Value::Options options_;
  mutable std::mutex mutex_;
  std::map<std::string, Value> values_;
  Value beyond_;
};

// A metric with the label ip_family alone.
template <typename Value>
class PerFamily {
 public:
  PerFamily(Registry& registry, std::string_view name, std::string_view help,
            typename Value::Options options = {})
      : values_(registry, name, help, {"ip_family"}, std::move(options)) {
    for (Family family : kFamilies)
      by_family_[index_of(family)] = &values_.with({to_string(family)});
  }

  Value& operator[](Family family) { return *by_family_[index_of(family)]; }
  // What holds for both families alike.
  template <typename Change>
  void both(Change change) {
    for (Value* value : by_family_) change(*value);
  }

 private:
  Labelled<Value> values_;
  std::array<Value*, 2> by_family_;
};

// A value that is asked for when the page is: `ask` is called by the thread that makes the page.
class Computed : public MetricFamily {
 public:
  enum class Type : std::uint8_t { counter, gauge };

  Computed(Registry& registry, Type type, std::string_view name, std::string_view help,
           std::function<double()> ask);
  void append_to(std::string& page) const override;

 private:
  Type type_;
  std::string name_;
  std::string help_;
  std::function<double()> ask_;
};

}  // namespace kproxy::serve
