#include "compiler/snapshot/collector.h"

namespace kproxy::snapshot {

void Collector::put(Object object) {
  const std::string_view kind = kind_of(object);
  const std::optional<ObjectName> twice = snapshot_.put(std::move(object));
  if (!twice || !report_.takes_error()) return;
  report_.say_error(std::string(kind) + " " + twice->to_string(),
                    "is given more than once, and differs; the last one counts");
}

}  // namespace kproxy::snapshot
