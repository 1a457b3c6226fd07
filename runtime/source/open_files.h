// How many files a process may have open: the soft limit is 1024 by default for the sake of
// programs that call select(), which cannot deal with more. Any thread.
#pragma once

#include <sys/types.h>

namespace kproxy::source {

// Raises this process's soft limit to the hard one: nothing here calls select().
void raise_open_files();
// Gives a child, which inherits that, the usual soft limit: nobody knows what it calls.
void limit_open_files(pid_t child);

}  // namespace kproxy::source
