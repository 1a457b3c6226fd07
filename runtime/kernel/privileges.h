// What this process may do, as capabilities(7) has it: given up as soon as it is not needed any
// more, before anybody else's bytes are read.
#pragma once

#include <cstdint>

#include "compiler/types/error.h"

namespace kproxy::kernel {

enum class Stage : std::uint8_t {
  // What is left to do needs, beside the following, to be protected from the kernel's out-of-memory
  // killer. Settings of the kernel belong to root, and want no capability.
  starting,
  // For good: to speak to nf_tables and connection tracking; to read credentials and snapshots that
  // are somebody else's files, since they may be written anew by anybody; to listen on ports below
  // 1024, which Services' health ports may be.
  serving,
};

// Gives up all but what the stage needs, of what there is: nobody gains anything. It holds for the
// calling thread and for threads and programs that it starts later. Without `plugins`, these never
// gain anything either, by whatever marks their files have; a credential plugin may want that, and
// still gets no capability that is given up here.
Status drop_privileges(Stage stage, bool plugins);

}  // namespace kproxy::kernel
