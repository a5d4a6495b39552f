#include "core/machine_state.hpp"
#include "core/task_state.hpp"
#include "tests/core/machine_fixture.hpp"

using namespace hive;
using namespace hive::core;
using names = std::vector<std::string>;

namespace {
constexpr auto failed_precondition = v1::ERROR_CODE_FAILED_PRECONDITION;
}

TEST_CASE("a new task is queued and says so") {
  machine_fixture hive;
  const auto outcome = hive.create(hive.spec());
  REQUIRE(is_ok(outcome.status()));
  CHECK(outcome.id() == make_id(1, 1));
  CHECK(outcome.state() == v1::TASK_STATE_QUEUED);
  CHECK(hive.event_names() == names{"task.created", "task.queued"});
  CHECK(hive.out.events[0].task().state() == v1::TASK_STATE_QUEUED);
  CHECK(hive.out.events[0].task().type() == "analysis");
  const auto status = hive.status(outcome.id());
  CHECK(status.reason() == v1::REASON_WAITS_FOR_WORKER);
  CHECK(status.created_seq() == 1);
  CHECK(hive.rules.ready_count() == 1);
  CHECK(hive.count(v1::TASK_STATE_QUEUED) == 1);
}

TEST_CASE("a task with a time in the future waits for it") {
  machine_fixture hive;
  auto spec = hive.spec();
  spec.set_not_before_unix_ms(hive.now + 500);
  const auto task = hive.created(spec);
  CHECK(hive.event_names() == names{"task.created"});
  CHECK(hive.out.events[0].task().due_unix_ms() == hive.now + 500);
  CHECK(hive.status(task).state() == v1::TASK_STATE_SCHEDULED);
  CHECK(hive.status(task).reason() == v1::REASON_NOT_BEFORE);
  CHECK(hive.rules.next_due_unix_ms(hive.tables) == hive.now + 500);
  hive.now += 499;
  CHECK(hive.tick().count() == 0);
  hive.now += 1;
  CHECK(hive.tick().count() == 1);
  CHECK(hive.event_names() == names{"task.queued"});
  CHECK(hive.status(task).state() == v1::TASK_STATE_QUEUED);
}

TEST_CASE("the same idempotency key creates once") {
  machine_fixture hive;
  auto spec = hive.spec();
  spec.set_idempotency_key("order 7");
  const auto task = hive.created(spec);
  const auto before = hive.tables;
  const auto again = hive.create(spec);
  CHECK(again.id() == task);
  CHECK(again.is_replay());
  CHECK(hive.out.events.empty());
  hive.rules.flush(hive.tables);
  auto flushed_before = before;
  CHECK(hive.tables.size(table::task_spec) == flushed_before.size(table::task_spec));

  hive.cancel(task);
  REQUIRE(is_ok(hive.purge(task).status()));
  const auto anew = hive.create(spec);
  CHECK_FALSE(anew.is_replay());
  CHECK(anew.id() != task);
}

TEST_CASE("a spec that is not normalized is refused with its field") {
  machine_fixture hive;
  auto spec = hive.spec();
  std::string field;
  SECTION("no type") {
    spec.clear_type();
    field = "spec.type";
  }
  SECTION("unsorted capabilities") {
    spec.add_required_capabilities("b");
    spec.add_required_capabilities("a");
    field = "spec.required_capabilities[1]";
  }
  SECTION("a capability twice") {
    spec.add_required_capabilities("a");
    spec.add_required_capabilities("a");
    field = "spec.required_capabilities[1]";
  }
  SECTION("an empty label") {
    spec.add_labels();
    field = "spec.labels[0].key";
  }
  SECTION("a large payload") {
    spec.set_payload(std::string(core_limits{}.payload_bytes_max + 1, 'x'));
    field = "spec.payload";
  }
  SECTION("a step") {
    spec.set_plan_id(1);
    field = "spec.plan_id";
  }
  SECTION("too many attempts") {
    spec.mutable_retry()->set_max_attempts(1001);
    field = "spec.retry.max_attempts";
  }
  SECTION("a negative timeout") {
    spec.mutable_timeouts()->set_run_ms(-1);
    field = "spec.timeouts.run_ms";
  }
  const auto outcome = hive.create(spec);
  CHECK(outcome.status().code() == v1::ERROR_CODE_INVALID_ARGUMENT);
  CHECK(outcome.status().field() == field);
  CHECK(hive.tables == memory_tables{});
}

TEST_CASE("the number of signatures is limited") {
  core_limits limits;
  limits.signatures_max = 2;
  machine_fixture hive{limits};
  hive.created(hive.spec("a"));
  hive.created(hive.spec("b"));
  CHECK(hive.create(hive.spec("c")).status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  CHECK(is_ok(hive.create(hive.spec("a")).status()));
}

TEST_CASE("a client drives a task by hand") {
  machine_fixture hive;
  const auto task = hive.created();
  REQUIRE(is_ok(hive.update(task, v1::TASK_STATE_RUNNING).status()));
  CHECK(hive.event_names() == names{"task.started"});
  auto status = hive.status(task);
  CHECK(status.attempt() == 1);
  CHECK(status.worker_id() == 0);
  CHECK(status.reason() == v1::REASON_DRIVEN_BY_CLIENT);
  CHECK(hive.rules.ready_count() == 0);
  CHECK(hive.tables.get(table::lease, key{}.u64(0).u64(task)).has_value());

  hive.now += 70;
  v1::Command command;
  auto& update = *command.mutable_update_task_status();
  update.set_task_id(task);
  update.set_state(v1::TASK_STATE_COMPLETED);
  update.set_result("done");
  update.set_has_result(true);
  REQUIRE(is_ok(hive.apply(command).status()));
  status = hive.status(task);
  CHECK(status.state() == v1::TASK_STATE_COMPLETED);
  CHECK(status.has_result());
  CHECK(hive.out.events[0].task().wait_ms() == 70);
  CHECK(hive.out.freed_slots.empty());
  CHECK(hive.tables.size(table::lease) == 0);
  CHECK(hive.count(v1::TASK_STATE_COMPLETED) == 1);
  CHECK(hive.count(v1::TASK_STATE_RUNNING) == 0);
}

TEST_CASE("an illegal update names both states and leaves no trace") {
  machine_fixture hive;
  const auto task = hive.created();
  const auto state = GENERATE(v1::TASK_STATE_COMPLETED, v1::TASK_STATE_FAILED, v1::TASK_STATE_QUEUED,
                              v1::TASK_STATE_LEASED, v1::TASK_STATE_SKIPPED, v1::TASK_STATE_SCHEDULED);
  const auto before = hive.tables;
  const auto outcome = hive.update(task, state);
  CHECK(outcome.status().code() == failed_precondition);
  CHECK(outcome.status().message().find("queued") != std::string::npos);
  CHECK(outcome.status().message().find(to_string(state)) != std::string::npos);
  CHECK(hive.tables == before);
  CHECK(hive.out.events.empty());
}

TEST_CASE("an update with another attempt is refused") {
  machine_fixture hive;
  const auto task = hive.created();
  hive.update(task, v1::TASK_STATE_RUNNING);
  CHECK(hive.update(task, v1::TASK_STATE_COMPLETED, 2).status().code() == failed_precondition);
  CHECK(is_ok(hive.update(task, v1::TASK_STATE_COMPLETED, 1).status()));
  CHECK(hive.update(task, v1::TASK_STATE_COMPLETED, 1).is_replay());
  CHECK(hive.update(task, v1::TASK_STATE_COMPLETED).status().code() == failed_precondition);
}

TEST_CASE("a task on a worker is completed by hand only if its attempt is named, and the worker is told") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  REQUIRE(hive.leased(worker).size() == 1);
  CHECK(hive.update(task, v1::TASK_STATE_COMPLETED).status().code() == failed_precondition);
  CHECK(is_ok(hive.update(task, v1::TASK_STATE_COMPLETED, 1).status()));
  REQUIRE(hive.out.revocations.size() == 1);
  CHECK(hive.out.revocations[0].worker.value == worker.id());
  CHECK(hive.out.freed_slots.size() == 1);
}

TEST_CASE("a task that waits is canceled at once") {
  machine_fixture hive;
  auto spec = hive.spec();
  if (GENERATE(false, true)) spec.set_not_before_unix_ms(hive.now + 500);
  const auto task = hive.created(spec);
  REQUIRE(is_ok(hive.cancel(task).status()));
  CHECK(hive.event_names() == names{"task.canceled"});
  CHECK(hive.status(task).reason() == v1::REASON_CANCELED_BY_CLIENT);
  CHECK(hive.rules.ready_count() == 0);
  CHECK(hive.cancel(task).is_replay());
  hive.now += 500;
  hive.tick();
  CHECK(hive.status(task).state() == v1::TASK_STATE_CANCELED);
}

TEST_CASE("a running task gets a grace period to stop in") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  hive.start(worker, task);
  REQUIRE(is_ok(hive.cancel(task, 300).status()));
  CHECK(hive.event_names() == names{"task.cancel_requested"});
  REQUIRE(hive.out.revocations.size() == 1);
  CHECK(hive.out.revocations[0].reason == v1::REASON_CANCEL_REQUESTED);
  CHECK(hive.status(task).state() == v1::TASK_STATE_RUNNING);
  CHECK(hive.status(task).due_unix_ms() == hive.now + 300);

  SECTION("the worker confirms") {
    CHECK(is_ok(hive.confirm_cancel(worker, task).status()));
    CHECK(hive.status(task).state() == v1::TASK_STATE_CANCELED);
    CHECK(hive.out.freed_slots.size() == 1);
    CHECK(hive.confirm_cancel(worker, task).is_replay());
  }
  SECTION("the work was done all the same") {
    hive.complete(worker, task);
    CHECK(hive.status(task).state() == v1::TASK_STATE_COMPLETED);
  }
  SECTION("a failure is a cancel, not a retry") {
    hive.fail(worker, task, 1, true);
    CHECK(hive.status(task).state() == v1::TASK_STATE_CANCELED);
    CHECK(hive.fail(worker, task, 1, true).is_replay());
  }
  SECTION("a lost worker ends it") {
    hive.end_worker(worker, true);
    CHECK(hive.status(task).state() == v1::TASK_STATE_CANCELED);
  }
  SECTION("the grace period ends it") {
    hive.now += 299;
    hive.tick();
    CHECK(hive.status(task).state() == v1::TASK_STATE_RUNNING);
    hive.now += 1;
    hive.tick();
    CHECK(hive.status(task).state() == v1::TASK_STATE_CANCELED);
    CHECK(hive.status(task).reason() == v1::REASON_CANCELED_BY_CLIENT);
    CHECK(hive.out.freed_slots.size() == 1);
    CHECK(hive.complete(worker, task).status().code() == failed_precondition);
  }
}

TEST_CASE("a cancel survives the report that the task has started") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  hive.cancel(task, 300);
  hive.start(worker, task);
  CHECK(hive.status(task).reason() == v1::REASON_CANCEL_REQUESTED);
  hive.now += 300;
  hive.tick();
  CHECK(hive.status(task).state() == v1::TASK_STATE_CANCELED);
}

TEST_CASE("a final task that did not complete can be retried by hand") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  CHECK(hive.retry(task).status().code() == failed_precondition);
  hive.leased(worker);
  hive.fail(worker, task, 1, false);
  CHECK(hive.status(task).state() == v1::TASK_STATE_FAILED);
  CHECK(hive.status(task).reason_text() == "boom");
  REQUIRE(is_ok(hive.retry(task).status()));
  CHECK(hive.status(task).state() == v1::TASK_STATE_QUEUED);
  CHECK(hive.status(task).failures() == 0);
  CHECK(hive.leased(worker) == std::vector<std::uint64_t>{task});
  CHECK(hive.status(task).attempt() == 2);
  hive.complete(worker, task, 2);
  CHECK(hive.retry(task).status().code() == failed_precondition);
}

TEST_CASE("a purge removes every row of a task") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto other = hive.created(hive.spec("other"));
  hive.now += 5;
  auto spec = hive.spec();
  spec.set_idempotency_key("k");
  const auto task = hive.created(spec);
  CHECK(hive.purge(task).status().code() == failed_precondition);
  hive.update(other, v1::TASK_STATE_RUNNING);
  hive.leased(worker);
  auto log = hive.report(task, 1);
  log.mutable_log()->set_data("line\n");
  REQUIRE(is_ok(hive.say(worker, log).status()));
  hive.complete(worker, task);
  SECTION("by hand") {
    REQUIRE(is_ok(hive.purge(task).status()));
    CHECK(hive.event_names() == names{"task.purged"});
  }
  SECTION("when its retention is over") {
    hive.now += core_limits{}.retention_ms;
    hive.tick();
  }
  CHECK_FALSE(hive.has_task(task));
  for (const auto where : {table::task_spec, table::task_status}) CHECK(hive.tables.size(where) == 1);
  for (const auto where : {table::task_result, table::task_log, table::idempotency, table::task_by_state}) {
    CHECK(hive.tables.size(where) == 0);
  }
  CHECK(hive.count(v1::TASK_STATE_COMPLETED) == 0);
}

TEST_CASE("retention counts from the last end of a task") {
  machine_fixture hive;
  const auto task = hive.created();
  hive.cancel(task);
  hive.now += core_limits{}.retention_ms - 1;
  hive.retry(task);
  hive.cancel(task);
  hive.now += 1;
  hive.tick();
  CHECK(hive.has_task(task));
  hive.now += core_limits{}.retention_ms - 1;
  hive.tick();
  CHECK_FALSE(hive.has_task(task));
}

TEST_CASE("a task driven by hand is canceled at once, for there is nobody to ask") {
  machine_fixture hive;
  const auto task = hive.created();
  hive.update(task, v1::TASK_STATE_RUNNING);
  REQUIRE(is_ok(hive.update(task, v1::TASK_STATE_CANCELED).status()));
  CHECK(hive.status(task).state() == v1::TASK_STATE_CANCELED);
  CHECK(hive.out.revocations.empty());
  CHECK(hive.tables.size(table::lease) == 0);
}

TEST_CASE("a failure by hand is final, and a task given back is queued again") {
  machine_fixture hive;
  const auto task = hive.created();
  hive.update(task, v1::TASK_STATE_RUNNING);
  REQUIRE(is_ok(hive.update(task, v1::TASK_STATE_QUEUED).status()));
  CHECK(hive.event_names() == names{"task.queued"});
  hive.update(task, v1::TASK_STATE_RUNNING);
  CHECK(hive.status(task).attempt() == 2);
  REQUIRE(is_ok(hive.update(task, v1::TASK_STATE_FAILED).status()));
  CHECK(hive.event_names() == names{"task.failed"});
  CHECK(hive.status(task).reason() == v1::REASON_UPDATED_BY_CLIENT);
}

TEST_CASE("a client sets the progress of a running task only") {
  machine_fixture hive;
  const auto task = hive.created();
  v1::Command command;
  auto& update = *command.mutable_update_task_status();
  update.set_task_id(task);
  update.set_has_progress(true);
  update.set_progress_ppm(250'000);
  update.set_progress_message(std::string(2000, 'x'));
  CHECK(hive.apply(command).status().code() == failed_precondition);
  hive.update(task, v1::TASK_STATE_RUNNING);
  REQUIRE(is_ok(hive.apply(command).status()));
  CHECK(hive.event_names() == names{"task.progressed"});
  CHECK(hive.status(task).progress_ppm() == 250'000);
  CHECK(hive.status(task).progress_message().size() == core_limits{}.progress_message_bytes_max);
  update.set_progress_ppm(1'000'001);
  CHECK(hive.apply(command).status().field() == "progress_ppm");
  update.set_has_progress(false);
  CHECK(hive.apply(command).status().field() == "state");
}

TEST_CASE("a retry that leaves no result drops the one of the attempt before") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  auto said = hive.report(task, 1);
  said.mutable_failed()->set_result("exit code 1");
  said.mutable_failed()->set_is_retryable(true);
  hive.say(worker, said);
  CHECK(hive.status(task).has_result());
  hive.now += 1'000;
  hive.tick();
  hive.leased(worker);
  said = hive.report(task, 2);
  said.mutable_completed();
  REQUIRE(is_ok(hive.say(worker, said).status()));
  CHECK_FALSE(hive.status(task).has_result());
  CHECK(hive.tables.size(table::task_result) == 0);
}

TEST_CASE("a text is cut between characters") {
  CHECK(cut_text("abc", 3) == "abc");
  CHECK(cut_text("abc", 2) == "ab");
  CHECK(cut_text("a\xc3\xa4", 2) == "a");
  CHECK(cut_text("\xe2\x82\xac", 2).empty());
}

TEST_CASE("an unknown task is not found") {
  machine_fixture hive;
  for (const auto& outcome : {hive.cancel(9), hive.retry(9), hive.purge(9), hive.update(9, v1::TASK_STATE_RUNNING)}) {
    CHECK(outcome.status().code() == v1::ERROR_CODE_NOT_FOUND);
  }
  CHECK(hive.tables == memory_tables{});
}

TEST_CASE("no state leads to itself, and completed is the end") {
  for (int from = 0; from <= 9; ++from) {
    const auto state = static_cast<v1::TaskState>(from);
    CHECK_FALSE(is_allowed(state, state));
    CHECK_FALSE(is_allowed(v1::TASK_STATE_COMPLETED, state));
    CHECK_FALSE(is_allowed(state, v1::TASK_STATE_UNSPECIFIED));
  }
}
