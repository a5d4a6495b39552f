// What load balancers and probes read of nodes that are killed, cut off from their majority, or stopped.
#include <catch2/catch.hpp>

#include "tests/http_connection.hpp"
#include "tests/integration/cluster_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

http_answer page(const cluster& members, std::size_t i, const std::string& path) {
  return http_get(members.metrics_port(i), path);
}

bool says(const cluster& members, std::size_t i, const std::string& path, int status, const std::string& text) {
  const auto answer = page(members, i, path);
  return answer.status == status && answer.body == text + "\n";
}

/// The nodes that a load balancer would send changes to.
std::vector<std::size_t> leaders(cluster& members) {
  std::vector<std::size_t> found;
  for (const std::size_t i : members.running())
    if (page(members, i, "/leader").status == 200) found.push_back(i);
  return found;
}

}  // namespace

TEST_CASE("a node that stands alone is live, ready and the leader, and lists its pages to those who are lost") {
  const node server;
  for (const auto* path : {"/live", "/ready", "/leader"}) {
    const auto answer = http_get(server.metrics_port(), path);
    CHECK(answer.status == 200);
    CHECK(answer.body == "ok\n");
  }
  const auto metrics = http_get(server.metrics_port(), "/metrics");
  CHECK(metrics.status == 200);
  CHECK(metrics.body.find("hive_build_info{version=") != std::string::npos);
  CHECK(http_get(server.metrics_port(), "/healthz").body ==
        "there is no such page; there are:\n/metrics\n/live\n/ready\n/leader\n");
}

TEST_CASE("of three nodes one says that it leads, and none is ready when the majority is gone, though it is live") {
  cluster members(3);
  const std::size_t leader = members.wait_leader();
  const std::size_t follower = (leader + 1) % 3;
  CHECK(eventually([&] { return leaders(members) == std::vector{members.wait_leader()}; }));
  CHECK(eventually([&] {
    return page(members, 0, "/ready").status == 200 && page(members, 1, "/ready").status == 200 &&
           page(members, 2, "/ready").status == 200;
  }));
  const auto follows = page(members, follower, "/leader");
  CHECK(follows.status == 503);
  CHECK(follows.body == "it does not lead; " + members.endpoint(members.wait_leader()) + " does\n");
  // hivectl says the same.
  const auto told = run({program("hivectl"), "--endpoint", members.endpoint(follower), "health", "leader"});
  CHECK(told.status == exit_status(errc::unavailable));
  CHECK(told.output.find(follows.body.substr(0, follows.body.size() - 1)) != std::string::npos);

  // The leader alone leads no more.
  const std::size_t left = members.wait_leader();
  for (std::size_t i = 0; i < 3; ++i)
    if (i != left) members.kill(i);
  CHECK(eventually([&] { return says(members, left, "/ready", 503, "no leader is known"); }));
  CHECK(says(members, left, "/leader", 503, "it does not lead; no leader is known"));
  CHECK(says(members, left, "/live", 200, "ok"));
  CHECK(page(members, left, "/metrics").status == 200);

  members.start((left + 1) % 3);
  CHECK(eventually([&] { return leaders(members).size() == 1 && page(members, left, "/ready").status == 200; }));
}

TEST_CASE("a node that waits for its cluster is live and not ready") {
  cluster members(0);
  const std::size_t waiting = members.add_waiting(7);
  CHECK(eventually([&] { return says(members, waiting, "/ready", 503, "it waits for hivectl cluster init or add"); }));
  CHECK(says(members, waiting, "/live", 200, "ok"));
}

TEST_CASE("a leader that is stopped says so before it ends, and another one leads") {
  cluster members(3);
  const std::size_t leader = members.wait_leader();
  const auto port = members.metrics_port(leader);
  const auto connection = members.connect_to(leader);
  REQUIRE(eventually([&] { return http_get(port, "/leader").status == 200; }));
  // The others cannot take over at once, nor can the leader write what was asked of it, so that it takes its time.
  for (std::size_t i = 0; i < 3; ++i)
    if (i != leader) members.pause(i);
  const auto held = connection->async().create_task(task_of("noop"));
  members.hived(leader).signal(SIGTERM);
  std::string last;
  CHECK(eventually([&] {
    const auto answer = http_get(port, "/ready");
    if (answer.status == 503) last = answer.body;
    return answer.status != 200;
  }));
  CAPTURE(members.logs());
  CHECK(last == "the node is stopping\n");
  CHECK(members.hived(leader).wait(10s) == 0);
  for (std::size_t i = 0; i < 3; ++i)
    if (i != leader) members.resume(i);
  CHECK(eventually([&] { return leaders(members) == std::vector{members.wait_leader()}; }));
}
