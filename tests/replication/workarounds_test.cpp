// Each bug of libraft 0.22.1 that the driver works around, without the workaround and with it.
#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <set>

#include "replication/configuration.hpp"
#include "replication/raft_library.hpp"
#include "tests/replication/lone_node.hpp"

using namespace hive::replication;           // NOLINT(google-build-using-namespace)
using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)

namespace {

driver_options options_without(bool workarounds::*quirk, bool is_on) {
  driver_options options = small_options();
  options.quirks.*quirk = is_on;
  return options;
}

simulation_knobs knobs_without(bool workarounds::*quirk, bool is_on) {
  simulation_knobs knobs;
  knobs.options = options_without(quirk, is_on);
  return knobs;
}

/// Knows what the library holds, as long as it lives, and frees what was leaked.
class counting_heap {
 public:
  counting_heap() {
    heap_.data = this;
    heap_.malloc = [](void* data, std::size_t size) { return note(data, std::malloc(size)); };
    heap_.calloc = [](void* data, std::size_t n, std::size_t size) { return note(data, std::calloc(n, size)); };
    heap_.free = [](void* data, void* what) { std::free(drop(data, what)); };
    heap_.realloc = [](void* data, void* what, std::size_t size) {
      return note(data, std::realloc(drop(data, what), size));
    };
    heap_.aligned_alloc = [](void* data, std::size_t to, std::size_t size) {
      return note(data, std::aligned_alloc(to, size));
    };
    heap_.aligned_free = [](void* data, std::size_t, void* what) { std::free(drop(data, what)); };
    raft_heap_set(&heap_);
  }
  ~counting_heap() {
    raft_heap_set_default();
    for (void* one : held_) std::free(one);
  }
  counting_heap(const counting_heap&) = delete;
  counting_heap& operator=(const counting_heap&) = delete;
  [[nodiscard]] std::size_t held() const { return held_.size(); }

 private:
  static void* note(void* data, void* what) {
    static_cast<counting_heap*>(data)->held_.insert(what);
    return what;
  }
  static void* drop(void* data, void* what) {
    static_cast<counting_heap*>(data)->held_.erase(what);
    return what;
  }
  raft_heap heap_{};
  std::set<void*> held_;
};

std::string with_stand_by(configuration founders, std::uint64_t id) {
  founders.members.push_back({node_id{id}, "n" + std::to_string(id), member_role::stand_by});
  return encode_configuration(founders);
}

}  // namespace

TEST_CASE("the commit of a change that came behind a command is noticed") {
  const bool is_on = GENERATE(true, false);
  lone_node node{2, 3, options_without(&workarounds::splits_change_batches, is_on)};
  append_entries batch = lone_node::commands(2, 2, 1, 1, 0);
  batch.entries.push_back(lone_node::entry(2, entry_type::change, with_stand_by(node.members, 4)));
  node.hear(1, batch);
  CHECK(node.engine->status().is_change_pending);
  node.hear(1, append_entries{2, 4, 2, 4, {}});
  CHECK(node.engine->status().applied == 4);
  CHECK(node.engine->status().is_change_pending == !is_on);  // for ever: such a node can never change members
}

TEST_CASE("a follower answers a leader that probes before its compacted log") {
  const bool is_on = GENERATE(true, false);
  lone_node node{2, 3, options_without(&workarounds::lifts_requests, is_on)};
  for (log_index at = 2; at < 82; at += 8) node.hear(1, lone_node::commands(2, at, at == 2 ? 1 : 2, 8, at + 8));
  REQUIRE(node.engine->status().first > 30);
  REQUIRE(node.engine->status().commit == 82);
  const auto answers = messages_of<append_result>(node.hear(3, append_entries{3, 10, 2, 10, {}}));
  REQUIRE(answers.size() == 1);
  if (is_on) {
    CHECK(answers[0].rejected_index == 0);
    CHECK(answers[0].last_index == 82);
    CHECK(node.engine->status().commit == 82);
  } else {
    CHECK(answers[0].rejected_index == 10);  // and so on for every earlier probe, and a snapshot older than its state
  }
}

TEST_CASE("a probe from before the commit index does not move it back") {
  const bool is_on = GENERATE(true, false);
  lone_node node{2, 3, options_without(&workarounds::lifts_requests, is_on)};
  node.hear(1, lone_node::commands(2, 2, 1, 8, 8));
  REQUIRE(node.engine->status().commit == 8);
  node.hear(1, append_entries{2, 5, 2, 10, {}});
  CHECK((node.engine->status().commit >= 8) == is_on);
}

namespace {

/// Three founders and a fourth that was promoted and does not know it yet, because its leader cannot reach it any more.
/// Returns the leader; 0 if that could not be arranged.
std::uint32_t promote_unknowing(simulated_cluster& cluster) {
  const auto leads = [&] { return cluster.leader() != 0 && cluster.is_converged(); };
  if (!cluster.run_for(10'000, leads)) return 0;
  const std::uint32_t leader = cluster.leader();
  const ticket added = cluster.change(leader, {change_kind::add_stand_by, node_id{4}, "n4"});
  if (!cluster.run_for(10'000, [&] { return cluster.outcomes().contains(added) && cluster.is_converged(); })) return 0;
  cluster.change(leader, {change_kind::promote, node_id{4}, {}});
  while (cluster.status(leader).members.voter_count() == 3 && cluster.now() < 30'000)
    cluster.run_until(cluster.now() + 1);
  cluster.block(leader, 4);
  const auto is_committed = [&] { return !cluster.status(leader).is_change_pending; };
  if (!cluster.run_for(5'000, is_committed)) return 0;
  return cluster.status(4).members.is_voter(node_id{4}) ? 0 : leader;
}

}  // namespace

TEST_CASE("a change waits until all its voters know the one before") {
  const bool is_on = GENERATE(true, false);
  simulation_knobs knobs = knobs_without(&workarounds::guards_changes, is_on);
  knobs.options.quirks.votes_as_stand_by = false;
  knobs.nodes = 4;
  simulated_cluster cluster{1, knobs};
  const std::uint32_t leader = promote_unknowing(cluster);
  REQUIRE(leader != 0);
  const std::uint32_t removed = leader == 1 ? 2 : 1;
  const ticket change = cluster.change(leader, {change_kind::remove, node_id{removed}, {}});
  REQUIRE(cluster.run_for(10'000, [&] { return cluster.outcomes().contains(change); }));
  if (is_on) {
    CHECK(cluster.outcomes().at(change).find("deadline_exceeded") == 0);
    return;
  }
  // It went through; now two of the three voters are up and can reach each other, and will never have a leader.
  CHECK(cluster.outcomes().at(change).empty());
  cluster.crash_for_good(leader);
  cluster.heal();
  CHECK_FALSE(cluster.run_for(30'000, [&] { return cluster.leader() != 0; }));
}

TEST_CASE("a promoted node votes before it knows of its promotion") {
  const bool is_on = GENERATE(true, false);
  simulation_knobs knobs = knobs_without(&workarounds::votes_as_stand_by, is_on);
  knobs.nodes = 4;
  simulated_cluster cluster{1, knobs};
  const std::uint32_t leader = promote_unknowing(cluster);
  REQUIRE(leader != 0);
  cluster.crash_for_good(leader);
  cluster.heal();
  CHECK(cluster.run_for(30'000, [&] { return cluster.leader() != 0 && cluster.is_converged(); }) == is_on);
  CHECK(cluster.violation().empty());
}

TEST_CASE("a stand-by that voted does not vote again in that term, not even after a restart") {
  lone_node node{4, 3};
  node.hear(1, vote_request{5, 10, 4, false, false});
  CHECK(messages_of<vote_result>(node.hear(1, vote_request{5, 10, 4, false, false}))[0].is_granted);
  CHECK_FALSE(messages_of<vote_result>(node.hear(2, vote_request{5, 10, 4, false, false}))[0].is_granted);
  node.start();
  CHECK(node.engine->status().term == 5);
  CHECK_FALSE(messages_of<vote_result>(node.hear(2, vote_request{5, 10, 4, false, false}))[0].is_granted);
  CHECK(messages_of<vote_result>(node.hear(2, vote_request{6, 10, 4, false, false}))[0].is_granted);
  CHECK_FALSE(messages_of<vote_result>(node.hear(2, vote_request{7, 1, 1, false, false}))[0].is_granted);
}

TEST_CASE("of two nodes the one with more terms and the one with more log come to a leader") {
  const bool is_on = GENERATE(true, false);
  simulated_cluster cluster{1, knobs_without(&workarounds::tells_term_to_pre_vote, is_on)};
  for (std::uint32_t i = 1; i <= 3; ++i) cluster.crash(i);
  cluster.crash_for_good(3);
  cluster.node(1).disk.log->save_vote(9, node_id{1});
  cluster.node(2).disk.log->save_vote(5, node_id{2});
  cluster.node(2).disk.log->append(3, lone_node::command(5, 1));
  cluster.node(1).disk.commit();
  cluster.node(2).disk.commit();
  cluster.heal();
  CHECK(cluster.run_for(30'000, [&] { return cluster.leader() != 0; }) == is_on);
}

TEST_CASE("a leader whose whole log was committed commits an entry of its own term") {
  const bool is_on = GENERATE(true, false);
  simulated_cluster cluster{1, knobs_without(&workarounds::commits_own_term, is_on)};
  REQUIRE(cluster.run_for(10'000, [&] { return cluster.leader() != 0; }));
  const std::uint32_t leader = cluster.leader();
  cluster.read(leader);
  CHECK(cluster.run_for(5'000, [&] { return cluster.reads_answered() == 1; }) == is_on);
  CHECK(cluster.status(leader).last == (is_on ? 3 : 2));
}

TEST_CASE("a second offer of a snapshot leaks nothing") {
  const bool is_on = GENERATE(true, false);
  const counting_heap heap;
  {
    lone_node node{2, 3, options_without(&workarounds::drops_second_install, is_on)};
    const state_point point{50, 2, 2, node.members};
    CHECK(messages_of<snapshot_pull>(node.hear(1, install_snapshot{2, point, snapshot_id{7}})).size() == 1);
    CHECK(messages_of<snapshot_pull>(node.hear(1, install_snapshot{2, point, snapshot_id{8}})).empty());
    CHECK(node.engine->status().is_installing);
  }
  CHECK((heap.held() == 0) == is_on);
}

TEST_CASE("an acknowledgement from an earlier connection counts for nothing") {
  const bool is_on = GENERATE(true, false);
  lone_node node{1, 3, options_without(&workarounds::discards_old_links, is_on)};
  node.lead();
  REQUIRE(node.engine->is_leader());
  REQUIRE(node.engine->status().last == 3);
  // Node 2 was emptied in between; what it said before is still on its way.
  const peer_message old = node.next_message(2, append_result{node.engine->status().term, 0, 3});
  node.connect(2);
  node.cycle([&](driver& one) { CHECK(one.receive(node_id{2}, old)); });
  CHECK(node.engine->status().peers[0].match == (is_on ? 0 : 3));
  CHECK(node.engine->status().applied == (is_on ? 2 : 3));  // committed without a majority
  CHECK(node.engine->status().messages_discarded == (is_on ? 1 : 0));
}

TEST_CASE("a doubled message is taken once") {
  lone_node node{2};
  const peer_message once = node.next_message(1, lone_node::commands(2, 2, 1, 1, 0));
  CHECK(node.cycle([&](driver& one) { CHECK(one.receive(node_id{1}, once)); }).messages.size() == 1);
  CHECK(node.cycle([&](driver& one) { CHECK(one.receive(node_id{1}, once)); }).messages.empty());
}

TEST_CASE("the library never writes to stderr by itself") {
  const bool is_on = GENERATE(true, false);
  std::FILE* captured = std::tmpfile();
  REQUIRE(captured != nullptr);
  const int before = ::dup(STDERR_FILENO);
  ::setenv("LIBRAFT_TRACE", "1", 1);
  ::dup2(::fileno(captured), STDERR_FILENO);
  { lone_node node{1, 3, options_without(&workarounds::silences_tracer, is_on)}; }
  std::fflush(stderr);
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  ::unsetenv("LIBRAFT_TRACE");
  const auto written = ::lseek(::fileno(captured), 0, SEEK_END);
  std::fclose(captured);
  CHECK((written == 0) == is_on);
}

TEST_CASE("nodes that start together do not all stand for election together") {
  const bool is_on = GENERATE(true, false);
  simulation_knobs knobs = knobs_without(&workarounds::seeds_random, is_on);
  knobs.delay_ms_max = 1;
  simulated_cluster cluster{1, knobs};
  CHECK(cluster.run_for(30'000, [&] { return cluster.leader() != 0; }) == is_on);
}

TEST_CASE("a clock that goes back does not depose a leader") {
  const bool is_on = GENERATE(true, false);
  lone_node node{1, 3, options_without(&workarounds::keeps_time_monotonic, is_on)};
  node.lead();
  node.now -= 1000;
  node.cycle([](driver& one) { one.tick(); });
  CHECK(node.engine->is_leader() == is_on);
}

TEST_CASE("received batches are freed") {
  const bool is_on = GENERATE(true, false);
  const counting_heap heap;
  {
    lone_node node{2, 3, options_without(&workarounds::frees_received_batch, is_on)};
    node.hear(1, lone_node::commands(2, 2, 1, 3, 0));
    node.hear(1, lone_node::commands(2, 2, 1, 3, 0));  // known: the library frees this one itself
    CHECK(node.engine->status().last == 5);
  }
  CHECK((heap.held() == 0) == is_on);
}

TEST_CASE("the no-op of a new leader is freed") {
  const bool is_on = GENERATE(true, false);
  const counting_heap heap;
  {
    lone_node node{1, 3, options_without(&workarounds::frees_no_op, is_on)};
    node.hear(3, lone_node::commands(2, 2, 1, 1, 0));  // uncommitted, so that the library appends a no-op
    node.lead();
    CHECK(node.engine->status().last == 4);
  }
  CHECK((heap.held() == 0) == is_on);
}

TEST_CASE("leadership is handed over under load") {
  const bool is_on = GENERATE(true, false);
  simulation_knobs knobs = knobs_without(&workarounds::drains_before_transfer, is_on);
  knobs.options.inflight_entries_max = 4;
  simulated_cluster cluster{3, knobs};
  REQUIRE(cluster.run_for(10'000, [&] { return cluster.leader() != 0 && cluster.is_converged(); }));
  const std::uint32_t leader = cluster.leader();
  for (int i = 0; i < 10; ++i) cluster.write(leader, 3);
  const ticket moved = cluster.transfer(leader, leader == 1 ? 2 : 1);
  REQUIRE(cluster.run_for(5'000, [&] { return cluster.outcomes().contains(moved); }));
  CHECK(cluster.outcomes().at(moved).empty() == is_on);
  CHECK((cluster.leader() != leader) == is_on);
}
