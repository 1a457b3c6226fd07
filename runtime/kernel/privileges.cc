#include "runtime/kernel/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>

namespace kproxy::kernel {
namespace {

// Capabilities as bits; the kernel takes them in two words.
using Set = std::uint64_t;
using Words = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

constexpr Set set_of(std::initializer_list<int> capabilities) {
  Set set = 0;
  for (int capability : capabilities) set |= Set{1} << capability;
  return set;
}

constexpr Set kServing = set_of({CAP_NET_ADMIN, CAP_DAC_READ_SEARCH, CAP_NET_BIND_SERVICE});
// The second is wanted to give up more later.
constexpr Set kStarting = kServing | set_of({CAP_SYS_RESOURCE, CAP_SETPCAP});

// Those a program could get when it is started. Giving one up wants a capability that whoever
// started us may have kept, as he then did of others: not being allowed to is no error.
int limit_programs(Set keep) {
  for (int capability = 0; capability < 64; ++capability) {
    if ((keep >> capability & 1) != 0) continue;
    if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) != 1) continue;  // gone, or there is none such
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EPERM) return errno;
  }
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 ? 0 : errno;
}

int limit_thread(Set keep) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  Words words{};
  if (syscall(SYS_capget, &header, words.data()) != 0) return errno;
  words[0].permitted &= static_cast<std::uint32_t>(keep);
  words[1].permitted &= static_cast<std::uint32_t>(keep >> 32);
  for (auto& word : words) {
    word.effective &= word.permitted;
    word.inheritable = 0;
  }
  return syscall(SYS_capset, &header, words.data()) == 0 ? 0 : errno;
}

}  // namespace

Status drop_privileges(Stage stage, bool plugins) {
  const Set keep = stage == Stage::starting ? kStarting : kServing;
  int error = limit_programs(keep);
  if (error == 0) error = limit_thread(keep);
  if (error == 0 && !plugins && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) error = errno;
  if (error == 0) return ok_status();
  return Error{"capabilities", std::string("cannot be given up: ") + std::strerror(error), ""};
}

}  // namespace kproxy::kernel
