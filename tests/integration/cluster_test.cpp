// Clusters of real processes that are killed, stopped, emptied and grown under load.
#include <catch2/catch.hpp>

#include "tests/integration/cluster_load.hpp"
#include "tests/integration/small_disk.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

using clock_type = std::chrono::steady_clock;

std::int64_t ms_since(clock_type::time_point begin) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(clock_type::now() - begin).count();
}

void expect_nothing_wrong(cluster& members, cluster_load& load) {
  const auto wrong = load.finish();
  if (!wrong.empty()) UNSCOPED_INFO(members.logs());
  for (const auto& line : wrong) UNSCOPED_INFO(line);
  CHECK(wrong.empty());
}

task_id create(client& connection) {
  const auto made = connection.create_task(task_of("noop"));
  if (!made) FAIL(to_string(made.failure()));
  return made->id;
}

/// Readable at each of the nodes, and completed there.
void expect_completed_at(cluster& members, const std::vector<std::size_t>& nodes, task_id id) {
  members.wait_caught_up(nodes);
  for (const std::size_t i : nodes) {
    const auto connection = members.connect_to(i);
    // What the leader has acknowledged may be a moment away from here.
    if (const auto barrier = connection->read_barrier(); !barrier) FAIL_CHECK(to_string(barrier.failure()));
    const auto task = connection->get_task(id);
    if (!task) FAIL_CHECK("node " << members.node_id(i) << ": " << to_string(task.failure()));
    if (task) CHECK(task->status().state() == v1::TASK_STATE_COMPLETED);
  }
}

}  // namespace

TEST_CASE("three nodes elect a leader, and a task that is completed there is completed on every node") {
  cluster members(3);
  const auto worker = members.start_worker("w1", 2);
  const auto connection = members.connect();
  const auto id = create(*connection);
  REQUIRE(connection->wait_task(id, 30s));
  expect_completed_at(members, {0, 1, 2}, id);

  // A follower names the leader to those who want to change something there.
  const std::size_t leader = members.wait_leader();
  const auto refused = members.connect_to((leader + 1) % 3)->create_task(task_of("noop"));
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::not_leader);
  CHECK(refused.failure().field == members.endpoint(leader));
  // All three stop in good order.
  for (std::size_t i = 0; i < 3; ++i) CHECK(members.stop(i) == 0);
}

TEST_CASE("kill -9 of the leader under load loses nothing that was acknowledged and does nothing twice") {
  cluster members(3);
  const auto first = members.start_worker("w1", 8);
  const auto second = members.start_worker("w2", 8);
  cluster_load load(members);
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round);
    REQUIRE(load.wait_for_more(200));
    const std::size_t leader = members.wait_leader();
    members.kill(leader);
    const auto killed_at = clock_type::now();
    const bool goes_on = load.wait_for_more(1);
    if (!goes_on) FAIL(members.logs());
    WARN("first acknowledged create " << ms_since(killed_at) << " ms after kill -9 of the leader");
    REQUIRE(load.wait_for_more(100));
    members.start(leader);
    members.wait_caught_up({0, 1, 2});
  }
  WARN(load.acknowledged() << " tasks acknowledged");
  expect_nothing_wrong(members, load);
}

TEST_CASE("a leader that is stopped is replaced, and follows when it goes on") {
  cluster members(3);
  const auto worker = members.start_worker("w1", 8);
  cluster_load load(members);
  REQUIRE(load.wait_for_more(50));
  const std::size_t leader = members.wait_leader();
  members.pause(leader);
  const auto stopped_at = clock_type::now();
  const bool goes_on = load.wait_for_more(50);
  members.resume(leader);
  if (!goes_on) FAIL(members.logs());
  WARN("50 creates acknowledged " << ms_since(stopped_at) << " ms after SIGSTOP of the leader");
  members.wait_caught_up({0, 1, 2});
  CHECK(members.wait_leader() != leader);
  expect_nothing_wrong(members, load);
}

TEST_CASE("a cluster whose nodes are all killed at once comes back with everything") {
  cluster members(3);
  const auto worker = members.start_worker("w1", 8);
  cluster_load load(members);
  REQUIRE(load.wait_for_more(100));
  for (std::size_t i = 0; i < 3; ++i) members.kill(i);
  for (std::size_t i = 0; i < 3; ++i) members.start(i);
  members.wait_leader();
  REQUIRE(load.wait_for_more(100));
  expect_nothing_wrong(members, load);
}

TEST_CASE("a node whose disk is full does not stop the others, and catches up when there is room") {
  const bool is_leader_full = GENERATE(false, true);
  CAPTURE(is_leader_full);
  const last_will will;
  small_disk disk;
  cluster members(3, {}, [&](std::size_t i, const std::filesystem::path& folder) {
    if (i == 2) disk.mount(folder, "16m", will);
  });
  will.add("rm -rf --one-file-system " + members.folder().string());
  if (!disk.is_mounted()) {
    WARN("skipped: mounting a file system is not permitted here");
    return;
  }
  const std::string wanted = is_leader_full ? "3" : "1";
  if (members.node_id(members.wait_leader()) != std::stoul(wanted)) {
    const auto moved = members.ctl({"cluster", "transfer", wanted});
    INFO(moved.output);
    REQUIRE(moved.status == 0);
  }
  const auto connection = members.connect();
  auto spec = task_of("noop");
  spec.set_payload(std::string(200'000, 'x'));
  std::vector<task_id> ids;
  // Three times what the small disk holds.
  while (ids.size() < 240) {
    const auto made = connection->create_task(spec);
    if (!made) FAIL(ids.size() << " tasks, then " << to_string(made.failure()) << "\n" << members.logs());
    ids.push_back(made->id);
  }
  CHECK(members.node_id(members.wait_leader()) != 3);
  disk.resize("400m");
  members.wait_caught_up({0, 1, 2});
  const auto there = members.connect_to(2);
  REQUIRE(there->read_barrier());
  const auto stored = there->get_tasks(ids, {false, false});
  REQUIRE(stored);
  for (const auto& one : *stored) CHECK(one);
  CHECK(members.ctl_at(2, {"debug", "check"}).status == 0);
}

TEST_CASE("a node that has lost its data is replaced under a new id") {
  cluster members(3);
  const auto worker = members.start_worker("w1", 2);
  const auto connection = members.connect();
  const auto id = create(*connection);
  REQUIRE(connection->wait_task(id, 30s));
  const std::size_t lost = (members.wait_leader() + 1) % 3;
  members.kill(lost);
  members.wipe(lost);
  const std::size_t added = members.add_waiting(4);
  // The first that answers is in no cluster yet, as where the new node has the address of the lost one.
  const auto grown = members.ctl({"--endpoint", members.endpoint(added) + "," + members.endpoint((lost + 1) % 3),
                                  "cluster", "add", "4", members.endpoint(added), "--for", "30s"});
  INFO(grown.output << members.logs());
  REQUIRE(grown.status == 0);
  const auto removed = members.ctl({"cluster", "remove", std::to_string(members.node_id(lost))});
  INFO(removed.output);
  REQUIRE(removed.status == 0);
  std::vector<std::size_t> nodes{0, 1, 2, added};
  nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(lost));
  expect_completed_at(members, nodes, id);
  // The new one counts: without one of the old ones there is still a majority.
  members.kill(members.wait_leader());
  members.wait_leader();
  const auto after = create(*connection);
  REQUIRE(connection->wait_task(after, 30s));
}

TEST_CASE("a node that stood alone becomes a cluster of three with all that it has") {
  cluster members(0);
  const std::size_t first = members.add_standalone(1);
  task_id before;
  {
    const auto connection = members.connect();
    before = create(*connection);
  }
  REQUIRE(members.stop(first) == 0);
  members.make_waiting(first);
  members.start(first);
  const auto founded = members.ctl_at(first, {"cluster", "init"});
  INFO(founded.output);
  REQUIRE(founded.status == 0);
  for (std::uint64_t id = 2; id <= 3; ++id) {
    const std::size_t added = members.add_waiting(id);
    const auto grown =
        members.ctl_at(first, {"cluster", "add", std::to_string(id), members.endpoint(added), "--for", "30s"});
    INFO(grown.output << members.logs());
    REQUIRE(grown.status == 0);
  }
  const auto worker = members.start_worker("w1", 2);
  const auto connection = members.connect();
  REQUIRE(connection->wait_task(before, 30s));
  expect_completed_at(members, {0, 1, 2}, before);
  members.kill(members.wait_leader());
  members.wait_leader();
  REQUIRE(connection->wait_task(create(*connection), 30s));
}

TEST_CASE("a backup of a cluster restores as a node that stands alone") {
  cluster members(3);
  const auto connection = members.connect();
  std::vector<task_id> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(create(*connection));
  const auto file = members.folder() / "backup";
  const auto made = members.ctl({"backup", file.string()});
  INFO(made.output);
  REQUIRE(made.status == 0);
  node alone;
  REQUIRE(alone.stop() == 0);
  std::filesystem::remove_all(alone.data_folder());
  const auto restored = run({program("hivectl"), "restore", file.string(), "--data-dir", alone.data_folder().string()});
  INFO(restored.output);
  REQUIRE(restored.status == 0);
  CHECK(restored.output.find("Its log and its vote were taken out") != std::string::npos);
  alone.start();
  const auto stored = alone.connect()->get_tasks(ids, {false, false});
  REQUIRE(stored);
  for (const auto& one : *stored) CHECK(one);
  CHECK(alone.ctl({"debug", "check"}).status == 0);
}
