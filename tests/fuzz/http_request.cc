// Requests to the health and metrics servers: one that is complete is the same however it arrived.
#include "runtime/serve/http_request.h"

#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  using State = serve::ParsedRequest::State;
  const serve::RequestLimits limits{.head = 1024, .body = 256};
  std::string_view bytes = fuzz::text_of(data, size);
  for (int pipelined = 0; pipelined < 4 && !bytes.empty(); ++pipelined) {
    const serve::ParsedRequest parsed = serve::parse_request(bytes, limits);
    if (parsed.state == State::refused) {
      fuzz::expect(parsed.status >= 400 && parsed.status <= 505, "a refusal has a status");
      return 0;
    }
    if (parsed.state == State::incomplete) {
      fuzz::expect(parsed.size > bytes.size(), "more is needed than is there");
      return 0;
    }
    fuzz::expect(parsed.size > 0 && parsed.size <= bytes.size(), "a request is of what is there");
    const serve::ParsedRequest alone = serve::parse_request(bytes.substr(0, parsed.size), limits);
    fuzz::expect(alone.state == State::complete && alone.size == parsed.size &&
                     alone.request.path == parsed.request.path &&
                     alone.request.body == parsed.request.body,
                 "what follows a request is none of its concern");
    const serve::ParsedRequest early =
        serve::parse_request(bytes.substr(0, parsed.size - 1), limits);
    fuzz::expect(early.state != State::complete || early.size < parsed.size,
                 "nothing is complete too early");
    serve::accepts(parsed.request.header("accept-encoding"), "gzip");
    for (const serve::MediaRange& range : serve::parse_accept(parsed.request.header("accept")))
      fuzz::expect(range.quality > 0 && range.quality <= 1, "qualities are from 0 to 1");
    parsed.request.has_parameter("verbose");
    bytes.remove_prefix(parsed.size);
  }
  return 0;
}
