// Rulesets as text, as diff and --golden compare them: two of them, split by a line of dashes. One
// does not differ from itself, and all that is in neither is in no difference.
#include "compiler/ruleset/text_diff.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  constexpr std::string_view kBetween = "\n---\n";
  const std::string_view text = fuzz::text_of(data, size);
  const std::size_t end = text.find(kBetween);
  const auto before = ruleset::RulesetText::parse("before", std::string(text.substr(0, end)));
  if (!before) return 0;
  fuzz::expect(ruleset::diff(*before, *before).empty(), "no difference from itself");
  const std::size_t begin = end == text.npos ? text.size() : end + kBetween.size();
  const auto after = ruleset::RulesetText::parse("after", std::string(text.substr(begin)));
  if (!after) return 0;
  fuzz::expect(ruleset::diff(*after, *after).empty(), "no difference from itself");
  const auto there = ruleset::diff(*before, *after), back = ruleset::diff(*after, *before);
  fuzz::expect(there.size() == back.size(), "as many differences either way");
  fuzz::expect(ruleset::to_text(there).empty() == there.empty(), "differences are told");
  return 0;
}
