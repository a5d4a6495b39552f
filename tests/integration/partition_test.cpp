// A cluster whose nodes are on networks of their own (network namespaces), with links that fail.
#include <catch2/catch.hpp>
#include <fstream>
#include <stdexcept>

#include "tests/integration/cluster_load.hpp"
#include "tests/integration/network_spaces.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t node_count = 3;

}  // namespace

TEST_CASE("a cluster goes on while links of its leader fail, wholly or one way, and loses nothing") {
  const last_will will;
  const network_spaces spaces(node_count, will);
  if (!spaces.is_usable()) {
    WARN("skipped: network namespaces are not permitted here");
    return;
  }
  const certificates issued("test");
  cluster members(node_count, {}, {}, network_of(spaces, issued, node_count));
  const auto worker = members.start_worker("w1", 8);
  cluster_load load(members);
  REQUIRE(load.wait_for_more(50));

  const std::size_t first = members.wait_leader();
  spaces.set_link(first, "down");
  const bool is_replaced = load.wait_for_more(50);
  spaces.set_link(first, "up");
  if (!is_replaced) FAIL("the leader's link was down\n" << members.logs());
  members.wait_caught_up({0, 1, 2});
  CHECK(members.wait_leader() != first);

  // The leader's messages do not get to one follower: the other one is enough.
  const std::size_t second = members.wait_leader();
  const std::size_t deaf = (second + 1) % node_count;
  spaces.block(second, deaf);
  const bool has_majority = load.wait_for_more(50);
  spaces.unblock(second, deaf);
  if (!has_majority) FAIL("one follower did not hear the leader\n" << members.logs());
  members.wait_caught_up({0, 1, 2});

  // The leader hears everybody, and nobody hears it.
  const std::size_t third = members.wait_leader();
  for (std::size_t i = 0; i < node_count; ++i) {
    if (i != third) spaces.block(third, i);
  }
  const bool is_replaced_again = load.wait_for_more(50);
  for (std::size_t i = 0; i < node_count; ++i) {
    if (i != third) spaces.unblock(third, i);
  }
  if (!is_replaced_again) FAIL("nobody heard the leader\n" << members.logs());
  members.wait_caught_up({0, 1, 2});

  const auto wrong = load.finish();
  if (!wrong.empty()) UNSCOPED_INFO(members.logs());
  for (const auto& line : wrong) UNSCOPED_INFO(line);
  CHECK(wrong.empty());
}

namespace {

/// Megabytes of memory that a process has for itself; what it maps of its files does not count.
std::size_t own_memory_mb(const process& of) {
  std::ifstream file("/proc/" + std::to_string(of.pid()) + "/status");
  for (std::string word; file >> word;) {
    std::size_t kilobytes = 0;
    if (word == "RssAnon:" && file >> kilobytes) return kilobytes / 1024;
  }
  throw std::runtime_error("a process does not tell its memory");
}

/// Creates so many tasks with payloads of this size; how many a second.
double rate_of_creates(client& connection, std::size_t count, std::size_t payload_bytes) {
  auto spec = task_of("noop");
  spec.set_payload(std::string(payload_bytes, 'x'));
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    const auto made = connection.create_task(spec);
    if (!made) FAIL(to_string(made.failure()));
  }
  return static_cast<double>(count) / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

TEST_CASE("a follower with a slow link does not slow the cluster down, and catches up when the link is good again") {
  const last_will will;
  const network_spaces spaces(node_count, will);
  if (!spaces.can_be_slow()) {
    WARN("skipped: network namespaces with slow links are not possible here");
    return;
  }
  const certificates issued("test");
  cluster members(node_count, {}, {}, network_of(spaces, issued, node_count));
  const auto connection = members.connect();
  // With the slow link there is more to send than may wait for a follower (64 MiB on their way, 64 MiB of cached log,
  // and copies of some of it).
  constexpr std::size_t payload = 400'000;
  constexpr std::size_t count = 700;
  constexpr std::size_t memory_growth_max_mb = 220;
  static_assert(payload * count > memory_growth_max_mb * 1024 * 1024);
  const double good_rate = rate_of_creates(*connection, count / 5, payload);
  const std::size_t leader = members.wait_leader();
  const std::size_t slow = (leader + 1) % node_count;
  members.wait_caught_up({0, 1, 2});
  const auto memory_before = own_memory_mb(members.hived(leader));

  spaces.slow(slow, "256kbit", "500ms");
  const double slow_rate = rate_of_creates(*connection, count, payload);
  const auto led = members.status(leader);
  const auto memory_after = own_memory_mb(members.hived(leader));
  WARN(good_rate << " creates/s with good links, " << slow_rate << " with a slow one; the leader grew from "
                 << memory_before << " to " << memory_after << " MiB");
  REQUIRE(led);
  INFO(members.logs());
  CHECK(led->role() == "leader");  // the slow one has not unseated it
  // The link takes a payload in 12 s: had the leader waited for it, there would be no rate at all. Otherwise the rates
  // differ by what else the machine does.
  CHECK(slow_rate > 0.3 * good_rate);
  for (const auto& one : led->members()) {
    if (one.node_id() == members.node_id(slow)) CHECK(one.lag() > 50);  // it is slow indeed
  }
  CHECK(memory_after < memory_before + memory_growth_max_mb);

  spaces.unslow(slow);
  members.wait_caught_up({0, 1, 2});
}
