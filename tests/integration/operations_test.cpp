// Every operation that users know by name, through the SDK, against real processes.
#include <catch2/catch.hpp>
#include <set>

#include "tests/integration/node_fixture.hpp"

using namespace hive;
using namespace hive::test;
using namespace std::chrono_literals;

namespace {

// A value, or the test fails with the error's text.
template <class T>
T take(result<T> answer) {
  if (!answer) FAIL(to_string(answer.failure()));
  return std::move(*answer);
}

std::set<std::uint64_t> ids_of(const v1::ListTasksResponse& page) {
  std::set<std::uint64_t> ids;
  for (const auto& task : page.tasks()) ids.insert(task.id());
  return ids;
}

v1::WorkerSpec worker_of(const std::string& name) {
  v1::WorkerSpec spec;
  spec.set_name(name);
  spec.add_capabilities("gpu");
  spec.set_slots(2);
  return spec;
}

}  // namespace

TEST_CASE("tasks: create_task get_task update_task_status get_tasks_by_status get_queued_tasks get_pending_tasks") {
  node server;
  auto client = server.connect();

  auto spec = task_of("by_hand");
  spec.set_payload("{\"number\":1}");
  spec.set_priority(7);
  const auto first = take(client->create_task(spec));
  CHECK(first.state == v1::TASK_STATE_QUEUED);
  const auto stored = take(client->get_task(first.id));
  CHECK(stored.spec().payload() == "{\"number\":1}");
  CHECK(stored.spec().priority() == 7);
  CHECK(stored.status().reason() == v1::REASON_WAITS_FOR_WORKER);

  auto later = task_of("by_hand");
  later.set_not_before_unix_ms(stored.status().created_unix_ms() + 3'600'000);
  const auto second = take(client->create_task(later));
  CHECK(second.state == v1::TASK_STATE_SCHEDULED);

  CHECK(ids_of(take(client->get_queued_tasks())) == std::set<std::uint64_t>{first.id.value});
  CHECK(ids_of(take(client->get_pending_tasks())) == std::set<std::uint64_t>{first.id.value, second.id.value});
  CHECK(ids_of(take(client->get_tasks_by_status(v1::TASK_STATE_SCHEDULED))) ==
        std::set<std::uint64_t>{second.id.value});

  CHECK(take(client->update_task_status(first.id, v1::TASK_STATE_RUNNING)).attempt.value == 1);
  v1::TaskStatusUpdate done;
  done.set_task_id(first.id.value);
  done.set_state(v1::TASK_STATE_COMPLETED);
  done.set_has_result(true);
  done.set_result("\"by hand\"");
  CHECK(take(client->update_task_status(done)).state == v1::TASK_STATE_COMPLETED);
  CHECK(take(client->get_task(first.id)).result().payload() == "\"by hand\"");
  CHECK(ids_of(take(client->get_tasks_by_status(v1::TASK_STATE_COMPLETED))) == std::set<std::uint64_t>{first.id.value});
  const auto refused = client->update_task_status(first.id, v1::TASK_STATE_RUNNING);
  REQUIRE_FALSE(refused);
  CHECK(refused.failure().code == errc::failed_precondition);
  CHECK(client->get_task(task_id{999'999}).failure().code == errc::not_found);
}

TEST_CASE("tasks: the same calls as futures, and a batch with a bad item in it") {
  node server;
  auto client = server.connect();
  std::vector<std::future<result<task_change>>> calls;
  for (int i = 0; i < 500; ++i) calls.push_back(client->async().create_task(task_of("by_hand")));
  std::set<std::uint64_t> ids;
  for (auto& call : calls) ids.insert(take(call.get()).id.value);
  CHECK(ids.size() == 500);

  std::vector<v1::TaskSpec> specs{task_of("good"), task_of(""), task_of("good")};
  const auto items = take(client->create_tasks(specs));
  REQUIRE(items.size() == 3);
  CHECK(items[0]);
  REQUIRE_FALSE(items[1]);
  CHECK(items[1].failure().code == errc::invalid_argument);
  CHECK(items[1].failure().field.find("type") != std::string::npos);
  CHECK(items[2]);
}

TEST_CASE("tasks: the same idempotency key creates once") {
  node server;
  auto client = server.connect();
  auto spec = task_of("once");
  spec.set_idempotency_key("order-17");
  const auto first = take(client->create_task(spec));
  const auto again = take(client->create_task(spec));
  CHECK_FALSE(first.is_replay);
  CHECK(again.is_replay);
  CHECK(again.id == first.id);
}

TEST_CASE("workers: register_worker update_worker_heartbeat heartbeat get_active_workers") {
  node server;
  auto client = server.connect();
  const auto registered = take(client->register_worker(worker_of("by-hand")));
  const worker_id id{registered.worker().id()};
  CHECK(registered.worker().state() == v1::WORKER_STATE_ACTIVE);
  CHECK(take(client->update_worker_heartbeat(id)).state() == v1::WORKER_STATE_ACTIVE);
  v1::HeartbeatRequest beat;
  beat.set_worker_id(id.value);
  CHECK(take(client->heartbeat(beat)).state() == v1::WORKER_STATE_ACTIVE);
  const auto active = take(client->get_active_workers());
  REQUIRE(active.workers_size() == 1);
  CHECK(active.workers(0).spec().name() == "by-hand");
  CHECK(take(client->get_worker("by-hand")).id() == id.value);
  CHECK(take(client->drain_worker(id)) == v1::WORKER_STATE_DRAINING);
  take(client->deregister_worker(id));
  CHECK(take(client->get_active_workers()).workers_size() == 0);
  CHECK(client->update_worker_heartbeat(worker_id{12345}).failure().code == errc::not_found);
}

TEST_CASE(
    "plans: create_planned_subtasks_from_plan get_execution_plan_status check_subtask_dependencies "
    "get_next_planned_subtask") {
  node server;
  auto client = server.connect();
  const auto parent = take(client->create_task(task_of("project")));
  v1::PlanDocument document;
  document.set_name("house");
  add_step(document, "walls", {"ground"}, task_of("by_hand"));
  add_step(document, "ground", {}, task_of("by_hand"));
  add_step(document, "roof", {"walls"}, task_of("by_hand"));
  const auto created = take(client->create_planned_subtasks_from_plan(parent.id, document));
  CHECK(created.plan_id() == parent.id.value);
  CHECK(created.step_count() == 3);

  auto status = take(client->get_execution_plan_status(parent.id));
  CHECK(status.plan().status().state() == v1::PLAN_STATE_RUNNING);
  REQUIRE(status.steps_size() == 3);
  std::map<std::string, v1::StepView> steps;
  for (const auto& step : status.steps()) steps[step.name()] = step;
  CHECK(steps["ground"].state() == v1::TASK_STATE_QUEUED);
  CHECK(steps["roof"].state() == v1::TASK_STATE_BLOCKED);

  const auto roof = take(client->check_subtask_dependencies(task_id{steps["roof"].task_id()}));
  CHECK_FALSE(roof.is_satisfied());
  REQUIRE(roof.unmet_size() == 1);
  CHECK(roof.unmet(0).name() == "walls");

  for (const std::string expected : {"ground", "walls", "roof"}) {
    const auto next = take(client->get_next_planned_subtask(parent.id));
    REQUIRE(next.has_step());
    CHECK(next.step().name() == expected);
    const task_id step{next.step().task_id()};
    take(client->update_task_status(step, v1::TASK_STATE_RUNNING));
    take(client->update_task_status(step, v1::TASK_STATE_COMPLETED));
  }
  CHECK_FALSE(take(client->get_next_planned_subtask(parent.id)).has_step());
  status = take(client->get_execution_plan_status(parent.id));
  CHECK(status.plan().status().state() == v1::PLAN_STATE_COMPLETED);
  CHECK(take(client->get_task(parent.id)).status().state() == v1::TASK_STATE_COMPLETED);
}

TEST_CASE("events: get_async_event_bus publish(TaskEvent) publish(WorkflowEvent) subscribe") {
  node server;
  auto client = server.connect();
  const auto task = take(client->create_task(task_of("watched")));
  auto bus = client->get_async_event_bus();

  subscribe_options from_start;
  from_start.after = event_seq{0};
  auto subscription = take(client->subscribe(from_start));
  CHECK(take(subscription.next(10s)).task().name() == "task.created");
  CHECK(take(subscription.next(10s)).task().name() == "task.queued");

  v1::TaskEvent mine;
  mine.set_name("task.reviewed");
  mine.set_task_id(task.id.value);
  mine.set_data("looks good");
  const auto published = take(bus->publish(mine));
  const auto seen = take(subscription.next(10s));
  CHECK(seen.seq() == published.value);
  CHECK(seen.task().name() == "task.reviewed");
  CHECK(seen.task().is_published());
  CHECK(seen.task().data() == "looks good");

  v1::WorkflowEvent workflow;
  workflow.set_name("plan.approved");
  take(client->publish(workflow));
  CHECK(take(subscription.next(10s)).workflow().name() == "plan.approved");
}

TEST_CASE("get_client reads the endpoint from the environment") {
  node server;
  REQUIRE(::setenv("HIVE_ENDPOINT", server.endpoint().c_str(), 1) == 0);
  auto client = hive::get_client();
  const auto task = take(client->create_task(task_of("through_get_client")));
  CHECK(take(client->get_task(task.id)).spec().type() == "through_get_client");
  v1::TaskEvent event;
  event.set_name("task.noted");
  CHECK(take(hive::get_async_event_bus()->publish(event)).value > 0);
}

TEST_CASE("a worker executes what fits it, with progress, logs, retries and cancel") {
  node server;
  auto client = server.connect();
  const auto worker = server.start_worker("w1", 4, {"gpu"});

  auto spec = task_of("noop");
  spec.add_required_capabilities("gpu");
  spec.set_payload("[1,2,3]");
  const auto noop = take(client->create_task(spec));
  const auto done = take(client->wait_task(noop.id, 20s));
  CHECK(done.status().state() == v1::TASK_STATE_COMPLETED);
  CHECK(done.result().payload() == "[1,2,3]");

  const auto chatty = take(client->create_task(task_of("chatty")));
  CHECK(take(client->wait_task(chatty.id, 20s)).status().state() == v1::TASK_STATE_COMPLETED);
  std::string text;
  const auto logs = take(client->get_task_logs(chatty.id));
  for (const auto& chunk : logs.chunks()) text += chunk.data();
  CHECK(text == "first line\nsecond line\n");

  auto failing = task_of("fail", 3);
  failing.mutable_retry()->set_backoff_initial_ms(10);
  const auto failed = take(client->wait_task(take(client->create_task(failing)).id, 20s));
  CHECK(failed.status().state() == v1::TASK_STATE_FAILED);
  CHECK(failed.status().attempt() == 3);
  CHECK(failed.status().reason_text().find("asked to fail") != std::string::npos);
  CHECK(take(client->retry_task(task_id{failed.id()})).state == v1::TASK_STATE_QUEUED);

  const auto hanging = take(client->create_task(task_of("hang")));
  REQUIRE(eventually([&] { return take(client->get_task(hanging.id)).status().state() == v1::TASK_STATE_RUNNING; }));
  take(client->cancel_task(hanging.id, "enough"));
  CHECK(take(client->wait_task(hanging.id, 20s)).status().state() == v1::TASK_STATE_CANCELED);

  auto picky = task_of("noop");
  picky.add_required_capabilities("quantum");
  const auto stuck = take(client->create_task(picky));
  const auto why = take(client->explain_task(stuck.id));
  CHECK(why.state() == v1::TASK_STATE_QUEUED);
  CHECK((why.summary() + (why.details().empty() ? "" : why.details(0))).find("quantum") != std::string::npos);
  CHECK(take(client->check()).violations().empty());
}
