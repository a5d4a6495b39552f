// An owner that is held up, by a slow commit or because its process is stopped, is not taken for silent peers.
#include <array>
#include <catch2/catch.hpp>

#include "tests/replication/lone_node.hpp"

using namespace hive::replication;           // NOLINT(google-build-using-namespace)
using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)

namespace {

driver_options options_with(bool discounts_stalls) {
  driver_options options = small_options();
  options.quirks.discounts_stalls = discounts_stalls;
  return options;
}

append_entries heartbeat() { return {2, 2, 1, 2, {}}; }

/// Until it stands for election.
time_ms silence_ms_before_election(lone_node& node) {
  const time_ms begin = node.now;
  while (node.engine->status().role != node_role::candidate && node.now < begin + 10'000) node.pass(1);
  return node.now - begin;
}

}  // namespace

TEST_CASE("a leader whose commit takes longer than an election timeout goes on leading") {
  const bool is_on = GENERATE(true, false);
  lone_node node{1, 3, options_with(is_on)};
  node.lead();
  const auto answer = [&] { node.hear(2, append_result{node.engine->status().term, 0, node.engine->status().last}); };
  answer();
  // Its timer begins anew with this cycle's tick, and the heartbeats of the cycle wait for the commit.
  REQUIRE(messages_of<append_entries>(node.pass(node.options.heartbeat_ms)).size() == 2);
  node.now += node.options.election_ms + 1;
  node.due_cycle();
  REQUIRE(node.engine->is_leader() == is_on);
  if (!is_on) return;
  // It goes so for as long as somebody answers between the commits.
  for (int i = 0; i < 20; ++i) {
    answer();
    node.due_cycle();
    node.now += 5ULL * node.options.election_ms;
    node.due_cycle();
    REQUIRE(node.engine->is_leader());
  }
  // But not without answers: time that is not held up counts.
  node.pass(node.options.election_ms);
  CHECK_FALSE(node.engine->is_leader());
}

TEST_CASE("a follower that was stopped hears its leader before it stands for election") {
  const bool is_on = GENERATE(true, false);
  lone_node node{2, 3, options_with(is_on)};
  node.hear(1, heartbeat());
  for (int i = 0; i < 20; ++i) {
    node.now += 10ULL * node.options.election_ms;
    // The timers go off before what waited in the sockets has come in.
    const bool is_quiet = messages_of<vote_request>(node.due_cycle()).empty();
    REQUIRE(is_quiet == is_on);
    if (!is_on) return;
    node.hear(1, heartbeat());
    REQUIRE(node.engine->status().role == node_role::follower);
  }
  CHECK(silence_ms_before_election(node) <= 2ULL * node.options.election_ms);
}

TEST_CASE("a node that is not held up notices as soon as ever that its leader is silent") {
  const auto heartbeat_ms = GENERATE(10U, 60U, 290U);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    std::array<time_ms, 2> waited{};
    for (const bool is_on : {false, true}) {
      driver_options options = options_with(is_on);
      options.random_seed = seed;
      options.heartbeat_ms = heartbeat_ms;
      lone_node node{2, 3, options};
      node.hear(1, heartbeat());
      waited[is_on ? 1 : 0] = silence_ms_before_election(node);
    }
    CHECK(waited[0] == waited[1]);
    CHECK(waited[1] >= 300);
    CHECK(waited[1] <= 600);
  }
}

TEST_CASE("an owner that is a little late each time loses no time") {
  lone_node node{2};
  node.hear(1, heartbeat());
  const time_ms late = node.options.heartbeat_ms / 2;
  const time_ms begin = node.now;
  while (node.engine->status().role != node_role::candidate && node.now < begin + 10'000) {
    node.now = node.engine->next_deadline_ms() + late;
    node.due_cycle();
  }
  CHECK(node.now - begin <= 2ULL * node.options.election_ms + late);
}

TEST_CASE("a leader that is stalled for a moment finds its cluster as it left it") {
  std::array<int, 2> kept{};
  for (const bool is_on : {false, true}) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      simulation_knobs knobs;
      knobs.options = options_with(is_on);
      simulated_cluster cluster{seed, knobs};
      REQUIRE(cluster.run_for(10'000, [&] { return cluster.leader() != 0 && cluster.is_converged(); }));
      const std::uint32_t leader = cluster.leader();
      const term_number term = cluster.status(leader).term;
      // The followers wait one to two times an election timeout, so some of them do call an election.
      cluster.stall(leader, cluster.node(leader).options.election_ms + 10);
      cluster.run_until(cluster.now() + 2'000);
      if (cluster.leader() == leader && cluster.status(leader).term == term) ++kept[is_on ? 1 : 0];
      CHECK(cluster.violation().empty());
    }
  }
  CHECK(kept[0] < kept[1]);
}

TEST_CASE("a dead leader is replaced as fast as ever") {
  std::array<time_ms, 2> sum_ms{};
  for (const bool is_on : {false, true}) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
      simulation_knobs knobs;
      knobs.options = options_with(is_on);
      knobs.disk_ms_max = 20;
      simulated_cluster cluster{seed, knobs};
      REQUIRE(cluster.run_for(10'000, [&] { return cluster.leader() != 0 && cluster.is_converged(); }));
      cluster.crash_for_good(cluster.leader());
      const time_ms begin = cluster.now();
      REQUIRE(cluster.run_for(10'000, [&] { return cluster.leader() != 0; }));
      sum_ms[is_on ? 1 : 0] += cluster.now() - begin;
    }
  }
  CAPTURE(sum_ms[0] / 200, sum_ms[1] / 200);
  CHECK(sum_ms[1] <= sum_ms[0] + sum_ms[0] / 20);
}

TEST_CASE("a follower that is stalled for long disturbs nobody") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    simulated_cluster cluster{seed, {}};
    REQUIRE(cluster.run_for(10'000, [&] { return cluster.leader() != 0 && cluster.is_converged(); }));
    const std::uint32_t leader = cluster.leader();
    const term_number term = cluster.status(leader).term;
    const std::uint32_t stalled = leader == 1 ? 2 : 1;
    cluster.stall(stalled, 5'000);
    while (cluster.now() < 20'000) {
      cluster.run_until(cluster.now() + 1);
      REQUIRE(cluster.status(stalled).role == node_role::follower);
    }
    CHECK(cluster.leader() == leader);
    CHECK(cluster.status(leader).term == term);
  }
}
