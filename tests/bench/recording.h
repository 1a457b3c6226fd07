// A table as something to send, with nothing known about what it means: messages to be sent as they
// are (the table, its sets, chains and rules) and elements by the bytes of their keys and data.
// What the apply engine sent is written to a file, and the floor sends the same from there.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <variant>
#include <vector>

namespace kproxy::bench {

struct Message {
  std::uint16_t type = 0;  // of netlink, with the subsystem
  std::uint16_t flags = 0;
  std::uint8_t family = 0;
  std::vector<std::uint8_t> attributes;
};

struct Elements {
  struct One {
    std::uint8_t key_size = 0;
    std::uint8_t data_size = 0;  // 0: a set's, or a verdict map's
    std::int32_t verdict = 0;    // of a verdict map; else 0
    std::uint16_t chain = 0;     // index into `chains`; 0: none
    std::uint8_t key[40];
    std::uint8_t data[20];
  };
  std::string set;
  std::vector<One> elements;
};

struct Recording {
  std::vector<std::string> chains{""};
  std::vector<std::variant<Message, Elements>> steps;  // in the order in which they were sent
};

namespace detail {

template <typename T>
bool transfer(std::FILE* file, T& value, bool write) {
  return (write ? std::fwrite(&value, sizeof value, 1, file)
                : std::fread(&value, sizeof value, 1, file)) == 1;
}

template <typename Container>
bool transfer_all(std::FILE* file, Container& values, bool write) {
  std::uint64_t size = values.size();
  if (!transfer(file, size, write)) return false;
  values.resize(size);
  return (write ? std::fwrite(values.data(), sizeof(values[0]), size, file)
                : std::fread(values.data(), sizeof(values[0]), size, file)) == size;
}

inline bool transfer(std::FILE* file, Recording& recording, bool write) {
  std::uint64_t chains = recording.chains.size(), steps = recording.steps.size();
  if (!transfer(file, chains, write) || !transfer(file, steps, write)) return false;
  recording.chains.resize(chains);
  recording.steps.resize(steps);
  for (std::string& chain : recording.chains)
    if (!transfer_all(file, chain, write)) return false;
  for (auto& step : recording.steps) {
    std::uint8_t is_message = std::holds_alternative<Message>(step);
    if (!transfer(file, is_message, write)) return false;
    if (is_message) {
      Message& message = write ? std::get<Message>(step) : step.emplace<Message>();
      if (!transfer(file, message.type, write) || !transfer(file, message.flags, write) ||
          !transfer(file, message.family, write) || !transfer_all(file, message.attributes, write))
        return false;
    } else {
      Elements& elements = write ? std::get<Elements>(step) : step.emplace<Elements>();
      if (!transfer_all(file, elements.set, write) || !transfer_all(file, elements.elements, write))
        return false;
    }
  }
  return true;
}

}  // namespace detail

// Writes the file, or fills the recording from it; whether that went well.
inline bool transfer(const char* path, Recording& recording, bool write) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, write ? "wb" : "rb"),
                                                             &std::fclose);
  return file && detail::transfer(file.get(), recording, write) && std::fflush(file.get()) == 0;
}

}  // namespace kproxy::bench
