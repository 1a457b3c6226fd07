// A kubeconfig: an access that can be used, or an error.
#include "runtime/config/kubeconfig.h"

#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  const std::string text(fuzz::text_of(data, size));
  for (const char* master : {"", "https://10.0.0.1:6443"}) {
    const auto access = config::parse_kubeconfig("/etc/kubeconfig", text, master);
    if (!access) continue;
    fuzz::expect(access->server.starts_with("http://") || access->server.starts_with("https://"),
                 "a server is an HTTP URL");
    fuzz::expect(access->client_certificate.given() == access->client_key.given(),
                 "a certificate has its key");
  }
  return 0;
}
