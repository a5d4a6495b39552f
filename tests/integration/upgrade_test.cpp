// A cluster whose nodes are replaced by another version, one by one, under load.
#include <catch2/catch.hpp>

#include "tests/integration/cluster_load.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

/// As all nodes that run see it: who says that it is of the next version.
bool is_seen_as_next(cluster& members, std::size_t i) {
  for (const std::size_t other : members.running()) {
    const auto told = members.status(other);
    if (!told) return false;
    for (const auto& one : told->members()) {
      if (one.node_id() == members.node_id(i) && (one.version() != HIVE_NEXT_VERSION || !one.is_linked())) return false;
    }
  }
  return true;
}

}  // namespace

TEST_CASE("nodes are replaced by another patch version with other limits, one by one, and no client notices") {
  cluster members(3);
  const auto first = members.start_worker("w1", 8);
  const auto second = members.start_worker("w2", 8);
  cluster_load load(members);
  REQUIRE(load.wait_for_more(50));

  auto large = task_of("noop");
  large.set_payload(std::string(2'000, 'x'));
  const auto connection = members.connect();
  REQUIRE(connection->create_task(large));

  // The leader last, as operations.md says.
  const std::size_t leader = members.wait_leader();
  for (const std::size_t i : {(leader + 1) % 3, (leader + 2) % 3, leader}) {
    CAPTURE(i, leader);
    CHECK(members.stop(i) == 0);
    members.replace_program(i, HIVE_NEXT_HIVED, {"--set", "tasks.payload_bytes_max=1024"});
    members.start(i);
    members.wait_caught_up({0, 1, 2});
    const bool is_seen = eventually([&] { return is_seen_as_next(members, i); });
    if (!is_seen) FAIL(members.logs());
    REQUIRE(load.wait_for_more(50));
    // While the old leader leads, its settings count: those of a follower wait.
    if (i != leader && members.wait_leader() == leader) CHECK(connection->create_task(large));
  }
  const auto refused = connection->create_task(large);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::invalid_argument);

  const auto wrong = load.finish();
  if (!wrong.empty()) UNSCOPED_INFO(members.logs());
  for (const auto& line : wrong) UNSCOPED_INFO(line);
  CHECK(wrong.empty());
}
