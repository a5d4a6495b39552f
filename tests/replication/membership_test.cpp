#include <catch2/catch.hpp>

#include "replication/configuration.hpp"
#include "tests/replication/lone_node.hpp"

using namespace hive::replication;           // NOLINT(google-build-using-namespace)
using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)
using hive::errc;

namespace {

simulation_knobs four_nodes(std::uint32_t founders = 3) {
  simulation_knobs knobs;
  knobs.nodes = 4;
  knobs.founders = founders;
  knobs.options = small_options();
  return knobs;
}

bool has_leader(simulated_cluster& cluster) {
  return cluster.run_for(10'000, [&] { return cluster.leader() != 0 && cluster.is_converged(); });
}

/// Runs one change to its end; empty: it went through.
std::string change(simulated_cluster& cluster, const membership_change& what) {
  const ticket asked = cluster.change(cluster.leader(), what);
  if (!cluster.run_for(20'000, [&] { return cluster.outcomes().contains(asked); })) return "no answer";
  return cluster.outcomes().at(asked);
}

}  // namespace

TEST_CASE("a dead node is replaced while clients write") {
  simulated_cluster cluster{1, four_nodes()};
  REQUIRE(has_leader(cluster));
  for (int i = 0; i < 10; ++i) cluster.write(cluster.leader(), 4);
  const std::uint32_t dead = cluster.leader() == 1 ? 2 : 1;
  cluster.crash_for_good(dead);
  CHECK(change(cluster, {change_kind::add_stand_by, node_id{4}, "n4"}).empty());
  CHECK(cluster.snapshots() == 1);  // it was empty
  cluster.write(cluster.leader(), 4);
  CHECK(change(cluster, {change_kind::promote, node_id{4}, {}}).empty());
  CHECK(change(cluster, {change_kind::remove, node_id{dead}, {}}).empty());
  REQUIRE(has_leader(cluster));
  CHECK(cluster.status(4).members.voter_count() == 3);
  CHECK(cluster.status(4).members.find(node_id{dead}) == nullptr);
  cluster.check_end();
  CHECK(cluster.violation().empty());
}

TEST_CASE("a dead node is replaced also if it was the newest voter and led") {
  auto knobs = four_nodes();
  knobs.nodes = 5;
  simulated_cluster cluster{7, knobs};
  REQUIRE(has_leader(cluster));
  const auto add_voter = [&](std::uint64_t id) {
    CHECK(change(cluster, {change_kind::add_stand_by, node_id{id}, "n" + std::to_string(id)}).empty());
    CHECK(change(cluster, {change_kind::promote, node_id{id}, {}}).empty());
  };
  const std::uint32_t first = cluster.leader() == 1 ? 2 : 1;
  cluster.crash_for_good(first);
  add_voter(4);
  CHECK(change(cluster, {change_kind::remove, node_id{first}, {}}).empty());
  REQUIRE(has_leader(cluster));
  // Nobody who leads after it has heard from it.
  const ticket handed_over = cluster.transfer(cluster.leader(), 4);
  REQUIRE(cluster.run_for(20'000, [&] { return cluster.outcomes().contains(handed_over) && cluster.leader() == 4; }));
  cluster.crash_for_good(4);
  REQUIRE(cluster.run_for(10'000, [&] { return cluster.leader() != 0 && cluster.leader() != 4; }));
  add_voter(5);
  CHECK(change(cluster, {change_kind::remove, node_id{4}, {}}).empty());
  REQUIRE(has_leader(cluster));
  CHECK(cluster.status(5).members.voter_count() == 3);
  cluster.check_end();
  CHECK(cluster.violation().empty());
}

TEST_CASE("a single node grows to three and shrinks by force") {
  simulated_cluster cluster{2, four_nodes(1)};
  REQUIRE(has_leader(cluster));
  cluster.write(1, 4);
  for (std::uint64_t i = 2; i <= 3; ++i) {
    CHECK(change(cluster, {change_kind::add_stand_by, node_id{i}, "n" + std::to_string(i)}).empty());
    CHECK(change(cluster, {change_kind::promote, node_id{i}, {}}).empty());
  }
  REQUIRE(has_leader(cluster));
  CHECK(cluster.status(3).members.voter_count() == 3);
  CHECK(cluster.node(3).disk.state.commands == 4);
  const std::uint64_t other = cluster.leader() == 3 ? 2 : 3;
  CHECK(change(cluster, {change_kind::demote, node_id{other}, {}}).find("failed_precondition") == 0);
  CHECK(change(cluster, {change_kind::demote, node_id{other}, {}, true}).empty());
  REQUIRE(has_leader(cluster));
  CHECK(cluster.status(1).members.voter_count() == 2);
}

TEST_CASE("changes that make no sense are refused with the reason") {
  simulated_cluster cluster{3, four_nodes()};
  REQUIRE(has_leader(cluster));
  const std::uint64_t leader = cluster.leader();
  const std::uint64_t other = leader == 1 ? 2 : 1;
  CHECK(change(cluster, {change_kind::add_stand_by, node_id{other}, "x"}).find("already_exists") == 0);
  CHECK(change(cluster, {change_kind::add_stand_by, node_id{4}, ""}).find("invalid_argument") == 0);
  CHECK(change(cluster, {change_kind::add_stand_by, node_id{4}, "n1"}).find("invalid_argument") == 0);
  CHECK(change(cluster, {change_kind::promote, node_id{4}, {}}).find("not_found") == 0);
  CHECK(change(cluster, {change_kind::promote, node_id{other}, {}}).find("failed_precondition") == 0);
  CHECK(change(cluster, {change_kind::remove, node_id{leader}, {}, true}).find("failed_precondition") == 0);
  CHECK(change(cluster, {change_kind::remove, node_id{other}, {}}).find("failed_precondition") == 0);
  const ticket first = cluster.change(cluster.leader(), {change_kind::add_stand_by, node_id{4}, "n4"});
  const ticket second = cluster.change(cluster.leader(), {change_kind::add_stand_by, node_id{5}, "n5"});
  REQUIRE(cluster.run_for(5'000, [&] { return cluster.outcomes().size() == 9; }));
  CHECK(cluster.outcomes().at(first).empty());
  CHECK(cluster.outcomes().at(second).find("failed_precondition") == 0);
}

TEST_CASE("a stand-by that is away is not promoted") {
  simulated_cluster cluster{4, four_nodes()};
  REQUIRE(has_leader(cluster));
  REQUIRE(change(cluster, {change_kind::add_stand_by, node_id{4}, "n4"}).empty());
  REQUIRE(has_leader(cluster));
  cluster.crash_for_good(4);
  CHECK_FALSE(change(cluster, {change_kind::promote, node_id{4}, {}}).empty());
  CHECK(cluster.status(cluster.leader()).members.voter_count() == 3);
  CHECK(change(cluster, {change_kind::remove, node_id{4}, {}}).empty());
}

TEST_CASE("a stand-by that never answered blocks no later change by its promotion") {
  for (const bool is_waited_for : {true, false}) {
    CAPTURE(is_waited_for);
    simulated_cluster cluster{6, four_nodes()};
    REQUIRE(has_leader(cluster));
    cluster.crash_for_good(4);
    REQUIRE(change(cluster, {change_kind::add_stand_by, node_id{4}, "n4"}).empty());
    const ticket promotion = cluster.change(cluster.leader(), {change_kind::promote, node_id{4}, {}});
    const auto is_over = [&] { return cluster.outcomes().contains(promotion); };
    if (is_waited_for) {
      REQUIRE(cluster.run_for(200'000, is_over));
      CHECK_FALSE(cluster.outcomes().at(promotion).empty());
    } else {
      REQUIRE_FALSE(cluster.run_for(500, is_over));
    }
    CHECK(change(cluster, {change_kind::remove, node_id{4}, {}}).empty());
    CHECK(is_over());
    CHECK(cluster.status(cluster.leader()).members.members.size() == 3);
  }
}

TEST_CASE("a survivor is made the only voter by force, and the cluster grows from it again") {
  simulated_cluster cluster{5, four_nodes()};
  REQUIRE(has_leader(cluster));
  for (int i = 0; i < 5; ++i) cluster.write(cluster.leader(), 4);
  REQUIRE(has_leader(cluster));
  const register_state before = cluster.node(1).disk.state;
  for (std::uint32_t i = 1; i <= 3; ++i) cluster.crash(i);
  auto& log = *cluster.node(1).disk.log;
  const configuration alone{{{node_id{1}, "n1", member_role::voter}}};
  CHECK_FALSE(force_configuration(log, node_id{2}, alone));
  REQUIRE(force_configuration(log, node_id{1}, alone));
  log.commit();
  cluster.restart(1);
  REQUIRE(cluster.run_for(5'000, [&] { return cluster.leader() == 1; }));
  CHECK(cluster.node(1).disk.state == before);
  CHECK(change(cluster, {change_kind::add_stand_by, node_id{4}, "n4"}).empty());
  CHECK(change(cluster, {change_kind::promote, node_id{4}, {}}).empty());
  cluster.write(1, 1);
  REQUIRE(cluster.run_for(5'000, [&] { return cluster.is_converged(); }));
  CHECK(cluster.node(4).disk.state.commands == before.commands + 1);
}
