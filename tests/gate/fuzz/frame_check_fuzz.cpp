// libFuzzer target of the frame check; scripts/fuzz builds and runs it. The first byte picks roles and the size of the
// pieces.
#include <cstdio>
#include <cstdlib>

#include "tests/gate/frame_oracle.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hive::gate;
  using namespace hive::gate::test;
  static const checked_node node;
  if (size == 0) return 0;
  auto settings = node.settings((data[0] & 1U) != 0 ? role::worker : role::client);
  settings.senders_max = 8;
  const std::size_t piece = 1 + (data[0] >> 2U);
  bytes input(data + 1, data + size);
  if ((data[0] & 2U) != 0) input = handshake(node.peer) + input;
  if (const auto harm = try_input(input, settings, [piece] { return piece; })) {
    std::fprintf(stderr, "%s\n", harm->c_str());
    std::abort();
  }
  return 0;
}
