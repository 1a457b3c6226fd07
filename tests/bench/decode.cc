// bench_decode FILE [ROUNDS]: decodes the file, or standard input once, and says how long it took
// and how much memory the process needed at its peak, with and without keeping the objects.
#include "compiler/snapshot/decode.h"

#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "compiler/snapshot/snapshot.h"

namespace {

using namespace kproxy::snapshot;

long peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  const char* path = argc > 1 ? argv[1] : "/dev/stdin";
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 1;
  for (const bool keep : {false, true}) {
    for (int round = 0; round < rounds; ++round) {
      const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "rb"),
                                                                 &std::fclose);
      if (!file) {
        std::perror(path);
        return 1;
      }
      std::setvbuf(file.get(), nullptr, _IONBF, 0);
      StringPool pool;
      Diagnostics diagnostics;
      std::vector<Object> objects;
      std::size_t count = 0;
      std::size_t bytes = 0;
      const auto begin = std::chrono::steady_clock::now();
      const auto status = Decoder(pool).decode(
          path,
          [&](char* buffer, std::size_t size) {
            const std::size_t got = std::fread(buffer, 1, size, file.get());
            bytes += got;
            return got;
          },
          [&](Object object) {
            ++count;
            if (keep) objects.push_back(std::move(object));
          },
          diagnostics);
      const double decoded = seconds_since(begin);
      if (!status.ok()) {
        std::fprintf(stderr, "%s\n", status.error().message().c_str());
        return 1;
      }
      std::printf("%zu objects, %.1f MB: %.3f s, %.0f MB/s, %zu errors, %zu warnings", count,
                  static_cast<double>(bytes) / 1e6, decoded,
                  static_cast<double>(bytes) / 1e6 / decoded, diagnostics.errors.size(),
                  diagnostics.warnings.size());
      if (keep) {
        Snapshot snapshot;
        const auto filling = std::chrono::steady_clock::now();
        snapshot.replace(std::move(objects));
        std::printf(", into a Snapshot %.3f s", seconds_since(filling));
      }
      std::printf(", peak %ld MB\n", peak_megabytes());
      if (path == std::string_view("/dev/stdin")) return 0;
    }
  }
  return 0;
}
