#include "compiler/ruleset/names.h"

#include <charconv>

namespace kproxy::ruleset {
namespace {

std::string_view scope_name(Scope scope) {
  return scope == Scope::services ? "services" : "node-ports";
}

char digit(Family family) {
  return family == Family::ipv4 ? '4' : '6';
}

// What is set apart by a suffix to "services4" or "node-ports4".
struct ScopedKind {
  SetKind kind;
  std::string_view suffix;
};
constexpr ScopedKind kScopedKinds[] = {
    {SetKind::frontends, ""},
    {SetKind::external, "-external"},
    {SetKind::local_policy, "-local"},
    {SetKind::affinity, "-affinity"},
    {SetKind::affinity_local, "-affinity-local"},
    {SetKind::record, "-record"},
    {SetKind::endpoints, "-endpoints"},
};

// What is named by a word and the family's digit.
struct FamilyKind {
  SetKind kind;
  std::string_view word;
};
constexpr FamilyKind kFamilyKinds[] = {
    {SetKind::cluster_ips, "cluster-ips"},
    {SetKind::service_cidrs, "service-cidrs"},
    {SetKind::pod_cidrs, "pod-cidrs"},
    {SetKind::node_port_addresses, "node-port-addresses"},
    {SetKind::source_guarded, "source-guarded"},
    {SetKind::source_ranges, "source-ranges"},
    {SetKind::hairpin, "hairpin"},
};

// What is named by a word, the family's digit and the owner's label; "local-" goes before the word
// and not before the label, which may begin with it.
constexpr FamilyKind kOwnedKinds[] = {
    {SetKind::clients, "clients"},
    {SetKind::client_ports, "client-ports"},
    {SetKind::rememberable, "rememberable"},
};

bool take(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<Family> take_family(std::string_view& text) {
  if (take(text, "4")) return Family::ipv4;
  if (take(text, "6")) return Family::ipv6;
  return std::nullopt;
}

// "services4" or "node-ports6" at the front of a name.
struct ScopeAndFamily {
  Scope scope;
  Family family;
};
std::optional<ScopeAndFamily> take_scope(std::string_view& text) {
  for (Scope scope : kScopes) {
    std::string_view rest = text;
    if (!take(rest, scope_name(scope))) continue;
    const auto family = take_family(rest);
    if (!family) continue;
    text = rest;
    return ScopeAndFamily{scope, *family};
  }
  return std::nullopt;
}

// "WORD4-LABEL"; the label is not empty.
std::optional<Family> take_owned(std::string_view& text, std::string_view word) {
  std::string_view rest = text;
  if (!take(rest, word)) return std::nullopt;
  const auto family = take_family(rest);
  if (!family || !take(rest, "-") || rest.empty()) return std::nullopt;
  text = rest;
  return family;
}

}  // namespace

Owner OwnerNames::intern(const std::string& label) {
  const auto [entry, added] = owners_.try_emplace(label, static_cast<Owner>(labels_.size()));
  if (added) labels_.push_back(label);
  return entry->second;
}

std::string name(const SetRef& set, const OwnerNames& owners) {
  for (const auto& [kind, suffix] : kScopedKinds)
    if (kind == set.kind)
      return std::string(scope_name(set.scope)) + digit(set.family) + std::string(suffix);
  for (const auto& [kind, word] : kFamilyKinds)
    if (kind == set.kind) return std::string(word) + digit(set.family);
  for (const auto& [kind, word] : kOwnedKinds)
    if (kind == set.kind)
      return std::string(set.policy == Policy::local ? "local-" : "") + std::string(word) +
             digit(set.family) + "-" + owners.label(set.owner);
  return {};
}

std::string name(const ChainRef& chain, const OwnerNames& owners) {
  std::string scoped = std::string(scope_name(chain.scope)) + digit(chain.family);
  const std::string_view local = chain.policy == Policy::local ? "local-" : "";
  switch (chain.kind) {
    case ChainKind::prerouting:
      return "prerouting";
    case ChainKind::input:
      return "input";
    case ChainKind::output:
      return "output";
    case ChainKind::postrouting:
      return "postrouting";
    case ChainKind::unserved_prerouting:
      return "unserved-prerouting";
    case ChainKind::unserved_output:
      return "unserved-output";
    case ChainKind::lookup:
      return scoped;
    case ChainKind::external_local:
      return scoped + "-external-local";
    case ChainKind::mark_for_masquerade:
      return "mark-for-masquerade";
    case ChainKind::masquerade:
      return "masquerade-marked";
    case ChainKind::reject:
      return "reject-connection";
    case ChainKind::record:
      return "record-" + scoped;
    case ChainKind::random:
      return scoped + "-random-" + std::to_string(chain.count) +
             (chain.policy == Policy::local ? "-local" : "");
    case ChainKind::affinity:
      return std::string(local) + "affinity" + digit(chain.family) + "-" +
             owners.label(chain.owner);
    case ChainKind::record_owner:
      return std::string("record") + digit(chain.family) + "-" + owners.label(chain.owner);
  }
  return {};
}

std::optional<SetRef> parse_set_name(std::string_view text, OwnerNames& owners) {
  SetRef set;
  std::string_view rest = text;
  if (const auto scoped = take_scope(rest)) {
    for (const auto& [kind, suffix] : kScopedKinds)
      if (rest == suffix)
        return SetRef{.kind = kind, .scope = scoped->scope, .family = scoped->family};
    return std::nullopt;
  }
  for (const auto& [kind, word] : kFamilyKinds) {
    rest = text;
    if (!take(rest, word)) continue;
    const auto family = take_family(rest);
    if (family && rest.empty()) return SetRef{.kind = kind, .family = *family};
  }
  rest = text;
  set.policy = take(rest, "local-") ? Policy::local : Policy::cluster;
  for (const auto& [kind, word] : kOwnedKinds) {
    std::string_view label = rest;
    const auto family = take_owned(label, word);
    if (!family) continue;
    set.kind = kind;
    set.family = *family;
    set.owner = owners.intern(std::string(label));
    return set;
  }
  return std::nullopt;
}

std::optional<ChainRef> parse_chain_name(std::string_view text, OwnerNames& owners) {
  constexpr ChainKind kConstant[] = {
      ChainKind::prerouting,
      ChainKind::input,
      ChainKind::output,
      ChainKind::postrouting,
      ChainKind::unserved_prerouting,
      ChainKind::unserved_output,
      ChainKind::mark_for_masquerade,
      ChainKind::masquerade,
      ChainKind::reject,
  };
  for (ChainKind kind : kConstant)
    if (text == name(ChainRef{.kind = kind}, owners)) return ChainRef{.kind = kind};

  ChainRef chain;
  std::string_view rest = text;
  if (const auto scoped = take_scope(rest)) {
    chain.scope = scoped->scope;
    chain.family = scoped->family;
    if (rest.empty()) {
      chain.kind = ChainKind::lookup;
      return chain;
    }
    if (rest == "-external-local") {
      chain.kind = ChainKind::external_local;
      return chain;
    }
    if (!take(rest, "-random-")) return std::nullopt;
    chain.kind = ChainKind::random;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), chain.count);
    if (error != std::errc() || chain.count == 0) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (take(rest, "-local")) chain.policy = Policy::local;
    // The way back must give the same name ("random-03" is nobody's).
    if (!rest.empty() || name(chain, owners) != text) return std::nullopt;
    return chain;
  }
  if (take(rest, "record-")) {
    const auto looked_up = take_scope(rest);
    if (!looked_up || !rest.empty()) return std::nullopt;
    return ChainRef{
        .kind = ChainKind::record, .scope = looked_up->scope, .family = looked_up->family};
  }
  if (const auto family = take_owned(rest, "record"))
    return ChainRef{.kind = ChainKind::record_owner,
                    .family = *family,
                    .owner = owners.intern(std::string(rest))};
  rest = text;
  chain = ChainRef{.kind = ChainKind::affinity};
  chain.policy = take(rest, "local-") ? Policy::local : Policy::cluster;
  if (const auto family = take_owned(rest, "affinity")) {
    chain.family = *family;
    chain.owner = owners.intern(std::string(rest));
    return chain;
  }
  return std::nullopt;
}

}  // namespace kproxy::ruleset
