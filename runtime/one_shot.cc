#include "runtime/one_shot.h"

#include "runtime/apply/kernel_features.h"
#include "runtime/kernel/conntrack.h"
#include "runtime/kernel/leftovers.h"
#include "runtime/kernel/sysctls.h"
#include "runtime/proxier.h"
#include "runtime/source/snapshot_file.h"

namespace kproxy {
namespace {

// A Proxier on a file that is read once.
class FileProxier {
 public:
  FileProxier(const config::CommandLine& settings, const log::Log& log)
      : log_(log),
        health_(std::chrono::seconds(60)),
        file_(settings.snapshot, pool_),
        proxier_({.options = settings.options, .golden = settings.golden}, snapshot_, log, metrics_,
                 health_) {}

  Status read() {
    snapshot::Diagnostics diagnostics;
    const Status read = file_.read(snapshot_, diagnostics);
    for (const Error& error : diagnostics.errors) log_.error("Left out", error);
    for (const Error& warning : diagnostics.warnings) log_.warning(warning.message());
    return read;
  }
  Proxier& proxier() { return proxier_; }

 private:
  const log::Log& log_;
  serve::ProxyMetrics metrics_;
  serve::Health health_;
  snapshot::StringPool pool_;
  snapshot::Snapshot snapshot_;
  source::SnapshotFile file_;
  Proxier proxier_;
};

}  // namespace

int apply_once(const config::CommandLine& settings, const log::Log& log) {
  FileProxier file(settings, log);
  Status status = file.read();
  if (status) status = file.proxier().check_golden();
  if (status) status = file.proxier().compile();
  if (status) status = apply::check_kernel();
  if (status) status = file.proxier().connect();
  if (status) status = file.proxier().reconcile("Synced with what the kernel had");
  if (!status) {
    log.error("Cannot apply", status.error());
    return 1;
  }
  return file.proxier().rejected() == 0 ? 0 : 1;
}

int verify(const config::CommandLine& settings, const log::Log& log) {
  FileProxier file(settings, log);
  Status status = file.read();
  if (status) status = file.proxier().compile();
  if (status) status = apply::check_kernel();
  if (status) status = file.proxier().connect();
  if (status) {
    const Result<std::size_t> differences = file.proxier().verify();
    if (differences) return *differences == 0 ? 0 : 1;
    status = differences.error();
  }
  log.error("Cannot verify", status.error());
  return 2;
}

int clean_up(const log::Log& log) {
  // Whoever may not remove our table may not remove anything: that is said once.
  Errors errors;
  ruleset::OwnerNames owners;
  const auto socket = apply::NetlinkSocket::open();
  const Status ours = socket ? apply::Engine(**socket, owners).remove_table() : socket.error();
  if (!ours) {
    errors = {ours.error()};
  } else {
    errors = kernel::remove_leftovers();
    if (const Status theirs = kernel::remove_kube_proxy_tables(); !theirs)
      errors.push_back(theirs.error());
  }
  for (const Error& error : errors)
    log.error("encountered an error while tearing down rules", error);
  return errors.empty() ? 0 : 1;
}

int initialize(const config::CommandLine& settings, const log::Log& log) {
  for (const Error& error : kernel::remove_leftovers())
    log.error("Cannot remove all that another mode of kube-proxy left", error);
  const Errors unset = set_kernel_settings(settings.settings.conntrack);
  for (const Error& error : unset)
    log.error("could not set conntrack parameters from kube-proxy configuration", error);
  const Status usable = apply::check_kernel();
  if (!usable) log.error("Cannot serve on this node", usable.error());
  return unset.empty() && usable ? 0 : 1;
}

Errors set_kernel_settings(const config::Conntrack& settings) {
  kernel::load_conntrack();
  kernel::ConntrackSettings wanted;
  wanted.max_per_core = settings.max_per_core;
  wanted.min = settings.min;
  wanted.tcp_established_timeout = settings.tcp_established_timeout;
  wanted.tcp_close_wait_timeout = settings.tcp_close_wait_timeout;
  wanted.udp_timeout = settings.udp_timeout;
  wanted.udp_stream_timeout = settings.udp_stream_timeout;
  wanted.tcp_be_liberal = settings.tcp_be_liberal;
  return kernel::set_conntrack(wanted);
}

}  // namespace kproxy
