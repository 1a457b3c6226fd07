// A KubeProxyConfiguration: what is taken and written out again is taken for the same.
#include "compiler/options/configuration.h"

#include "runtime/config/effective.h"
#include "runtime/config/settings.h"
#include "tests/fuzz/input.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace kproxy;
  const auto first = options::read_configuration("input", std::string(fuzz::text_of(data, size)));
  if (!first.errors.empty()) return 0;
  const options::Values values = config::effective(first.fields, config::Origin::file);
  Errors errors;
  const config::Settings settings = config::judge(values, first.where, errors);
  config::to_json(values);
  if (!errors.empty()) return 0;

  const auto second = options::read_configuration("written", config::to_yaml(values));
  for (const Error& error : second.errors) std::fprintf(stderr, "%s\n", error.message().c_str());
  fuzz::expect(second.errors.empty(), "what was written can be read");
  options::Options options = first.options;
  // The address that names none is written out.
  if (!options.bind_address) options.bind_address = second.options.bind_address;
  fuzz::expect(options == second.options, "it means the same to the compiler");
  const options::Values again = config::effective(second.fields, config::Origin::file);
  fuzz::expect(settings == config::judge(again, second.where, errors) && errors.empty(),
               "it means the same to the daemon");
  return 0;
}
