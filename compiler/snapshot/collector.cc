#include "compiler/snapshot/collector.h"

namespace kproxy::snapshot {

void Collector::put(Object object) {
  const std::string_view kind = kind_of(object);
  const ObjectName name = std::visit([](const auto& any) { return any.name; }, object);
  if (!snapshot_.put(std::move(object)) || !report_.takes_error()) return;
  report_.say_error(std::string(kind) + " " + name.to_string(),
                    "is given more than once, and differs; the last one counts");
}

}  // namespace kproxy::snapshot
