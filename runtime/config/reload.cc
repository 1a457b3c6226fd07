#include "runtime/config/reload.h"

namespace kproxy::config {

Reaction react(const CommandLine& before, const CommandLine& after) {
  if (before.settings == after.settings && before.options == after.options)
    return before.values == after.values ? Reaction::nothing : Reaction::in_place;
  Settings rest = after.settings;
  // Without effect, only shown.
  rest.config_sync_period = before.settings.config_sync_period;
  rest.show_hidden_metrics = before.settings.show_hidden_metrics;
  rest.client.content_type = before.settings.client.content_type;
  rest.client.accept_content_types = before.settings.client.accept_content_types;
  rest.client.qps = before.settings.client.qps;
  rest.client.burst = before.settings.client.burst;
  // What the daemon changes as it runs.
  rest.logging.verbosity = before.settings.logging.verbosity;
  rest.logging.vmodule = before.settings.logging.vmodule;
  rest.logging.flush_frequency = before.settings.logging.flush_frequency;
  rest.sync_period = before.settings.sync_period;
  rest.min_sync_period = before.settings.min_sync_period;
  return rest == before.settings && after.options == before.options ? Reaction::in_place
                                                                    : Reaction::restart;
}

}  // namespace kproxy::config
