#include <catch2/catch.hpp>

#include "tests/replication/lone_node.hpp"

using namespace hive::replication;           // NOLINT(google-build-using-namespace)
using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)

namespace {

state_point point_of(const lone_node& node, log_index index) { return {index, 2, 2, node.members}; }

/// A follower that is told of a snapshot at 50 by node 1.
lone_node installing(std::uint64_t id) {
  lone_node node{2};
  const auto pulls = messages_of<snapshot_pull>(node.hear(1, install_snapshot{2, point_of(node, 50), snapshot_id{id}}));
  REQUIRE(pulls.size() == 1);
  REQUIRE(pulls[0].offset == 0);
  REQUIRE(node.engine->status().is_installing);
  return node;
}

}  // namespace

TEST_CASE("a follower that is too far behind gets the state and goes on") {
  simulation_knobs knobs;
  knobs.options = small_options();
  simulated_cluster cluster{1, knobs};
  REQUIRE(cluster.run_for(10'000, [&] { return cluster.leader() != 0 && cluster.is_converged(); }));
  const std::uint32_t away = cluster.leader() == 2 ? 3 : 2;
  cluster.crash(away);
  for (int i = 0; i < 60; ++i) {
    cluster.write(cluster.leader(), 4);
    cluster.run_until(cluster.now() + 30);
  }
  cluster.heal();
  REQUIRE(cluster.run_for(10'000, [&] { return cluster.is_converged(); }));
  CHECK(cluster.snapshots() == 1);
  CHECK(cluster.node(away).disk.state.commands > 200);
  cluster.check_end();
  CHECK(cluster.violation().empty());
}

TEST_CASE("chunks are taken in order, once, and from whom they were asked") {
  lone_node node = installing(7);
  const auto write_of = [&](std::uint64_t from, const snapshot_chunk& chunk) { return node.hear(from, chunk).write; };
  CHECK_FALSE(write_of(3, {snapshot_id{7}, 0, "bad", false, false}));
  CHECK_FALSE(write_of(1, {snapshot_id{8}, 0, "bad", false, false}));
  CHECK_FALSE(write_of(1, {snapshot_id{7}, 4, "bad", false, false}));
  CHECK_FALSE(write_of(1, {snapshot_id{7}, 0, "", false, false}));
  REQUIRE(write_of(1, {snapshot_id{7}, 0, "good", false, false}));
  CHECK_FALSE(write_of(1, {snapshot_id{7}, 0, "good", false, false}));  // being written
  const effects next = node.cycle([](driver& one) { one.snapshot_written(4); });
  REQUIRE(messages_of<snapshot_pull>(next).size() == 1);
  CHECK(messages_of<snapshot_pull>(next)[0].offset == 4);
  CHECK_FALSE(write_of(1, {snapshot_id{7}, 0, "good", false, false}));
  const auto last = write_of(1, {snapshot_id{7}, 4, "end", true, false});
  REQUIRE(last);
  CHECK(last->is_last);
  const effects staged = node.cycle([](driver& one) { one.snapshot_written(7); });
  REQUIRE(staged.swap);
  CHECK(staged.swap->point.index == 50);
  CHECK(staged.swap->term == 2);
}

TEST_CASE("a lost chunk is asked for again") {
  lone_node node = installing(7);
  CHECK(messages_of<snapshot_pull>(node.pass(node.options.chunk_retry_ms)).size() == 1);
}

TEST_CASE("an installation whose sender is gone is given up, and the node is as it was") {
  const bool says_so = GENERATE(true, false);
  lone_node node{2};
  node.hear(1, lone_node::commands(2, 2, 1, 3, 5));
  const register_state before = node.disk.state;
  node.hear(1, install_snapshot{2, point_of(node, 50), snapshot_id{7}});
  REQUIRE(node.engine->status().is_installing);
  effects out;
  if (says_so) {
    out = node.hear(1, snapshot_chunk{snapshot_id{7}, 0, {}, false, true});
  } else {
    for (int i = 0; i < 5 && !out.discards_staged; ++i) out = node.pass(node.options.chunk_retry_ms);
  }
  CHECK(out.discards_staged);
  const driver_status now = node.engine->status();
  CHECK_FALSE(now.is_installing);
  CHECK(now.last == 5);
  CHECK(now.applied == 5);
  CHECK(now.term == 2);
  CHECK(node.disk.state == before);
  // It takes part again, and takes the next offer.
  CHECK(messages_of<snapshot_pull>(node.hear(3, install_snapshot{3, point_of(node, 60), snapshot_id{9}})).size() == 1);
}

TEST_CASE("a node that installs a snapshot neither votes nor stands for election") {
  lone_node node = installing(7);
  CHECK_FALSE(messages_of<vote_result>(node.hear(3, vote_request{9, 100, 8, true, false})).at(0).is_granted);
  node.pass(3ULL * node.options.election_ms);
  CHECK(node.engine->status().role == node_role::follower);
}

TEST_CASE("an offered snapshot keeps the log that its receiver will need, and not for ever") {
  lone_node node{1};
  node.lead();
  const auto run = [&](int count) {
    for (int i = 0; i < count; ++i) {
      node.cycle([&](driver& one) { REQUIRE(one.submit(ticket{}, {write_command(1, 1)})); });
      node.hear(2, append_result{node.engine->status().term, 0, node.engine->status().last});
    }
  };
  node.cycle([](driver& one) { one.close_link(node_id{3}); });
  run(60);
  REQUIRE(node.engine->status().first > 40);
  node.connect(3);
  // It answers that it has nothing.
  effects out = node.hear(3, append_result{node.engine->status().term, 3, 2});
  for (int i = 0; i < 5 && messages_of<install_snapshot>(out).empty(); ++i) {
    out = node.hear(3, append_result{node.engine->status().term, 2, 1});
  }
  REQUIRE(messages_of<install_snapshot>(out).size() == 1);
  const install_snapshot offer = messages_of<install_snapshot>(out)[0];
  const effects asked = node.hear(3, snapshot_pull{offer.snapshot, 0});
  REQUIRE(asked.snapshot_reads.size() == 1);
  CHECK(asked.snapshot_reads[0].index == offer.point.index);
  run(40);
  CHECK(node.engine->status().first <= offer.point.index);
  effects expired;
  // Node 2 goes on answering, or the node would lead no more.
  for (time_ms passed = 0; passed < 8ULL * node.options.chunk_retry_ms; passed += node.options.heartbeat_ms) {
    expired = node.pass(node.options.heartbeat_ms);
    if (!expired.snapshots_closed.empty()) break;
    node.hear(2, append_result{node.engine->status().term, 0, node.engine->status().last});
  }
  CHECK(expired.snapshots_closed == std::vector<snapshot_id>{offer.snapshot});
  CHECK(messages_of<snapshot_chunk>(node.hear(3, snapshot_pull{offer.snapshot, 0})).at(0).is_gone);
}

TEST_CASE("a pull is answered to whom the snapshot was offered only") {
  lone_node node{1};
  const auto chunks = messages_of<snapshot_chunk>(node.hear(2, snapshot_pull{snapshot_id{77}, 0}));
  REQUIRE(chunks.size() == 1);
  CHECK(chunks[0].is_gone);
}
