// Short ways to name sets, chains and verdicts, for those who compile.
#pragma once

#include "compiler/ruleset/element.h"
#include "compiler/ruleset/names.h"

namespace kproxy::ruleset {

inline SetRef scoped(SetKind kind, Scope scope, Family family) {
  return SetRef{.kind = kind, .scope = scope, .family = family};
}
inline SetRef of_family(SetKind kind, Family family) {
  return SetRef{.kind = kind, .family = family};
}
inline SetRef owned(SetKind kind, Family family, Policy policy, Owner owner) {
  return SetRef{.kind = kind, .family = family, .policy = policy, .owner = owner};
}

inline Verdict drop() {
  return Verdict{.code = Verdict::Code::drop};
}
inline Verdict return_() {
  return Verdict{.code = Verdict::Code::return_};
}
inline Verdict jump(ChainRef chain) {
  return Verdict{.code = Verdict::Code::jump, .chain = chain};
}
inline Verdict goto_(ChainRef chain) {
  return Verdict{.code = Verdict::Code::goto_, .chain = chain};
}

inline constexpr ChainRef kMarkForMasquerade{.kind = ChainKind::mark_for_masquerade};
inline constexpr ChainRef kMasquerade{.kind = ChainKind::masquerade};
inline constexpr ChainRef kReject{.kind = ChainKind::reject};

inline ChainRef lookup(Scope scope, Family family) {
  return ChainRef{.kind = ChainKind::lookup, .scope = scope, .family = family};
}
inline ChainRef external_local(Scope scope, Family family) {
  return ChainRef{.kind = ChainKind::external_local, .scope = scope, .family = family};
}
inline ChainRef record(Scope scope, Family family) {
  return ChainRef{.kind = ChainKind::record, .scope = scope, .family = family};
}

}  // namespace kproxy::ruleset
