// One scripted life (election, writes, a transfer, a snapshot for a follower that fell behind, a member added, promoted
// and another removed), repeated with a crash in every one of its cycles, at every point of the cycle.
#include <catch2/catch.hpp>

#include "tests/replication/chaos.hpp"

using namespace hive::replication;           // NOLINT(google-build-using-namespace)
using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)

namespace {

void write_some(simulated_cluster& cluster, int rounds) {
  for (int i = 0; i < rounds && cluster.violation().empty(); ++i) {
    if (cluster.leader() != 0) cluster.write(cluster.leader(), 3);
    if (cluster.leader() != 0) cluster.read(cluster.leader());
    cluster.run_until(cluster.now() + 25);
  }
}

/// Asks until it is so; the leader may be gone at any time.
void change_until(simulated_cluster& cluster, const membership_change& what, const std::function<bool()>& is_done) {
  for (int i = 0; i < 12 && cluster.violation().empty() && !is_done(); ++i) {
    if (cluster.leader() != 0) cluster.change(cluster.leader(), what);
    cluster.run_for(1'000, is_done);
  }
}

struct life_result {
  std::uint64_t cycles = 0;
  std::uint64_t snapshots = 0;
  std::string violation;
};

life_result scripted_life(std::optional<std::pair<std::uint64_t, crash_point>> crash) {
  simulation_knobs knobs;
  knobs.nodes = 4;
  knobs.options = small_options();
  knobs.options.heartbeat_ms = 100;  // fewer cycles without events
  simulated_cluster cluster{7, knobs};
  if (crash) cluster.plan_crash(crash->first, crash->second);
  cluster.run_for(5'000, [&] { return cluster.leader() != 0; });
  write_some(cluster, 3);
  if (cluster.leader() != 0) cluster.transfer(cluster.leader(), 0);
  cluster.run_until(cluster.now() + 100);
  const std::uint32_t lagging = cluster.leader() == 2 ? 3 : 2;
  for (std::uint32_t i = 1; i <= 4; ++i) {
    if (i != lagging) cluster.disconnect(lagging, i);
    if (i != lagging) cluster.block(lagging, i);
    if (i != lagging) cluster.block(i, lagging);
  }
  write_some(cluster, 14);
  cluster.heal();
  write_some(cluster, 3);
  const auto members = [&] { return cluster.status(cluster.leader()).members; };
  change_until(cluster, {change_kind::add_stand_by, node_id{4}, "n4"},
               [&] { return cluster.leader() != 0 && members().find(node_id{4}) != nullptr; });
  change_until(cluster, {change_kind::promote, node_id{4}, {}},
               [&] { return cluster.leader() != 0 && members().is_voter(node_id{4}); });
  const std::uint64_t removed = cluster.leader() == 1 ? 3 : 1;
  change_until(cluster, {change_kind::remove, node_id{removed}, {}},
               [&] { return cluster.leader() != 0 && members().find(node_id{removed}) == nullptr; });
  write_some(cluster, 2);
  cluster.heal();
  life_result result;
  const bool is_alive = cluster.run_for(30'000, [&] { return cluster.is_converged(); });
  cluster.check_end();
  result.violation = cluster.violation();
  if (result.violation.empty() && !is_alive) result.violation = "it does not agree:" + cluster.describe();
  result.cycles = cluster.cycles();
  result.snapshots = cluster.snapshots();
  return result;
}

void crash_everywhere(std::uint64_t remainder) {
  const life_result undisturbed = scripted_life(std::nullopt);
  REQUIRE(undisturbed.violation.empty());
  REQUIRE(undisturbed.snapshots >= 2);  // for the one that fell behind, and for the new one
  REQUIRE(undisturbed.cycles > 200);
  for (std::uint64_t cycle = 1 + remainder; cycle <= undisturbed.cycles; cycle += 2) {
    for (std::size_t point = 0; point < crash_point_count; ++point) {
      const life_result one = scripted_life({{cycle, static_cast<crash_point>(point)}});
      if (!one.violation.empty()) FAIL("crash in cycle " << cycle << " at point " << point << ": " << one.violation);
    }
  }
}

}  // namespace

TEST_CASE("a crash at any point of any odd cycle loses nothing") { crash_everywhere(0); }
TEST_CASE("a crash at any point of any even cycle loses nothing") { crash_everywhere(1); }
