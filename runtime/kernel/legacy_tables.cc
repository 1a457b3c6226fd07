#include "runtime/kernel/legacy_tables.h"

#include <fcntl.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "runtime/kernel/kube_chains.h"

namespace kproxy::kernel {
namespace {

constexpr int kTries = 4;  // somebody else may change the table between reading and replacing it
constexpr auto kLockPatience = std::chrono::seconds(5);

struct IPv4 {
  using Entry = ipt_entry;
  using Replace = ipt_replace;
  static constexpr int kFamily = AF_INET, kLevel = IPPROTO_IP;
  static constexpr const char* kNames = "proc/net/ip_tables_names";
  static constexpr const char* kWhere = "legacy IPv4 table ";
};
struct IPv6 {
  using Entry = ip6t_entry;
  using Replace = ip6t_replace;
  static constexpr int kFamily = AF_INET6, kLevel = IPPROTO_IPV6;
  static constexpr const char* kNames = "proc/net/ip6_tables_names";
  static constexpr const char* kWhere = "legacy IPv6 table ";
};

// Alike in both families.
using Info = ipt_getinfo;
static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo) &&
              static_cast<int>(IPT_SO_GET_INFO) == static_cast<int>(IP6T_SO_GET_INFO) &&
              static_cast<int>(IPT_SO_GET_ENTRIES) == static_cast<int>(IP6T_SO_GET_ENTRIES) &&
              static_cast<int>(IPT_SO_SET_REPLACE) == static_cast<int>(IP6T_SO_SET_REPLACE));

class Socket {
 public:
  explicit Socket(int family) : fd_(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

// What the iptables programs hold while they read and replace, if they ever ran here. Who cannot
// get it goes on without: the kernel notices most changes by others, too. One for all tables: while
// it is waited for, nothing else is done, nor is anybody heard who wants kproxy to end.
class Lock {
 public:
  explicit Lock(const std::filesystem::path& root)
      : fd_(open((root / "run/xtables.lock").c_str(), O_RDONLY | O_CLOEXEC)) {
    const auto end = std::chrono::steady_clock::now() + kLockPatience;
    while (fd_ >= 0 && flock(fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK &&
           std::chrono::steady_clock::now() < end)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ~Lock() {
    if (fd_ >= 0) close(fd_);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int fd_;
};

// A table as the kernel has it, and as it is to be.
template <typename Version>
class Table {
 public:
  using Entry = typename Version::Entry;

  // 0 or an errno.
  int read(int fd, const std::string& name) {
    name_ = name;
    name.copy(info_.name, sizeof info_.name - 1);
    socklen_t size = sizeof info_;
    if (getsockopt(fd, Version::kLevel, IPT_SO_GET_INFO, &info_, &size) != 0) return errno;
    struct Request {
      char name[XT_TABLE_MAXNAMELEN];
      unsigned int size;
    };
    // Entries follow, aligned as the largest of their fields.
    constexpr std::size_t kHead = offsetof(ipt_get_entries, entrytable);
    static_assert(kHead == offsetof(ip6t_get_entries, entrytable));
    std::vector<std::uint8_t> answer(kHead + info_.size);
    Request request{};
    std::memcpy(request.name, info_.name, sizeof request.name);
    request.size = info_.size;
    std::memcpy(answer.data(), &request, sizeof request);
    size = static_cast<socklen_t>(answer.size());
    if (getsockopt(fd, Version::kLevel, IPT_SO_GET_ENTRIES, answer.data(), &size) != 0)
      return errno;
    image_.assign(answer.begin() + kHead, answer.end());
    return split() ? 0 : EINVAL;
  }

  // Whether there is something to remove.
  bool has_chains() const {
    return std::any_of(places_.begin(), places_.end(), [](const Place& p) { return p.condemned; });
  }

  int replace(int fd) {
    choose();
    const std::vector<std::uint8_t> kept = rebuild();
    std::vector<std::uint8_t> request(sizeof(typename Version::Replace) + kept.size());
    std::vector<xt_counters> before(info_.num_entries);
    typename Version::Replace head{};
    std::memcpy(head.name, info_.name, sizeof head.name);
    head.valid_hooks = info_.valid_hooks;
    for (unsigned hook = 0; hook < NF_INET_NUMHOOKS; ++hook) {
      if ((info_.valid_hooks & (1u << hook)) == 0) continue;
      head.hook_entry[hook] = moved(info_.hook_entry[hook]);
      head.underflow[hook] = moved(info_.underflow[hook]);
    }
    head.num_entries = static_cast<unsigned>(
        std::count_if(places_.begin(), places_.end(), [](const Place& p) { return p.stays; }));
    head.size = static_cast<unsigned>(kept.size());
    head.num_counters = info_.num_entries;  // by this the kernel tells whether it is the same table
    head.counters = before.data();
    std::memcpy(request.data(), &head, sizeof head);
    std::memcpy(request.data() + sizeof head, kept.data(), kept.size());
    if (setsockopt(fd, Version::kLevel, IPT_SO_SET_REPLACE, request.data(),
                   static_cast<socklen_t>(request.size())) != 0)
      return errno;
    restore_counters(fd, before);
    return 0;
  }

 private:
  // An entry.
  struct Place {
    std::size_t offset = 0, size = 0;
    std::size_t new_offset = 0;  // where it, or what follows it, is going to be
    std::string chain;           // if it begins one
    bool built_in = false;       // belongs to a built-in chain
    bool condemned = false;      // belongs to a chain of kube-proxy's
    bool ends_chain = false;     // the last one of a chain that is not built in
    bool stays = true;
  };

  const Entry& entry(const Place& place) const {
    return *reinterpret_cast<const Entry*>(image_.data() + place.offset);
  }
  const xt_entry_target& target(const Place& place) const {
    return *reinterpret_cast<const xt_entry_target*>(image_.data() + place.offset +
                                                     entry(place).target_offset);
  }
  // Where it jumps to; nothing if it does not.
  const int* verdict(const Place& place) const {
    if (target(place).u.user.name[0] != '\0') return nullptr;  // an extension
    const int& verdict = reinterpret_cast<const xt_standard_target&>(target(place)).verdict;
    return verdict >= 0 ? &verdict : nullptr;
  }

  // Finds entries and chains. False if the image is not understood.
  bool split() {
    places_.clear();
    std::string chain;
    for (std::size_t offset = 0; offset < image_.size();) {
      if (image_.size() - offset < sizeof(Entry)) return false;
      Place place;
      place.offset = offset;
      const Entry& e = entry(place);
      if (e.next_offset < e.target_offset + sizeof(xt_entry_target) ||
          e.next_offset > image_.size() - offset)
        return false;
      place.size = e.next_offset;
      if (std::string_view(target(place).u.user.name) == XT_ERROR_TARGET) {
        if (place.size < e.target_offset + sizeof(xt_error_target)) return false;
        const auto& mark = reinterpret_cast<const xt_error_target&>(target(place));
        chain.assign(mark.errorname, strnlen(mark.errorname, sizeof mark.errorname));
        if (!places_.empty() && !places_.back().built_in) places_.back().ends_chain = true;
        place.chain = chain;
      }
      place.built_in = chain.empty();
      place.condemned = is_kube_proxy_chain(chain);
      offset += place.size;
      places_.push_back(std::move(place));
    }
    return places_.size() == info_.num_entries;
  }

  // What goes.
  void choose() {
    std::map<int, std::string> first_rules;  // of kube-proxy's chains, by offset
    for (std::size_t i = 0; i + 1 < places_.size(); ++i)
      if (places_[i].condemned && !places_[i].chain.empty())
        first_rules[static_cast<int>(places_[i + 1].offset)] = places_[i].chain;
    std::set<std::string> held;
    for (Place& place : places_) {
      const int* to = verdict(place);
      if (place.condemned || to == nullptr) continue;
      const auto found = first_rules.find(*to);
      if (found == first_rules.end()) continue;
      if (place.built_in)
        place.stays = false;
      else
        held.insert(found->second);
    }
    std::string chain;
    for (Place& place : places_) {
      if (!place.chain.empty()) chain = place.chain;
      if (place.condemned)
        place.stays = held.contains(chain) && (!place.chain.empty() || place.ends_chain);
    }
    std::size_t offset = 0;
    for (Place& place : places_) {
      place.new_offset = offset;
      if (place.stays) offset += place.size;
    }
  }

  unsigned moved(unsigned offset) const {
    const auto place =
        std::lower_bound(places_.begin(), places_.end(), offset,
                         [](const Place& p, std::size_t wanted) { return p.offset < wanted; });
    return place == places_.end() ? 0 : static_cast<unsigned>(place->new_offset);
  }

  std::vector<std::uint8_t> rebuild() const {
    std::vector<std::uint8_t> kept;
    for (const Place& place : places_) {
      if (!place.stays) continue;
      kept.insert(kept.end(), image_.begin() + static_cast<std::ptrdiff_t>(place.offset),
                  image_.begin() + static_cast<std::ptrdiff_t>(place.offset + place.size));
      const int* to = verdict(place);
      if (to == nullptr) continue;
      auto& copy = *reinterpret_cast<Entry*>(kept.data() + place.new_offset);
      auto& jump = *reinterpret_cast<xt_standard_target*>(kept.data() + place.new_offset +
                                                          copy.target_offset);
      jump.verdict = static_cast<int>(moved(static_cast<unsigned>(*to)));
    }
    return kept;
  }

  // Those of the rules that stay begin at 0 in the new table. Failing that is no harm.
  void restore_counters(int fd, const std::vector<xt_counters>& before) const {
    std::vector<xt_counters> kept;
    for (std::size_t i = 0; i < places_.size(); ++i)
      if (places_[i].stays) kept.push_back(before[i]);
    std::vector<std::uint8_t> request(sizeof(xt_counters_info) + kept.size() * sizeof(xt_counters));
    xt_counters_info head{};
    std::memcpy(head.name, info_.name, sizeof head.name);
    head.num_counters = static_cast<unsigned>(kept.size());
    std::memcpy(request.data(), &head, sizeof head);
    std::memcpy(request.data() + sizeof head, kept.data(), kept.size() * sizeof(xt_counters));
    setsockopt(fd, Version::kLevel, IPT_SO_SET_ADD_COUNTERS, request.data(),
               static_cast<socklen_t>(request.size()));
  }

  std::string name_;
  Info info_{};
  std::vector<std::uint8_t> image_;
  std::vector<Place> places_;
};

template <typename Version>
void remove_chains(const std::filesystem::path& root, std::optional<Lock>& lock, Errors& errors) {
  std::ifstream names(root / Version::kNames);
  for (std::string name; std::getline(names, name);) {
    if (std::find(std::begin(kKubeProxyTables), std::end(kKubeProxyTables), name) ==
        std::end(kKubeProxyTables))
      continue;
    const Socket socket(Version::kFamily);
    if (!lock) lock.emplace(root);
    int error = socket.fd() < 0 ? errno : EAGAIN;
    for (int i = 0; i < kTries && error == EAGAIN; ++i) {
      Table<Version> table;
      error = table.read(socket.fd(), name);
      if (error != 0 || !table.has_chains()) break;
      error = table.replace(socket.fd());
    }
    if (error != 0)
      errors.push_back({Version::kWhere + name,
                        std::string("kube-proxy's chains cannot be removed: ") + strerror(error),
                        error == EPERM ? "kproxy needs CAP_NET_ADMIN" : ""});
  }
}

}  // namespace

Errors remove_legacy_chains(const std::filesystem::path& root) {
  Errors errors;
  std::optional<Lock> lock;
  remove_chains<IPv4>(root, lock, errors);
  remove_chains<IPv6>(root, lock, errors);
  return errors;
}

}  // namespace kproxy::kernel
