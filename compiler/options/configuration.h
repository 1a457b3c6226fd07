// Reads a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1, YAML or JSON) into Options.
//
// Fields that do not change the ruleset (health addresses, conntrack, other modes' settings) are
// read, and left to others to judge. Unknown fields are a warning, as kube-proxy's lenient decoding
// has it; wrong types, a wrong kind or apiVersion, and values out of range are errors, all of them
// reported together by field path. An empty or zero value takes its default.
#pragma once

#include <string>
#include <string_view>

#include "compiler/options/fields.h"
#include "compiler/options/options.h"
#include "compiler/options/settings.h"
#include "compiler/types/error.h"

namespace kproxy::options {

struct Configuration {
  Options options;
  std::string mode;  // as written: empty, iptables, ipvs, nftables
  // Every field that was given, right in type: for the daemon, which reads those that Options does
  // not hold.
  Values fields;
  // Where a field stands, for errors of those that judge other fields.
  Where where;
  Errors errors;  // not empty: options must not be used
  Errors warnings;
};

// `input` names the source in errors. A document without kind and apiVersion is an error.
Configuration read_configuration(std::string_view input, const std::string& text);

}  // namespace kproxy::options
