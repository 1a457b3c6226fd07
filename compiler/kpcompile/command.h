// The commands of kpcompile, and the exit statuses they share. A command gets the arguments after
// its name, says on stderr what is wrong, and returns the process's exit status.
#pragma once

#include <string>
#include <vector>

namespace kproxy::kpcompile {

inline constexpr int kDone = 0;
inline constexpr int kFailed = 1;  // an error, or a difference from what was expected
// diff follows diff(1), which tells a difference from trouble.
inline constexpr int kSame = 0;
inline constexpr int kDifferent = 1;
inline constexpr int kTrouble = 2;

using Arguments = std::vector<std::string>;

int compile_command(const Arguments& arguments);
int diff_command(const Arguments& arguments);
int explain_command(const Arguments& arguments);

}  // namespace kproxy::kpcompile
