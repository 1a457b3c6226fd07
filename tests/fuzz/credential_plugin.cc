// What a credential plugin prints: credentials, or an error.
#include "runtime/source/exec_credential.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  const auto credential = source::decode_exec_credential("plugin", fuzz::text_of(data, size),
                                                         "client.authentication.k8s.io/v1");
  if (credential)
    fuzz::expect(!credential->token.empty() || !credential->certificate.empty(),
                 "there is something to show");
  return 0;
}
