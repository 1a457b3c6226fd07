#include "runtime/kernel/leftovers.h"

#include <cstring>

#include "runtime/kernel/ipvs.h"
#include "runtime/kernel/kube_proxy_tables.h"
#include "runtime/kernel/legacy_tables.h"
#include "runtime/kernel/nft_chains.h"

namespace kproxy::kernel {

Errors remove_leftovers(const std::filesystem::path& root) {
  auto socket = apply::NetlinkSocket::open();
  if (!socket) return {socket.error()};
  apply::Conversation conversation(**socket);
  Errors errors = remove_nft_chains(conversation);
  for (Error& error : remove_legacy_chains(root)) errors.push_back(std::move(error));
  for (Error& error : remove_ipvs(root)) errors.push_back(std::move(error));
  return errors;
}

Status remove_kube_proxy_tables() {
  auto socket = apply::NetlinkSocket::open();
  if (!socket) return socket.error();
  apply::Conversation conversation(**socket);
  const auto tables = kube_proxy_tables(conversation);
  if (!tables) return tables.error();
  if (tables->empty()) return ok_status();
  apply::Batch batch(conversation.next_sequence());
  for (const apply::TableName& table : *tables) apply::put_table_removal(batch, table);
  batch.finish();
  const apply::Answer answer = conversation.transact(batch);
  if (answer.kind == apply::Answer::Kind::committed) return ok_status();
  // It is not known what became of the transaction: look.
  const auto left = kube_proxy_tables(conversation);
  if (left && left->empty()) return ok_status();
  const int error = answer.refusals.empty() ? answer.error : answer.refusals.front().error;
  return Error{"table kube-proxy", std::string("cannot be removed: ") + std::strerror(error), ""};
}

}  // namespace kproxy::kernel
