// nft, as a library: how the tests load the canonical text and see what people see.
#pragma once

#include <nftables/libnftables.h>

#include <boost/test/unit_test.hpp>
#include <string>

namespace kproxy::tests {

// Runs a command or a ruleset's text in the calling thread's network namespace; returns the output.
// Fails the test if nft refuses it.
inline std::string nft(const std::string& command, unsigned debug = 0) {
  nft_ctx* context = nft_ctx_new(NFT_CTX_DEFAULT);
  nft_ctx_buffer_output(context);
  nft_ctx_buffer_error(context);
  nft_ctx_output_set_debug(context, debug);
  const int result = nft_run_cmd_from_buffer(context, command.c_str());
  std::string output = nft_ctx_get_output_buffer(context);
  const std::string error = nft_ctx_get_error_buffer(context);
  nft_ctx_free(context);
  BOOST_REQUIRE_MESSAGE(result == 0, "nft: " + error);
  return output;
}

}  // namespace kproxy::tests
