// kube-proxy's flags for what config::Settings holds, beside those that options::Flags has.
//
// With --config only the logging flags among them still count, and --master. Must outlive the App's
// parsing; not thread-safe.
#pragma once

#include <string>

#include "compiler/options/field_flags.h"

namespace kproxy::config {

class DaemonFlags {
 public:
  explicit DaemonFlags(CLI::App& app);

  // `from_file`: the fields are those of a file, which only logging flags may change. What is wrong
  // in type is an error all the same.
  void override(options::Values& fields, bool from_file, Errors& errors) const;

  // Where a field that a flag gave stands; empty where none of these flags stands for it.
  std::string place(std::string_view field) const;

  const std::string& master() const { return master_; }

  // Each flag and its value, as FieldFlags::listing().
  std::vector<std::pair<std::string, std::string>> listing() const;

 private:
  options::FieldFlags server_;
  options::FieldFlags logging_;
  options::FieldFlags other_modes_;
  std::string master_;
  std::string healthz_port_;
  std::string metrics_port_;
  std::string machine_id_file_, boot_id_file_;
};

}  // namespace kproxy::config
