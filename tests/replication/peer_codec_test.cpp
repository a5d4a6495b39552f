#include "replication/peer_codec.hpp"

#include <catch2/catch.hpp>

#include "replication/configuration.hpp"
#include "tests/replication/lone_node.hpp"
#include "tests/replication/random_source.hpp"

using namespace hive::replication;           // NOLINT(google-build-using-namespace)
using namespace hive::replication::testing;  // NOLINT(google-build-using-namespace)
using hive::errc;

namespace {

const configuration members{{{node_id{1}, "a", member_role::voter}, {node_id{2}, "b", member_role::stand_by}}};

std::vector<message_body> one_of_each() {
  append_entries entries = lone_node::commands(7, 10, 6, 2, 9);
  entries.entries.push_back(lone_node::entry(7, entry_type::change, encode_configuration(members)));
  entries.entries.push_back(lone_node::entry(7, entry_type::barrier, {}));
  return {entries,
          append_result{7, 11, 10},
          vote_request{8, 14, 7, true, false},
          vote_result{8, true, true},
          install_snapshot{7, {10, 6, 4, members}, snapshot_id{99}},
          timeout_now{7, 14, 7},
          read_ping{7, 3},
          read_pong{7, 3},
          read_query{5},
          read_answer{5, 14},
          snapshot_pull{snapshot_id{99}, 1048576},
          snapshot_chunk{snapshot_id{99}, 1048576, "bytes", true, false}};
}

bool is_refused(const message_body& body) {
  const auto decoded = decode(encode({1, 1, body}));
  if (decoded) return false;
  CHECK(decoded.failure().code == errc::invalid_argument);
  return !decoded.failure().message.empty();
}

append_entries changed(const std::function<void(append_entries&)>& change) {
  append_entries body = lone_node::commands(7, 10, 6, 2, 9);
  change(body);
  return body;
}

}  // namespace

TEST_CASE("every peer message survives its encoding") {
  CHECK(one_of_each().size() == std::variant_size_v<message_body>);
  for (const message_body& body : one_of_each()) {
    INFO("body " << body.index());
    const std::string bytes = encode({41, 42, body});
    const auto decoded = decode(bytes);
    REQUIRE(decoded);
    CHECK(decoded->session == 41);
    CHECK(decoded->sequence == 42);
    CHECK(decoded->body.index() == body.index());
    CHECK(encode(*decoded) == bytes);
  }
}

TEST_CASE("peer messages that no honest node sends are refused") {
  CHECK_FALSE(is_refused(changed([](append_entries&) {})));
  CHECK(is_refused(changed([](append_entries& body) { body.term = 0; })));
  CHECK(is_refused(changed([](append_entries& body) { body.term = ~0ULL; })));
  CHECK(is_refused(changed([](append_entries& body) { body.previous_index = ~0ULL; })));
  CHECK(is_refused(changed([](append_entries& body) { body.commit_index = ~0ULL; })));
  CHECK(is_refused(changed([](append_entries& body) { body.previous_term = 0; })));
  CHECK(is_refused(changed([](append_entries& body) { body.previous_term = 8; })));
  CHECK(is_refused(changed([](append_entries& body) { body.previous_index = 0; })));
  CHECK(is_refused(changed([](append_entries& body) { body.previous_index = body.previous_term = 0; })));
  CHECK(is_refused(changed([](append_entries& body) { body.entries.push_back(lone_node::command(5, 1)); })));
  CHECK(is_refused(changed([](append_entries& body) { body.entries.push_back(lone_node::command(8, 1)); })));
  CHECK(is_refused(changed([](append_entries& body) { body.entries.push_back(lone_node::command(0, 1)); })));
  CHECK(is_refused(changed(
      [](append_entries& body) { body.entries.push_back(lone_node::entry(7, static_cast<entry_type>(9), {})); })));
  CHECK(is_refused(changed(
      [](append_entries& body) { body.entries.push_back(lone_node::entry(7, entry_type::change, "nonsense")); })));
  CHECK(is_refused(append_result{0, 0, 1}));
  CHECK(is_refused(append_result{7, 5, 5}));
  CHECK(is_refused(vote_request{0, 1, 1, false, false}));
  CHECK(is_refused(vote_request{7, 1, 0, false, false}));
  CHECK(is_refused(vote_request{7, 1, 8, false, false}));
  CHECK(is_refused(timeout_now{7, 0, 7}));
  CHECK(is_refused(install_snapshot{7, {0, 0, 0, members}, snapshot_id{1}}));
  CHECK(is_refused(install_snapshot{7, {10, 6, 11, members}, snapshot_id{1}}));
  CHECK(is_refused(install_snapshot{7, {10, 6, 4, {}}, snapshot_id{1}}));
  CHECK(is_refused(install_snapshot{7, {10, 6, 4, members}, snapshot_id{0}}));
  CHECK(is_refused(snapshot_pull{snapshot_id{0}, 0}));
  CHECK(is_refused(snapshot_chunk{snapshot_id{1}, 0, std::string(snapshot_chunk_bytes_max + 1, 'x'), false, false}));
  CHECK_FALSE(decode(""));
  CHECK_FALSE(decode("\xff\xff\xff"));
}

TEST_CASE("100,000 damaged peer messages do no harm to a follower and a leader") {
  random_source random{11};
  const auto bodies = one_of_each();
  lone_node follower{2};
  follower.hear(1, lone_node::commands(2, 2, 1, 8, 6));
  lone_node leader{1};
  leader.lead();
  std::uint64_t taken = 0;
  for (int i = 0; i < 100'000; ++i) {
    std::string bytes = encode({1, 1, bodies[random.below(bodies.size())]});
    for (std::uint64_t n = random.below(4); n > 0; --n) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    if (random.one_in(8)) bytes.resize(random.below(bytes.size()));
    auto decoded = decode(bytes);
    if (!decoded) continue;
    ++taken;
    // The link layer lets it through; what it says is anything.
    lone_node& to = random.one_in(2) ? follower : leader;
    to.hear(random.one_in(2) ? 3 : (&to == &leader ? 2 : 1), std::move(decoded->body));
    REQUIRE_FALSE(to.engine->failure());
    if (i % 500 == 0) {
      follower = lone_node{2};
      follower.hear(1, lone_node::commands(2, 2, 1, 8, 6));
      leader = lone_node{1};
      leader.lead();
    }
  }
  CHECK(taken > 10'000);
}
