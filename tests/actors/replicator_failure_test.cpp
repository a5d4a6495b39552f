// A replicator whose store fails for a while.
#include "tests/actors/cluster_fixture.hpp"

using namespace hive;
using namespace hive::test;
using std::chrono::milliseconds;

TEST_CASE_METHOD(cluster_fixture, "a member tries again until its store works, also if nobody sends it anything") {
  found(3);
  await_leader();
  advance(milliseconds(300));
  for (std::uint64_t id = 1; id <= 2; ++id) cut(id, 3);
  failing_store& store = *members.at(3).used_store;
  store.fails = true;
  advance(milliseconds(3000));
  CHECK(status(3).failure() == "the disk does not answer");
  CHECK(status(3).members_size() == 0);
  store.fails = false;
  advance(milliseconds(1000));
  CHECK(status(3).failure().empty());
  CHECK(status(3).members_size() == 3);
  heal();
  REQUIRE(create(await_leader(), 3));
  advance(milliseconds(2000));
  check_same_state();
}

TEST_CASE_METHOD(cluster_fixture, "a node that could not put a copy in place goes on, and takes the next one") {
  const bool is_moved = GENERATE(false, true);
  found(3);
  const auto leader = await_leader();
  REQUIRE(create(leader, 20));
  prepare(4);
  start(4);
  failing_store& store = *members.at(4).used_store;
  int replacements = 0;
  store.before_replace = [&](const std::filesystem::path& folder) {
    if (++replacements > 1) return;
    if (is_moved) store.fails = true;  // the copy is in place, and cannot be opened yet
    if (!is_moved) std::filesystem::remove(folder / "data.mdb");
  };
  v1::ChangeClusterRequest add;
  add.mutable_add()->set_node_id(4);
  add.mutable_add()->set_endpoint(endpoint(4));
  REQUIRE(change(leader, add));
  advance(milliseconds(3000));
  UNSCOPED_INFO(status(4).failure());
  REQUIRE(replacements > 0);
  store.fails = false;
  advance(milliseconds(10'000));
  CHECK(status(4).failure().empty());
  REQUIRE(create(await_leader(), 3));
  advance(milliseconds(2000));
  check_same_state();
  CHECK(status(4).applied_index() == status(await_leader()).applied_index());
}

TEST_CASE_METHOD(cluster_fixture, "a machine that stood still for a while finds its cluster as it left it") {
  found(3);
  const auto leader = await_leader();
  advance(milliseconds(500));
  const auto term = status(leader).term();
  for (int i = 0; i < 20; ++i) {
    // All timers go off at once, before any message that they bring about.
    coordinator.clock().advance_time(milliseconds(5000));
    settle();
    advance(milliseconds(70));
    for (std::uint64_t id = 1; id <= 3; ++id) REQUIRE(status(id).role() == (id == leader ? "leader" : "follower"));
  }
  advance(milliseconds(2000));
  CHECK(leaders() == std::set<std::uint64_t>{leader});
  CHECK(status(leader).term() == term);
  REQUIRE(create(leader, 3));
}
