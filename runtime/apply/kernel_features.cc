#include "runtime/apply/kernel_features.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

#include "runtime/apply/encode_structure.h"
#include "runtime/apply/netlink_socket.h"

namespace kproxy::apply {
namespace {

using ruleset::Chain;
using ruleset::Field;
using ruleset::SetKind;
using ruleset::SetRef;

// Beside kproxy's own table: that one may be anything, and is mended later.
constexpr std::string_view kScratchTable = "kproxy-probe";
constexpr int kOldestMajor = 5, kOldestMinor = 13;

// A message of the scratch transaction, and what it takes that the kernel accepts it.
struct Probe {
  std::uint32_t sequence;
  std::string_view option;
};

constexpr SetRef kEndpoints{.kind = SetKind::endpoints};

struct RuleProbe {
  ruleset::Rule rule;
  std::string_view option;
};

std::vector<RuleProbe> rule_probes() {
  const ruleset::Key slot{
      .fields = {Field::ip_daddr, Field::l4proto, Field::th_dport, Field::random_slot}, .slots = 2};
  return {
      {{ruleset::MatchDnatted{}}, "CONFIG_NFT_CT"},
      {{ruleset::MatchLocal{.source = true}}, "CONFIG_NFT_FIB_INET"},
      {{ruleset::Dnat{Family::ipv4, slot, kEndpoints}}, "CONFIG_NFT_NUMGEN and CONFIG_NFT_NAT"},
      {{ruleset::Masquerade{}}, "CONFIG_NFT_MASQ"},
      {{ruleset::RejectUnreachable{}}, "CONFIG_NFT_REJECT_INET"},
  };
}

// Why the kernel refuses what wants the option.
Error refused(int error, std::string_view option) {
  if (error == ENOENT || error == EOPNOTSUPP)
    return Error{"kernel", "nf_tables lacks a feature that kproxy needs",
                 "it wants " + std::string(option)};
  return Error{"kernel",
               "nf_tables refuses what kproxy tries out: " + std::string(std::strerror(error)), ""};
}

}  // namespace

Status check_kernel_release() {
  const char* skip = std::getenv("KUBE_PROXY_NFTABLES_SKIP_KERNEL_VERSION_CHECK");
  if (skip != nullptr && *skip != '\0') return ok_status();
  utsname names{};
  int major = 0, minor = 0;
  if (uname(&names) != 0 || std::sscanf(names.release, "%d.%d", &major, &minor) != 2)
    return ok_status();  // a release of another form; the probe will tell
  if (major > kOldestMajor || (major == kOldestMajor && minor >= kOldestMinor)) return ok_status();
  return Error{"kernel " + std::string(names.release),
               "kube-proxy in nftables mode requires kernel 5.13 or later", ""};
}

Status probe_features(Conversation& conversation) {
  ruleset::OwnerNames owners;
  const ruleset::Owner scratch = owners.intern("scratch");
  const auto chain_of = [&](Family family) {
    return Chain{
        .ref = {.kind = ruleset::ChainKind::record_owner, .family = family, .owner = scratch}};
  };
  std::vector<Probe> probes;
  Batch batch(conversation.next_sequence(), kScratchTable);
  // Sequence numbers count messages; the next one is one past the batch's last so far.
  const auto note = [&](std::string_view option) {
    probes.push_back({batch.last_sequence(), option});
  };
  put_table(batch);
  note("CONFIG_NF_TABLES_INET");
  put_set(batch, kEndpoints, 1, owners);
  note("CONFIG_NF_TABLES");
  Chain base = chain_of(Family::ipv4);
  base.hook = ruleset::Hook{ruleset::Hook::Point::postrouting, 100};
  put_chain(batch, base, owners);
  note("CONFIG_NFT_NAT");
  Chain chain = chain_of(Family::ipv6);
  put_chain(batch, chain, owners);
  for (RuleProbe& probe : rule_probes()) {
    chain.rules = {std::move(probe.rule)};
    put_rules(batch, chain, owners);
    note(probe.option);
  }
  // What ends every scratch transaction: there is no such chain.
  put_chain_removal(batch, "there-is-no-such-chain");
  batch.finish();

  const Answer answer = conversation.transact(batch);
  for (const Refusal& refusal : answer.refusals) {
    if (refusal.error == EPERM)
      return Error{"nf_tables", "permission denied",
                   "kproxy needs CAP_NET_ADMIN in its network namespace"};
    if (refusal.sequence == batch.first_sequence())
      return refused(refusal.error, "CONFIG_NF_TABLES");
    for (const Probe& probe : probes)
      if (refusal.sequence == probe.sequence) return refused(refusal.error, probe.option);
  }
  return ok_status();
}

Status check_kernel() {
  if (const Status release = check_kernel_release(); !release) return release;
  const auto socket = NetlinkSocket::open();
  if (!socket) return socket.error();
  Conversation conversation(**socket);
  return probe_features(conversation);
}

}  // namespace kproxy::apply
