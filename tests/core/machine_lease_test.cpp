#include "core/check.hpp"
#include "tests/core/machine_fixture.hpp"

using namespace hive;
using namespace hive::core;
using names = std::vector<std::string>;
using ids = std::vector<std::uint64_t>;

namespace {
constexpr auto failed_precondition = v1::ERROR_CODE_FAILED_PRECONDITION;
}

TEST_CASE("an offer leases by priority, then in the order of creation") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto low = hive.created(hive.spec("analysis", -1));
  const auto first = hive.created();
  const auto second = hive.created(hive.spec("render"));
  const auto third = hive.created();
  const auto high = hive.created(hive.spec("render", 7));
  CHECK(hive.rules.has_ready_for(worker_id{worker.id()}));
  CHECK(hive.leased(worker, 2) == ids{high, first});
  CHECK(hive.leased(worker, 10) == ids{second, third, low});
  CHECK(hive.leased(worker, 10).empty());
  CHECK_FALSE(hive.rules.has_ready_for(worker_id{worker.id()}));
}

TEST_CASE("a long queue is leased in order over many signatures") {
  machine_fixture hive;
  const auto worker = hive.registered();
  ids expected;
  for (int i = 0; i < 60; ++i) expected.push_back(hive.created(hive.spec("type" + std::to_string(i % 3))));
  CHECK(hive.leased(worker, 60) == expected);
}

TEST_CASE("an assignment carries all that the worker needs") {
  machine_fixture hive;
  const auto worker = hive.registered();
  auto spec = hive.spec();
  spec.set_payload("input");
  spec.mutable_timeouts()->set_run_ms(50);
  const auto task = hive.created(spec);
  hive.now += 30;
  REQUIRE(hive.offer(worker).count() == 1);
  REQUIRE(hive.out.assignments.size() == 1);
  const auto& made = hive.out.assignments[0];
  CHECK(made.worker.value == worker.id());
  CHECK(made.message.task_id() == task);
  CHECK(made.message.attempt() == 1);
  CHECK(made.message.session() == 1);
  CHECK(made.message.spec().payload() == "input");
  CHECK(made.message.run_deadline_unix_ms() == hive.now + 50);
  CHECK(hive.event_names() == names{"task.leased"});
  CHECK(hive.out.events[0].task().wait_ms() == 30);
  CHECK(hive.out.events[0].task().worker_id() == worker.id());
  CHECK(hive.status(task).reason() == v1::REASON_ASSIGNED);
}

TEST_CASE("a worker takes only what it fits") {
  machine_fixture hive;
  auto gpu = hive.worker_spec("gpu");
  gpu.add_capabilities("gpu");
  auto& zone = *gpu.add_labels();
  zone.set_key("zone");
  zone.set_value("b");
  const auto able = hive.register_worker(gpu).worker();
  auto typed = hive.worker_spec("typed");
  typed.add_task_types("render");
  const auto render_only = hive.register_worker(typed).worker();

  auto needs_gpu = hive.spec();
  needs_gpu.add_required_capabilities("gpu");
  const auto on_gpu = hive.created(needs_gpu);
  auto needs_zone = hive.spec();
  *needs_zone.add_worker_selector() = zone;
  const auto in_zone = hive.created(needs_zone);
  auto needs_other = needs_zone;
  needs_other.mutable_worker_selector(0)->set_value("c");
  hive.created(needs_other);
  const auto render = hive.created(hive.spec("render"));

  CHECK(hive.leased(render_only, 9) == ids{render});
  CHECK(hive.leased(able, 9) == ids{on_gpu, in_zone});
  CHECK(hive.rules.ready_count() == 1);
  // A worker that comes later is matched with the signatures that are there.
  gpu.set_name("late");
  gpu.mutable_labels(0)->set_value("c");
  CHECK(hive.leased(hive.register_worker(gpu).worker(), 9).size() == 1);
}

TEST_CASE("an offer of another session, a draining or an unknown worker is refused") {
  machine_fixture hive;
  auto worker = hive.registered();
  hive.created();
  auto stale = worker;
  stale.set_session(worker.session() + 1);
  CHECK(hive.offer(stale).status().field() == "session");
  auto unknown = worker;
  unknown.set_id(99);
  CHECK(hive.offer(unknown).status().code() == failed_precondition);
  REQUIRE(is_ok(hive.drain(worker).status()));
  CHECK(hive.event_names() == names{"worker.draining"});
  CHECK(hive.drain(worker).is_replay());
  CHECK(hive.offer(worker).status().code() == failed_precondition);
  CHECK_FALSE(hive.rules.has_ready_for(worker_id{worker.id()}));
  REQUIRE(is_ok(hive.drain(worker, true).status()));
  CHECK(hive.offer(worker).count() == 1);
}

TEST_CASE("a lifecycle by a worker") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  hive.now += 10;
  CHECK(hive.start(worker, task).state() == v1::TASK_STATE_RUNNING);
  CHECK(hive.event_names() == names{"task.started"});
  CHECK(hive.start(worker, task).is_replay());
  auto progress = hive.report(task, 1);
  progress.mutable_progress()->set_ppm(500'000);
  progress.mutable_progress()->set_message("half");
  REQUIRE(is_ok(hive.say(worker, progress).status()));
  CHECK(hive.status(task).progress_message() == "half");
  hive.now += 90;
  CHECK(hive.complete(worker, task).state() == v1::TASK_STATE_COMPLETED);
  CHECK(hive.event_names() == names{"task.completed"});
  CHECK(hive.out.events[0].task().wait_ms() == 90);
  CHECK(hive.out.events[0].task().total_ms() == 100);
  CHECK(hive.out.freed_slots == std::vector<worker_id>{worker_id{worker.id()}});
  CHECK(hive.status(task).worker_id() == worker.id());
  CHECK(hive.complete(worker, task).is_replay());
  CHECK(hive.out.freed_slots.empty());
}

TEST_CASE("a completion without a start implies it") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  hive.complete(worker, task);
  CHECK(hive.event_names() == names{"task.started", "task.completed"});
}

TEST_CASE("a stale attempt cannot complete a task") {
  machine_fixture hive;
  const auto old_worker = hive.registered("old");
  const auto task = hive.created();
  hive.leased(old_worker);
  hive.start(old_worker, task);
  hive.end_worker(old_worker, true);
  const auto worker = hive.registered("new");
  REQUIRE(hive.leased(worker) == ids{task});
  const auto before = hive.tables;
  const auto outcome = hive.complete(old_worker, task, 1);
  CHECK(outcome.status().code() == failed_precondition);
  CHECK(outcome.status().message().find("attempt 2") != std::string::npos);
  CHECK(hive.complete(old_worker, task, 2).status().code() == failed_precondition);
  CHECK(hive.complete(worker, task, 1).status().code() == failed_precondition);
  CHECK(hive.tables == before);
  CHECK(is_ok(hive.complete(worker, task, 2).status()));
}

TEST_CASE("a malformed report is refused with its field") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  const auto before = hive.tables;
  auto said = hive.report(task, 1);
  std::string field = "body";
  SECTION("empty") {}
  SECTION("progress") {
    said.mutable_progress()->set_ppm(1'000'001);
    field = "progress.ppm";
  }
  SECTION("log") {
    said.mutable_log()->set_data(std::string(core_limits{}.log_chunk_bytes_max + 1, 'x'));
    field = "log.data";
  }
  SECTION("result") {
    said.mutable_completed()->set_result(std::string(core_limits{}.payload_bytes_max + 1, 'x'));
    field = "completed.result";
  }
  const auto outcome = hive.say(worker, said);
  CHECK(outcome.status().code() == v1::ERROR_CODE_INVALID_ARGUMENT);
  CHECK(outcome.status().field() == field);
  CHECK(hive.tables == before);
}

TEST_CASE("a log is kept up to its limit, then marked") {
  core_limits limits;
  limits.log_bytes_max = 10;
  machine_fixture hive{limits};
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  auto said = hive.report(task, 1);
  said.mutable_log()->set_data("1234567");
  REQUIRE(is_ok(hive.say(worker, said).status()));
  CHECK_FALSE(hive.status(task).log_truncated());
  REQUIRE(is_ok(hive.say(worker, said).status()));
  CHECK(hive.status(task).log_truncated());
  CHECK(hive.status(task).log_bytes() == 10);
  REQUIRE(is_ok(hive.say(worker, said).status()));
  CHECK(hive.tables.size(table::task_log) == 2);
}

TEST_CASE("a retryable failure backs off, and the last one is final") {
  machine_fixture hive;
  const auto worker = hive.registered();
  auto spec = hive.spec();
  spec.mutable_retry()->set_max_attempts(3);
  spec.mutable_retry()->set_backoff_initial_ms(100);
  const auto task = hive.created(spec);
  std::int64_t delay_ms = 100;
  for (std::uint32_t number = 1; number <= 2; ++number) {
    REQUIRE(hive.leased(worker) == ids{task});
    hive.fail(worker, task, number, true);
    CHECK(hive.event_names() == names{"task.started", "task.retry_scheduled"});
    CHECK(hive.out.events[1].task().due_unix_ms() == hive.now + delay_ms);
    CHECK(hive.out.events[1].task().message() == "boom");
    CHECK(hive.out.freed_slots.size() == 1);
    CHECK(hive.status(task).reason() == v1::REASON_RETRY_BACKOFF);
    CHECK(hive.status(task).worker_id() == 0);
    hive.now += delay_ms - 1;
    hive.tick();
    CHECK(hive.leased(worker).empty());
    hive.now += 1;
    hive.tick();
    delay_ms *= 2;
  }
  REQUIRE(hive.leased(worker) == ids{task});
  hive.fail(worker, task, 3, true);
  CHECK(hive.status(task).state() == v1::TASK_STATE_FAILED);
  CHECK(hive.status(task).reason() == v1::REASON_HANDLER_ERROR);
  CHECK(hive.status(task).failures() == 3);
  CHECK(hive.fail(worker, task, 3, true).is_replay());
}

TEST_CASE("a returned task has not failed and is queued again after a short while") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  auto said = hive.report(task, 1);
  said.mutable_returned()->set_why("draining");
  REQUIRE(is_ok(hive.say(worker, said).status()));
  CHECK(hive.event_names() == names{"task.returned"});
  CHECK(hive.out.events[0].task().due_unix_ms() == hive.now + core_limits{}.return_backoff_ms);
  CHECK(hive.out.freed_slots.size() == 1);
  CHECK(hive.status(task).state() == v1::TASK_STATE_SCHEDULED);
  CHECK(hive.status(task).reason() == v1::REASON_LEASE_RETURNED);
  CHECK(hive.status(task).reason_text() == "draining");
  CHECK(hive.status(task).failures() == 0);
  hive.now += core_limits{}.return_backoff_ms;
  hive.tick();
  CHECK(hive.status(task).state() == v1::TASK_STATE_QUEUED);
  CHECK(hive.leased(worker) == ids{task});
}

TEST_CASE("a task that only waited in its worker's line is queued again at once") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  auto said = hive.report(task, 1);
  said.mutable_returned()->set_why("waited behind others");
  said.mutable_returned()->set_is_untouched(true);
  REQUIRE(is_ok(hive.say(worker, said).status()));
  CHECK(hive.event_names() == names{"task.queued"});
  CHECK(hive.out.freed_slots.size() == 1);
  CHECK(hive.status(task).state() == v1::TASK_STATE_QUEUED);
  CHECK(hive.status(task).reason() == v1::REASON_LEASE_RETURNED);
  CHECK(hive.leased(worker) == ids{task});
  // Once it was started, its worker has touched it, whatever it says.
  REQUIRE(is_ok(hive.start(worker, task, 2).status()));
  said.set_attempt(2);
  REQUIRE(is_ok(hive.say(worker, said).status()));
  CHECK(hive.status(task).state() == v1::TASK_STATE_SCHEDULED);
}

TEST_CASE("a lost worker's tasks are queued again, until they are poison") {
  machine_fixture hive;
  const auto task = hive.created();
  for (std::uint32_t i = 1; i <= 2; ++i) {
    const auto worker = hive.registered();
    REQUIRE(hive.leased(worker) == ids{task});
    const auto ended = hive.end_worker(worker, true);
    CHECK(ended.count() == 1);
    CHECK(hive.event_names() == names{"task.queued", "worker.lost"});
    CHECK(hive.status(task).reason() == v1::REASON_WORKER_LOST);
    CHECK(hive.status(task).workers_lost() == i);
  }
  const auto worker = hive.registered();
  hive.leased(worker);
  hive.end_worker(worker, true);
  CHECK(hive.status(task).state() == v1::TASK_STATE_FAILED);
  CHECK(hive.status(task).reason() == v1::REASON_POISON);
  REQUIRE(is_ok(hive.retry(task).status()));
  CHECK(hive.status(task).workers_lost() == 0);
}

TEST_CASE("only workers lost in a row are counted") {
  machine_fixture hive;
  const auto task = hive.created();
  auto worker = hive.registered();
  hive.leased(worker);
  hive.end_worker(worker, true);
  worker = hive.registered();
  hive.leased(worker);
  hive.fail(worker, task, 2, true);
  CHECK(hive.status(task).workers_lost() == 0);
}

TEST_CASE("a worker that says goodbye is not lost") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  CHECK(hive.end_worker(worker, false).count() == 1);
  CHECK(hive.event_names() == names{"task.queued", "worker.deregistered"});
  CHECK(hive.status(task).workers_lost() == 0);
  CHECK(hive.status(task).reason() == v1::REASON_LEASE_RETURNED);
  CHECK(hive.end_worker(worker, false).is_replay());
  CHECK(hive.offer(worker).status().code() == failed_precondition);
  CHECK(hive.drain(worker).status().code() == failed_precondition);
}

TEST_CASE("a worker that comes back with the same process keeps what it still runs") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto kept = hive.created();
  const auto forgotten = hive.created();
  const auto other_attempt = hive.created();
  REQUIRE(hive.leased(worker, 3).size() == 3);
  const auto again = hive.register_worker(hive.worker_spec("w"), {{kept, 1}, {other_attempt, 7}, {12345, 1}});
  CHECK(again.id() == worker.id());
  CHECK(again.worker().session() == worker.session() + 1);
  REQUIRE(again.kept_size() == 1);
  CHECK(again.kept(0).task_id() == kept);
  CHECK(hive.status(kept).state() == v1::TASK_STATE_LEASED);
  CHECK(hive.status(forgotten).reason() == v1::REASON_LEASE_RETURNED);
  CHECK(hive.status(other_attempt).reason() == v1::REASON_LEASE_RETURNED);
  CHECK(hive.event_names() == names{"task.queued", "task.queued", "worker.registered"});
  CHECK(hive.out.events.back().worker().tasks_requeued() == 2);
  CHECK(is_ok(hive.complete(worker, kept).status()));
  CHECK(hive.offer(worker).status().field() == "session");
}

TEST_CASE("a worker that comes back as another process has lost its tasks") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  const auto again = hive.register_worker(hive.worker_spec("w", 2), {{task, 1}});
  CHECK(again.id() == worker.id());
  CHECK(again.kept_size() == 0);
  CHECK(hive.status(task).reason() == v1::REASON_WORKER_LOST);
  CHECK(hive.status(task).workers_lost() == 1);
}

TEST_CASE("a drained worker stays drained over a reconnect, not over a restart") {
  machine_fixture hive;
  const auto worker = hive.registered();
  hive.drain(worker);
  CHECK(hive.register_worker(hive.worker_spec("w", 1)).worker().state() == v1::WORKER_STATE_DRAINING);
  CHECK(hive.register_worker(hive.worker_spec("w", 2)).worker().state() == v1::WORKER_STATE_ACTIVE);
  hive.rules.flush(hive.tables);
  CHECK(hive.counter("w\x01") == 1);
  CHECK(hive.counter("w\x02") == 0);
}

TEST_CASE("the end of an older session does not end the worker") {
  machine_fixture hive;
  const auto worker = hive.registered();
  hive.register_worker(hive.worker_spec("w"));
  v1::Command command;
  command.mutable_end_worker()->set_worker_id(worker.id());
  command.mutable_end_worker()->set_session(worker.session());
  CHECK(hive.apply(command).status().field() == "session");
}

TEST_CASE("a worker that returns whatever it gets takes a task once in a while, not in a loop") {
  machine_fixture hive;
  const auto worker = hive.registered();
  const auto task = hive.created();
  std::uint32_t attempts = 0;
  for (const auto end = hive.now + 10'000; hive.now < end; hive.now += 10) {
    hive.tick();
    while (!hive.leased(worker).empty()) {
      REQUIRE(++attempts < 100);
      auto said = hive.report(task, attempts);
      said.mutable_returned();
      REQUIRE(is_ok(hive.say(worker, said).status()));
    }
  }
  CHECK(attempts == 10);
}

TEST_CASE("a worker that has ended is forgotten after the retention, and its name is free") {
  core_limits limits;
  limits.retention_ms = 1'000;
  limits.workers_max = 1;
  machine_fixture hive{limits};
  const bool is_lost = GENERATE(true, false);
  const auto worker = hive.registered();
  const auto task = hive.created();
  hive.leased(worker);
  hive.complete(worker, task);
  hive.now += 500;
  hive.end_worker(worker, is_lost);
  const auto ended_at = hive.now;
  CHECK(hive.register_worker(hive.worker_spec("other")).status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  hive.now = ended_at + 999;
  hive.tick();
  CHECK(hive.tables.size(table::worker) == 1);
  hive.now = ended_at + 1'000;
  hive.tick();
  CHECK(hive.event_names() == names{"worker.purged"});
  CHECK(hive.tables.size(table::worker) == 0);
  CHECK(hive.tables.size(table::worker_name) == 0);
  CHECK(hive.drain(worker).status().code() == v1::ERROR_CODE_NOT_FOUND);
  hive.rules.flush(hive.tables);
  CHECK(check(hive.tables).violations_size() == 0);
  const auto other = hive.register_worker(hive.worker_spec("other"));
  REQUIRE(is_ok(other.status()));
  CHECK(other.id() != worker.id());
}

TEST_CASE("a worker that came back is not forgotten by the timer of its earlier end") {
  core_limits limits;
  limits.retention_ms = 1'000;
  machine_fixture hive{limits};
  const auto worker = hive.registered();
  hive.end_worker(worker, true);
  hive.now += 600;
  const auto again = hive.registered();
  hive.now += 400;
  CHECK(hive.tick().count() == 1);
  CHECK(hive.tables.size(table::worker) == 1);
  hive.end_worker(again, true);
  hive.now += 600;
  hive.registered();
  hive.end_worker(again, false);
  hive.now += 400;  // the second end's timer; the third end is 400 ms old
  CHECK(hive.tick().count() == 1);
  CHECK(hive.tables.size(table::worker) == 1);
  hive.now += 600;
  hive.tick();
  CHECK(hive.tables.size(table::worker) == 0);
}

TEST_CASE("a lost worker comes back under its id") {
  machine_fixture hive;
  const auto worker = hive.registered();
  hive.end_worker(worker, true);
  const auto again = hive.register_worker(hive.worker_spec("w"));
  CHECK(again.id() == worker.id());
  CHECK(again.worker().session() == 2);
  CHECK(again.worker().state() == v1::WORKER_STATE_ACTIVE);
  CHECK(again.worker().ended_unix_ms() == 0);
}

TEST_CASE("a malformed worker is refused") {
  machine_fixture hive;
  auto spec = hive.worker_spec("w");
  SECTION("name") { spec.clear_name(); }
  SECTION("slots") { spec.set_slots(core_limits{}.slots_max + 1); }
  SECTION("capability") { spec.add_capabilities(""); }
  SECTION("role") { spec.set_role(std::string(65, 'r')); }
  CHECK(hive.register_worker(spec).status().code() == v1::ERROR_CODE_INVALID_ARGUMENT);
  CHECK(hive.tables == memory_tables{});
}
