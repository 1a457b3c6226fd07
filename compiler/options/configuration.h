// Reads a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1, YAML or JSON) into Options.
//
// Fields that do not change the ruleset (health addresses, conntrack, other modes' settings) are
// accepted here without effect. Unknown fields are a warning, as kube-proxy's lenient decoding has
// it; wrong types, a wrong kind or apiVersion, and values out of range are errors, all of them
// reported together by field path. An empty or zero value takes its default.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/options/options.h"
#include "compiler/types/error.h"

namespace kproxy::options {

struct Configuration {
  Options options;
  std::string mode;  // as written: empty, iptables, ipvs, nftables
  // Every field that the file gives, by its path below KubeProxyConfiguration
  // ("conntrack.maxPerCore", "nodePortAddresses"), right in type: for the daemon, which reads those
  // that Options does not hold. Scalars as written, booleans as true and false; one text for each
  // entry of a list, NAME=VALUE for each of a map. What is null is not given.
  std::map<std::string, std::vector<std::string>> fields;
  Errors errors;     // not empty: options must not be used
  Errors warnings;
};

// `input` names the source in errors. A document without kind and apiVersion is an error.
Configuration read_configuration(std::string_view input, const std::string& text);

}  // namespace kproxy::options
