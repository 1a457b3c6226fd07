#include "compiler/kpcompile/compare.h"

#include "compiler/ruleset/text_diff.h"

namespace kproxy::kpcompile {

Result<std::string> compare(const NamedText& before, const NamedText& after) {
  const auto old_ruleset = ruleset::RulesetText::parse(before.name, before.text);
  if (!old_ruleset) return old_ruleset.error();
  const auto new_ruleset = ruleset::RulesetText::parse(after.name, after.text);
  if (!new_ruleset) return new_ruleset.error();
  return ruleset::to_text(ruleset::diff(*old_ruleset, *new_ruleset));
}

}  // namespace kproxy::kpcompile
