// A lost worker's tasks are queued again at once and finish elsewhere; what it says later counts for nothing.
#include <catch2/catch.hpp>
#include <csignal>

#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

std::vector<task_id> create(client& connection, const std::string& type, const std::string& payload, int count) {
  std::vector<v1::TaskSpec> specs;
  for (int i = 0; i < count; ++i) {
    specs.push_back(task_of(type));
    specs.back().set_payload(payload);
  }
  const auto created = connection.create_tasks(std::move(specs));
  REQUIRE(created);
  std::vector<task_id> ids;
  for (const auto& item : *created) {
    REQUIRE(item);
    ids.push_back(item->id);
  }
  return ids;
}

std::size_t count_in(client& connection, const std::vector<task_id>& ids, v1::TaskState state) {
  const auto tasks = connection.get_tasks(ids, {false, false});
  REQUIRE(tasks);
  std::size_t count = 0;
  for (const auto& task : *tasks) count += task && task->status().state() == state ? 1U : 0U;
  return count;
}

}  // namespace

TEST_CASE("kill -9 of a worker with 100 tasks: all are queued again within 3 s and finish elsewhere") {
  node server;
  auto client = server.connect();
  auto victim = server.start_worker("victim", 100);
  const auto ids = create(*client, "nap", "1000000", 100);
  REQUIRE(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_RUNNING) == 100; }));

  const auto killed_at = std::chrono::steady_clock::now();
  victim.kill();
  REQUIRE(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_QUEUED) == 100; }, 10s));
  const auto requeued_after = std::chrono::steady_clock::now() - killed_at;
  WARN("queued again after " << std::chrono::duration_cast<std::chrono::milliseconds>(requeued_after).count() << " ms");
  CHECK(requeued_after < 3s);
  const auto requeued = client->get_tasks(ids, {false, false});
  REQUIRE(requeued);
  for (const auto& task : *requeued) {
    CHECK(task->status().reason() == v1::REASON_WORKER_LOST);
  }
  // The rest of each nap would take too long: cancel most, and let one class of work show that it moves on.
  const auto worker = server.start_worker("heir", 100);
  REQUIRE(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_RUNNING) == 100; }));
  for (const auto id : ids) CHECK(client->get_task(id, {false, false})->status().attempt() == 2);
  for (const auto id : ids) REQUIRE(client->cancel_task(id));
  CHECK(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_CANCELED) == 100; }));
  CHECK(client->check()->violations().empty());
}

TEST_CASE("tasks of a killed worker complete on another one") {
  node server;
  auto client = server.connect();
  auto victim = server.start_worker("victim", 100);
  const auto ids = create(*client, "nap", "1500", 100);
  REQUIRE(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_RUNNING) == 100; }));
  victim.kill();
  const auto heir = server.start_worker("heir", 100);
  CHECK(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_COMPLETED) == 100; }, 60s));
  for (const auto id : ids) CHECK(client->get_task(id, {false, false})->status().attempt() == 2);
}

TEST_CASE("a stopped worker loses its tasks within its grace, and its late completions are refused") {
  node server;
  auto client = server.connect();
  auto sleeper = server.start_worker("sleeper", 20);
  const auto ids = create(*client, "nap", "1500", 20);
  REQUIRE(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_RUNNING) == 20; }));

  const auto stopped_at = std::chrono::steady_clock::now();
  sleeper.signal(SIGSTOP);
  REQUIRE(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_QUEUED) == 20; }, 20s));
  const auto requeued_after = std::chrono::steady_clock::now() - stopped_at;
  WARN("queued again after " << std::chrono::duration_cast<std::chrono::milliseconds>(requeued_after).count() << " ms");
  CHECK(requeued_after < 8s);

  // The second attempt is taken by hand, so that the first one's late report meets a live task.
  for (const auto id : ids) REQUIRE(client->update_task_status(id, v1::TASK_STATE_RUNNING));
  sleeper.signal(SIGCONT);
  REQUIRE(eventually([&] {
    const auto worker = client->get_worker("sleeper");
    return worker && worker->state() == v1::WORKER_STATE_ACTIVE && worker->session() >= 2;
  }));
  for (const auto id : ids) {
    const auto task = client->get_task(id, {false, false});
    REQUIRE(task);
    CHECK(task->status().state() == v1::TASK_STATE_RUNNING);
    CHECK(task->status().attempt() == 2);
    v1::TaskStatusUpdate stale;
    stale.set_task_id(id.value);
    stale.set_state(v1::TASK_STATE_COMPLETED);
    stale.set_attempt(1);
    const auto refused = client->update_task_status(stale);
    REQUIRE_FALSE(refused);
    CHECK(refused.failure().code == errc::failed_precondition);
  }
  CHECK(client->check()->violations().empty());
}

TEST_CASE("a worker keeps its running tasks over a restart of the node") {
  node server;
  auto client = server.connect();
  const auto worker = server.start_worker("steady", 10);
  const auto ids = create(*client, "nap", "3000", 10);
  REQUIRE(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_RUNNING) == 10; }));
  server.kill();
  server.start();
  CHECK(eventually([&] { return count_in(*client, ids, v1::TASK_STATE_COMPLETED) == 10; }, 60s));
  for (const auto id : ids) CHECK(client->get_task(id, {false, false})->status().attempt() == 1);
}
