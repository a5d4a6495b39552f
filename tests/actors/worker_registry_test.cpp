#include "actors/worker_registry.hpp"

#include "tests/actors/fixture.hpp"

namespace hive {
namespace {

using std::chrono::milliseconds;
using test::node_fixture;

/// Heartbeats every 500 ms while time passes.
void live_on(node_fixture& node, const node_fixture::connected_worker& worker, milliseconds time) {
  for (auto passed = milliseconds(0); passed < time; passed += milliseconds(500)) {
    node.advance(milliseconds(500));
    REQUIRE(node.heartbeat(worker));
  }
}

v1::Worker stored_worker(node_fixture& node, std::uint64_t id) {
  v1::GetWorkerRequest request;
  request.set_worker_id(id);
  const auto response = node.ask<v1::GetWorkerResponse>(node.registry(), request);
  REQUIRE(response);
  return response->worker();
}

}  // namespace

TEST_CASE_METHOD(node_fixture, "a task goes to a free worker in the commit that creates it") {
  start();
  const auto worker = connect_worker("w", 2);
  const int before = store.commits();
  const auto created = create(3);
  CHECK(store.commits() == before + 1);
  REQUIRE(worker.inbox->assignments.size() == 2);
  CHECK(worker.inbox->assignments[0].task_id() == created.items(0).task_id());
  CHECK(worker.inbox->assignments[0].session() == worker.session());
  CHECK(get(created.items(0).task_id()).status().state() == v1::TASK_STATE_LEASED);
  CHECK(get(created.items(2).task_id()).status().state() == v1::TASK_STATE_QUEUED);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "a completion and the next lease share a commit, and credit is never exceeded") {
  start();
  const auto worker = connect_worker("w", 2);
  const auto created = create(10);
  for (std::size_t i = 0; i < 10; ++i) {
    REQUIRE(worker.inbox->assignments.size() == std::min<std::size_t>(i + 2, 10));
    const int before = store.commits();
    const auto& next = worker.inbox->assignments[i];
    const auto done = complete(worker, next.task_id(), next.attempt());
    REQUIRE(done);
    REQUIRE(is_ok(done->items(0).status()));
    CHECK(store.commits() == before + 1);
  }
  CHECK(get(created.items(9).task_id()).status().state() == v1::TASK_STATE_COMPLETED);
  CHECK(context->sessions->sum().used == 0);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "tasks are spread over idle workers") {
  start();
  const auto first = connect_worker("a", 4);
  const auto second = connect_worker("b", 4);
  create(4);
  CHECK(first.inbox->assignments.size() == 2);
  CHECK(second.inbox->assignments.size() == 2);
}

TEST_CASE_METHOD(node_fixture,
                 "a worker whose connection is gone is lost after its grace, and its task goes elsewhere") {
  start();
  const auto first = connect_worker("a", 1);
  const auto created = create(1);
  const auto id = created.items(0).task_id();
  REQUIRE(first.inbox->assignments.size() == 1);
  const auto second = connect_worker("b", 1);
  disconnect(first);
  live_on(*this, second, milliseconds(1500));
  CHECK(second.inbox->assignments.empty());
  live_on(*this, second, milliseconds(1000));
  REQUIRE(second.inbox->assignments.size() == 1);
  CHECK(second.inbox->assignments[0].attempt() == 2);
  CHECK(stored_worker(*this, first.id()).state() == v1::WORKER_STATE_LOST);
  CHECK(get(id).status().worker_id() == second.id());
  check_tables();
}

TEST_CASE_METHOD(node_fixture,
                 "a silent worker is lost although its connection stands, and its late report is refused") {
  start();
  const auto silent = connect_worker("a", 1);
  const auto id = create(1).items(0).task_id();
  const auto other = connect_worker("b", 1);
  live_on(*this, other, milliseconds(2500));
  REQUIRE(other.inbox->assignments.size() == 1);
  CHECK(silent.inbox->endings == 1);
  const auto late = complete(silent, id, 1);
  REQUIRE(late);
  CHECK(late->items(0).status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
  const auto done = complete(other, id, 2);
  REQUIRE(done);
  CHECK(is_ok(done->items(0).status()));
  CHECK_FALSE(heartbeat(silent));
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "a worker that comes back within its grace keeps what it still runs") {
  start();
  const auto before = connect_worker("w", 4, 77);
  create(2);
  REQUIRE(before.inbox->assignments.size() == 2);
  const auto kept = before.inbox->assignments[0];
  disconnect(before);
  advance(milliseconds(500));
  node_fixture::connected_worker after;
  after.actor = system.spawn(test::recording_session, after.inbox);
  sessions.push_back(after.actor);
  v1::RegisterWorkerRequest request;
  request.set_is_executor(true);
  request.mutable_spec()->set_name("w");
  request.mutable_spec()->set_slots(4);
  request.mutable_spec()->set_incarnation(77);
  auto& running = *request.add_running();
  running.set_task_id(kept.task_id());
  running.set_attempt(kept.attempt());
  const auto response = ask_as<v1::RegisterWorkerResponse>(after.actor, registry(), request);
  REQUIRE(response);
  CHECK(response->worker().id() == before.id());
  CHECK(response->worker().session() == before.session() + 1);
  REQUIRE(response->kept_size() == 1);
  CHECK(response->kept(0).task_id() == kept.task_id());
  // The other one had got lost on the way: it is leased anew.
  REQUIRE(after.inbox->assignments.size() == 1);
  CHECK(after.inbox->assignments[0].attempt() == 2);
  CHECK(context->sessions->find({before.id()})->used == 2);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "a heartbeat of an older session is refused, and its sender is told to register") {
  start();
  const auto older = connect_worker("w", 1, 1);
  const auto newer = connect_worker("w", 1, 2);
  CHECK(older.inbox->endings == 1);
  const auto refused = heartbeat(older);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::failed_precondition);
  CHECK(older.inbox->endings == 2);
  CHECK(heartbeat(newer));
}

TEST_CASE_METHOD(node_fixture, "a heartbeat learns which attempts the worker no longer holds") {
  start();
  const auto worker = connect_worker("w", 1);
  const auto id = create(1).items(0).task_id();
  v1::HeartbeatRequest request;
  request.set_worker_id(worker.id());
  request.set_session(worker.session());
  for (const std::uint32_t number : {1U, 5U}) {
    auto& running = *request.add_running();
    running.set_task_id(id);
    running.set_attempt(number);
  }
  const auto response = ask_as<v1::HeartbeatResponse>(worker.actor, registry(), request);
  REQUIRE(response);
  CHECK(response->state() == v1::WORKER_STATE_ACTIVE);
  REQUIRE(response->cancel_size() == 1);
  CHECK(response->cancel(0).attempt() == 5);
}

TEST_CASE_METHOD(node_fixture, "a draining worker finishes what it has and gets nothing new") {
  start();
  const auto worker = connect_worker("w", 2);
  const auto id = create(1).items(0).task_id();
  v1::DrainWorkerRequest drain;
  drain.set_worker_id(worker.id());
  const auto drained = ask<v1::DrainWorkerResponse>(registry(), drain);
  REQUIRE(drained);
  CHECK(drained->state() == v1::WORKER_STATE_DRAINING);
  CHECK(worker.inbox->drain_notices == 1);
  create(1);
  CHECK(worker.inbox->assignments.size() == 1);
  CHECK(complete(worker, id, 1));
  CHECK(worker.inbox->assignments.size() == 1);
  drain.set_undrain(true);
  REQUIRE(ask<v1::DrainWorkerResponse>(registry(), drain));
  CHECK(worker.inbox->assignments.size() == 2);
}

TEST_CASE_METHOD(node_fixture, "deregistering queues again what the worker held") {
  start();
  const auto worker = connect_worker("w", 2);
  const auto id = create(1).items(0).task_id();
  v1::DeregisterWorkerRequest request;
  request.set_worker_id(worker.id());
  request.set_session(worker.session());
  const auto response = ask<v1::DeregisterWorkerResponse>(registry(), request);
  REQUIRE(response);
  CHECK(response->tasks_requeued() == 1);
  CHECK(get(id).status().state() == v1::TASK_STATE_QUEUED);
  CHECK(stored_worker(*this, worker.id()).state() == v1::WORKER_STATE_GONE);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "after a restart of the node a worker has one grace period to come back") {
  start();
  const auto worker = connect_worker("w", 1, 5);
  const auto id = create(1).items(0).task_id();
  restart();
  advance(milliseconds(1500));
  CHECK(get(id).status().state() == v1::TASK_STATE_LEASED);
  advance(milliseconds(1000));
  CHECK(get(id).status().state() == v1::TASK_STATE_QUEUED);
  CHECK(get(id).status().reason() == v1::REASON_WORKER_LOST);
  CHECK(stored_worker(*this, worker.id()).state() == v1::WORKER_STATE_LOST);
  check_tables();
}

TEST_CASE_METHOD(node_fixture, "a worker that is registered by hand lives by heartbeats and is pushed nothing") {
  start();
  v1::RegisterWorkerRequest request;
  request.mutable_spec()->set_name("by hand");
  request.mutable_spec()->set_slots(4);
  const auto registered = ask<v1::RegisterWorkerResponse>(registry(), request);
  REQUIRE(registered);
  const auto id = create(1).items(0).task_id();
  CHECK(get(id).status().state() == v1::TASK_STATE_QUEUED);
  v1::HeartbeatRequest beat;
  beat.set_worker_id(registered->worker().id());
  advance(milliseconds(20'000));
  REQUIRE(ask<v1::HeartbeatResponse>(registry(), beat));
  advance(milliseconds(20'000));
  REQUIRE(ask<v1::HeartbeatResponse>(registry(), beat));
  advance(milliseconds(31'000));
  const auto late = ask<v1::HeartbeatResponse>(registry(), beat);
  CHECK_FALSE(late);
  CHECK(stored_worker(*this, registered->worker().id()).state() == v1::WORKER_STATE_LOST);
}

TEST_CASE_METHOD(node_fixture, "a canceled task reaches the session that runs it") {
  start();
  const auto worker = connect_worker("w", 1);
  const auto id = create(1).items(0).task_id();
  v1::CancelTasksRequest request;
  request.add_task_ids(id);
  REQUIRE(ask<v1::CancelTasksResponse>(tasks(), request));
  REQUIRE(worker.inbox->cancellations.size() == 1);
  CHECK(worker.inbox->cancellations[0].tasks(0).task_id() == id);
  CHECK(worker.inbox->cancellations[0].tasks(0).attempt() == 1);
}

}  // namespace hive
