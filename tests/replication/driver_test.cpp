// What an owner of a driver can rely on.
#include "replication/driver.hpp"

#include <catch2/catch.hpp>

#include "replication/configuration.hpp"
#include "tests/replication/lone_node.hpp"

using namespace hive::replication;           // NOLINT(google-build-using-namespace)
using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)
using hive::errc;
using hive::result;

namespace {

bool has_leader(simulated_cluster& cluster) {
  return cluster.run_for(10'000, [&] { return cluster.leader() != 0 && cluster.is_converged(); });
}

}  // namespace

TEST_CASE("a command is answered once it is on a majority, and with the index of the batch's last") {
  lone_node node{1};
  node.lead();
  const effects sent = node.cycle([](driver& one) {
    REQUIRE(one.submit(ticket{5}, {write_command(1, 1), write_command(1, 2)}));
  });
  CHECK(sent.completions.empty());
  CHECK(node.disk.state.commands == 0);
  const effects done = node.hear(3, append_result{node.engine->status().term, 0, 5});
  REQUIRE(done.completions.size() == 1);
  CHECK(done.completions[0].request == ticket{5});
  CHECK_FALSE(done.completions[0].failure);
  CHECK(done.completions[0].index == 5);
  CHECK(node.disk.state.commands == 2);
}

TEST_CASE("a follower refuses commands and names the leader") {
  lone_node node{2};
  result<void> refused;
  node.cycle([&](driver& one) { refused = one.submit(ticket{1}, {"x"}); });
  CHECK(refused.failure().code == errc::not_leader);
  node.hear(1, append_entries{2, 2, 1, 2, {}});
  node.cycle([&](driver& one) { refused = one.submit(ticket{1}, {"x"}); });
  CHECK(refused.failure().message.find("node 1 leads, at n1") != std::string::npos);
}

TEST_CASE("commands whose leader is deposed are answered as unknown, and reads as refused") {
  lone_node node{1};
  node.lead();
  node.cycle([](driver& one) {
    REQUIRE(one.submit(ticket{1}, {write_command(1, 1)}));
    REQUIRE(one.read(ticket{2}));
  });
  const effects out = node.hear(3, append_entries{node.engine->status().term + 1, 2, 1, 2, {}});
  REQUIRE(out.completions.size() == 2);
  CHECK(out.completions[0].request == ticket{1});
  CHECK(out.completions[0].failure->code == errc::unavailable);
  CHECK(out.completions[0].is_outcome_unknown);
  CHECK(out.completions[1].request == ticket{2});
  CHECK_FALSE(out.completions[1].is_outcome_unknown);
  CHECK(out.is_role_changed);
}

TEST_CASE("without a majority a leader takes a bounded number of commands") {
  driver_options options = small_options();
  options.uncommitted_entries_max = 10;
  lone_node node{1, 3, options};
  node.lead();
  std::vector<errc> refusals;
  for (std::uint64_t i = 1; i <= 20; ++i) {
    node.cycle([&](driver& one) {
      if (auto good = one.submit(ticket{i}, {write_command(1, i)}); !good) refusals.push_back(good.failure().code);
    });
  }
  CHECK(refusals == std::vector<errc>(11, errc::resource_exhausted));  // the no-op counts too
  const effects done = node.hear(2, append_result{node.engine->status().term, 0, node.engine->status().last});
  CHECK(done.completions.size() == 9);
  node.cycle([](driver& one) { CHECK(one.submit(ticket{50}, {write_command(1, 50)})); });
}

TEST_CASE("a bounded number of bytes waits for a majority, but one batch always goes") {
  driver_options options = small_options();
  options.uncommitted_bytes_max = 1000;
  lone_node node{1, 3, options};
  node.lead();
  node.cycle([](driver& one) { CHECK(one.submit(ticket{1}, {std::string(5000, 'x')})); });
  node.cycle([](driver& one) { CHECK(one.submit(ticket{2}, {"y"}).failure().code == errc::resource_exhausted); });
}

TEST_CASE("what is in flight to a follower that does not answer is bounded, in entries and in bytes") {
  driver_options options = small_options();
  options.inflight_entries_max = 1000;
  options.trailing_entries = 1000;
  options.inflight_bytes_max = 20'000;
  options.message_bytes_max = 5'000;
  lone_node node{1, 3, options};
  node.lead();
  std::map<std::uint64_t, std::uint64_t> bytes;
  std::uint64_t largest = 0;
  const auto count = [&](const effects& out) {
    for (const outgoing_message& one : out.messages) {
      const auto* body = std::get_if<append_entries>(&one.message.body);
      if (body == nullptr) continue;
      std::uint64_t sum = 0;
      for (const entry_ptr& entry : body->entries) sum += entry->payload.size();
      bytes[one.to.value] += sum;
      largest = std::max(largest, sum);
    }
  };
  for (std::uint64_t i = 1; i <= 200; ++i) {
    count(node.cycle([&](driver& one) { static_cast<void>(one.submit(ticket{i}, {std::string(1000, 'x')})); }));
    count(node.hear(2, append_result{node.engine->status().term, 0, node.engine->status().last}));
  }
  CHECK(node.engine->status().applied == 203);
  CHECK(bytes[2] >= 190'000);
  CHECK(bytes[3] <= 21'000);
  CHECK(largest <= 5'000);
}

TEST_CASE("a restart applies nothing twice and knows its vote") {
  lone_node node{2};
  for (log_index at = 2; at < 42; at += 8) node.hear(1, lone_node::commands(2, at, at == 2 ? 1 : 2, 8, at + 8));
  const register_state before = node.disk.state;
  REQUIRE(before.commands == 40);
  node.hear(3, vote_request{9, 100, 8, true, false});
  node.start();
  CHECK(node.engine->status().term == 9);
  CHECK(messages_of<vote_result>(node.hear(1, vote_request{9, 100, 8, true, false})).at(0).is_granted == false);
  node.hear(3, append_entries{9, 42, 2, 42, {}});
  CHECK(node.engine->status().commit == 42);
  CHECK(node.disk.state == before);
  node.hear(3, lone_node::commands(9, 42, 2, 1, 43));
  CHECK(node.disk.state.commands == 41);
}

TEST_CASE("a log that was compacted stays within its trailing entries, step by step") {
  lone_node node{2};
  log_index widest = 0;
  for (log_index at = 2; at < 402; at += 4) {
    const log_index first = node.engine->status().first;
    node.hear(1, lone_node::commands(2, at, at == 2 ? 1 : 2, 4, at + 4));
    const driver_status now = node.engine->status();
    CHECK(now.first - first <= 2 * node.options.compact_step);
    widest = std::max(widest, now.last - now.first);
  }
  CHECK(widest <= node.options.trailing_entries + 2 * node.options.compact_step);
  CHECK(node.disk.log->load().first == node.engine->status().first);
}

TEST_CASE("peers cannot make a node contradict itself") {
  lone_node node{2};
  node.hear(1, lone_node::commands(2, 2, 1, 5, 7));
  REQUIRE(node.engine->status().commit == 7);
  append_entries other = lone_node::commands(3, 4, 2, 1, 7);
  node.hear(3, other);
  CHECK(node.heard.failure().code == errc::invalid_argument);
  CHECK(node.heard.failure().message.find("contradicts committed entry 5") != std::string::npos);
  node.hear(3, install_snapshot{3, {7, 3, 2, node.members}, snapshot_id{1}});
  CHECK_FALSE(node.heard);
  CHECK(node.engine->status().messages_refused == 2);
  lone_node leader{1};
  leader.lead();
  leader.hear(2, append_entries{leader.engine->status().term, 3, 2, 3, {}});
  CHECK_FALSE(leader.heard);
  CHECK(leader.engine->is_leader());
  leader.cycle([](driver& one) { CHECK_FALSE(one.receive(node_id{1}, {1, 1, read_query{1}})); });
}

TEST_CASE("a linearizable read costs no entry and no commit, and one round serves all that wait") {
  lone_node node{1};
  node.lead();
  node.hear(2, append_result{node.engine->status().term, 0, 3});
  const effects asked = node.cycle([](driver& one) {
    for (std::uint64_t i = 1; i <= 100; ++i) REQUIRE(one.read(ticket{i}));
  });
  CHECK(asked.completions.empty());
  const auto pings = messages_of<read_ping>(asked);
  REQUIRE(pings.size() == 2);
  node.engine->begin_cycle(node.now, *node.disk.log, node.disk);
  CHECK(node.engine->receive(node_id{2}, node.next_message(2, read_pong{pings[0].term, pings[0].round - 1})));
  CHECK(node.engine->end_cycle().completions.empty());  // of an earlier round
  node.engine->begin_cycle(node.now, *node.disk.log, node.disk);
  CHECK(node.engine->receive(node_id{2}, node.next_message(2, read_pong{pings[0].term, pings[0].round})));
  CHECK(node.engine->end_cycle().completions.size() == 100);
  CHECK_FALSE(node.engine->has_changes());
  CHECK(node.engine->status().last == 3);
}

TEST_CASE("a read on a follower asks the leader, waits for its own state, and is given up in time") {
  lone_node node{2};
  result<void> refused;
  node.cycle([&](driver& one) { refused = one.read(ticket{1}); });
  CHECK(refused.failure().code == errc::not_leader);
  node.hear(1, lone_node::commands(2, 2, 1, 2, 2));
  const auto queries = messages_of<read_query>(node.cycle([](driver& one) { REQUIRE(one.read(ticket{2})); }));
  REQUIRE(queries.size() == 1);
  CHECK(node.hear(1, read_answer{queries[0].query, 4}).completions.empty());
  const effects done = node.hear(1, append_entries{2, 4, 2, 4, {}});
  REQUIRE(done.completions.size() == 1);
  CHECK(done.completions[0].index == 4);
  node.cycle([](driver& one) { REQUIRE(one.read(ticket{3})); });
  const effects late = node.pass(2ULL * node.options.election_ms);
  REQUIRE(late.completions.size() == 1);
  CHECK(late.completions[0].failure->code == errc::unavailable);
}

TEST_CASE("a read whose question was lost is given up although the leader goes on sending") {
  lone_node node{2};
  node.hear(1, append_entries{2, 2, 1, 2, {}});
  node.cycle([](driver& one) { REQUIRE(one.read(ticket{3})); });
  std::vector<completion> done;
  const time_ms until = node.now + 2 * node.options.election_ms;
  while (node.now < until) {
    node.hear(1, append_entries{2, 2, 1, 2, {}});
    const effects out = node.pass(std::min<time_ms>(node.options.heartbeat_ms, until - node.now));
    done.insert(done.end(), out.completions.begin(), out.completions.end());
  }
  REQUIRE(done.size() == 1);
  CHECK(done[0].failure->code == errc::unavailable);
}

TEST_CASE("an answer to a read from before a restart is not taken for one to a new read") {
  lone_node node{2};
  const auto query = [&] {
    node.hear(1, lone_node::commands(2, 2, 1, 2, 4));
    return messages_of<read_query>(node.cycle([](driver& one) { REQUIRE(one.read(ticket{1})); })).at(0).query;
  };
  const std::uint64_t before = query();
  node.start();
  const std::uint64_t after = query();
  // The leader confirmed it for the node's predecessor; what was written since then must be read.
  CHECK(node.hear(1, read_answer{before, 3}).completions.empty());
  CHECK(node.hear(1, read_answer{after, 4}).completions.size() == 1);
}

TEST_CASE("a node that does not hold a majority answers no read") {
  simulated_cluster cluster{4, {}};
  REQUIRE(has_leader(cluster));
  const std::uint32_t leader = cluster.leader();
  for (std::uint32_t i = 1; i <= 3; ++i) {
    if (i != leader) cluster.block(leader, i);
    if (i != leader) cluster.block(i, leader);
  }
  cluster.read(leader);
  CHECK_FALSE(cluster.run_for(5'000, [&] { return cluster.reads_answered() > 0; }));
  CHECK(cluster.status(leader).role != node_role::leader);
}

TEST_CASE("a planned transfer takes a few round trips") {
  simulation_knobs knobs;
  knobs.options = small_options();
  knobs.delay_ms_max = 2;
  simulated_cluster cluster{5, knobs};
  REQUIRE(has_leader(cluster));
  const std::uint32_t from = cluster.leader();
  const std::uint32_t to = from == 3 ? 1 : 3;
  for (int i = 0; i < 20; ++i) cluster.write(from, 4);
  const time_ms begin = cluster.now();
  const ticket moved = cluster.transfer(from, to);
  while (cluster.leader() != to && cluster.now() < begin + 1000) cluster.run_until(cluster.now() + 1);
  CHECK(cluster.now() - begin <= 25);
  REQUIRE(cluster.run_for(1'000, [&] { return cluster.outcomes().contains(moved); }));
  CHECK(cluster.outcomes().at(moved).empty());
  REQUIRE(has_leader(cluster));
  cluster.check_end();
  CHECK(cluster.violation().empty());
}

TEST_CASE("a transfer to a voter that is away fails in time, and the leader goes on") {
  simulated_cluster cluster{6, {}};
  REQUIRE(has_leader(cluster));
  const std::uint32_t from = cluster.leader();
  const std::uint32_t to = from == 3 ? 1 : 3;
  cluster.crash(to);
  const ticket moved = cluster.transfer(from, to);
  REQUIRE(cluster.run_for(3'000, [&] { return cluster.outcomes().contains(moved); }));
  CHECK_FALSE(cluster.outcomes().at(moved).empty());
  CHECK(cluster.leader() == from);
  const auto before = cluster.acknowledged();
  cluster.write(from, 1);
  CHECK(cluster.run_for(3'000, [&] { return cluster.acknowledged() > before; }));
}

TEST_CASE("a node that is cut off for long does not depose the leader when it is back") {
  simulated_cluster cluster{7, {}};
  REQUIRE(has_leader(cluster));
  const std::uint32_t leader = cluster.leader();
  const std::uint32_t away = leader == 2 ? 3 : 2;
  const auto term = cluster.status(leader).term;
  for (std::uint32_t i = 1; i <= 3; ++i) {
    if (i != away) cluster.block(i, away);
    if (i != away) cluster.block(away, i);
  }
  cluster.run_until(cluster.now() + 20'000);
  cluster.heal();
  cluster.run_until(cluster.now() + 5'000);
  CHECK(cluster.leader() == leader);
  CHECK(cluster.status(leader).term == term);  // pre-vote
}
