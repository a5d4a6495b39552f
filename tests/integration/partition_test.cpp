// A cluster whose nodes are on networks of their own (network namespaces), with links that fail.
#include <catch2/catch.hpp>

#include "tests/integration/cluster_load.hpp"
#include "tests/integration/network_spaces.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t node_count = 3;

}  // namespace

TEST_CASE("a cluster goes on while links of its leader fail, wholly or one way, and loses nothing") {
  const last_will will;
  const network_spaces spaces(node_count, will);
  if (!spaces.is_usable()) {
    WARN("skipped: network namespaces are not permitted here");
    return;
  }
  const certificates issued("test");
  cluster members(node_count, {}, {}, network_of(spaces, issued, node_count));
  const auto worker = members.start_worker("w1", 8);
  cluster_load load(members);
  REQUIRE(load.wait_for_more(50));

  const std::size_t first = members.wait_leader();
  spaces.set_link(first, "down");
  const bool is_replaced = load.wait_for_more(50);
  spaces.set_link(first, "up");
  if (!is_replaced) FAIL("the leader's link was down\n" << members.logs());
  members.wait_caught_up({0, 1, 2});
  CHECK(members.wait_leader() != first);

  // The leader's messages do not get to one follower: the other one is enough.
  const std::size_t second = members.wait_leader();
  const std::size_t deaf = (second + 1) % node_count;
  spaces.block(second, deaf);
  const bool has_majority = load.wait_for_more(50);
  spaces.unblock(second, deaf);
  if (!has_majority) FAIL("one follower did not hear the leader\n" << members.logs());
  members.wait_caught_up({0, 1, 2});

  // The leader hears everybody, and nobody hears it.
  const std::size_t third = members.wait_leader();
  for (std::size_t i = 0; i < node_count; ++i) {
    if (i != third) spaces.block(third, i);
  }
  const bool is_replaced_again = load.wait_for_more(50);
  for (std::size_t i = 0; i < node_count; ++i) {
    if (i != third) spaces.unblock(third, i);
  }
  if (!is_replaced_again) FAIL("nobody heard the leader\n" << members.logs());
  members.wait_caught_up({0, 1, 2});

  const auto wrong = load.finish();
  if (!wrong.empty()) UNSCOPED_INFO(members.logs());
  for (const auto& line : wrong) UNSCOPED_INFO(line);
  CHECK(wrong.empty());
}
