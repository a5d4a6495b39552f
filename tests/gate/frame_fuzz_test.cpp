// 200,000 hostile inputs, seeded: random bytes, honest streams that are cut or bent, frames of every shape, and
// whatever a peer with a good certificate may try after its handshake.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "tests/gate/frame_oracle.hpp"
#include "tests/gate/hostile_peer.hpp"

using namespace hive::gate;
using namespace hive::gate::test;

namespace {

std::uint64_t inputs_to_try() {
  const char* const asked = std::getenv("HIVE_FUZZ_INPUTS");
  return asked == nullptr ? 200'000 : std::strtoull(asked, nullptr, 10);
}

}  // namespace

TEST_CASE("no hostile input gets a harmful frame through the check, however it is cut") {
  const std::uint64_t inputs = inputs_to_try();
  std::uint64_t refused = 0;
  std::uint64_t passed = 0;
  for (std::uint64_t seed = 0; seed < inputs; ++seed) {
    hostile_peer peer(seed);
    const role_set roles = seed % 3 == 0 ? role_set(role::worker) : role_set(role::client);
    auto settings = peer.node_.settings(roles);
    settings.senders_max = 20;
    const bytes input = peer.input();
    const auto harm = try_input(input, settings, [&peer] { return 1 + peer.below(50); });
    if (harm) FAIL("seed " << seed << ": " << *harm);
    frame_check check(settings);
    bytes accepted;
    (check.feed(input, accepted) == frame_fault::none ? passed : refused) += 1;
  }
  // Both ends of the check were exercised, not only one.
  CHECK(refused > inputs / 10);
  CHECK(passed > inputs / 10);
}

TEST_CASE("a check under endless hostile input holds a bounded number of actors") {
  const checked_node node;
  auto settings = node.settings();
  settings.senders_max = 100;
  frame_check check(settings);
  bytes accepted;
  REQUIRE(check.feed(handshake(node.peer), accepted) == frame_fault::none);
  frame_fault fault = frame_fault::none;
  std::uint64_t actor = 1;
  for (; actor < 10'000 && fault == frame_fault::none; ++actor) {
    accepted.clear();
    fault = check.feed(request("hive.v1.PingRequest", "", front_id, actor), accepted);
  }
  CHECK(fault == frame_fault::too_many_actors);
  CHECK(actor == 102);
}
