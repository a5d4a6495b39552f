#include "tests/core/plan_fixture.hpp"

using namespace hive;
using namespace hive::core;

namespace {

using names = std::vector<std::string>;

std::uint64_t create_task(plan_fixture& on) {
  v1::Command command;
  command.mutable_create_task()->mutable_spec()->set_type("parent");
  return on.applied(std::move(command)).id();
}

}  // namespace

TEST_CASE("a plan's roots are ready at once and each step follows its needs") {
  plan_fixture on;
  on.create(plan_fixture::document(plan_fixture::diamond()));
  CHECK(on.plan_state() == v1::PLAN_STATE_RUNNING);
  CHECK(on.state("a") == v1::TASK_STATE_QUEUED);
  CHECK(on.state("b") == v1::TASK_STATE_BLOCKED);
  CHECK(on.status("b").reason() == v1::REASON_DEPENDENCIES);
  CHECK(on.status("d").unmet_needs() == 2);
  CHECK(on.run_all() == names{"a", "b", "c", "d"});
}

TEST_CASE("a client cannot start a step by hand while its plan is paused") {
  plan_fixture on;
  on.create(plan_fixture::document({{"only"}}));
  REQUIRE(on.state("only") == v1::TASK_STATE_QUEUED);
  REQUIRE(is_ok(on.pause().status()));
  REQUIRE(on.state("only") == v1::TASK_STATE_QUEUED);
  v1::Command start;
  start.mutable_update_task_status()->set_task_id(on.ids.at("only"));
  start.mutable_update_task_status()->set_state(v1::TASK_STATE_RUNNING);
  const auto refused = on.apply(start);
  CHECK(refused.status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
  CHECK(refused.status().message().find("plan is paused") != std::string::npos);
  CHECK(on.state("only") == v1::TASK_STATE_QUEUED);
  REQUIRE(is_ok(on.resume().status()));
  CHECK(is_ok(on.apply(start).status()));
  CHECK(on.state("only") == v1::TASK_STATE_RUNNING);
}

TEST_CASE("a returned step waits a short while and then runs, and a paused plan keeps it") {
  plan_fixture on;
  on.create(plan_fixture::document({{"only"}}));
  on.lease();
  auto said = on.report("only");
  said.mutable_returned();
  REQUIRE(is_ok(on.say(said).status()));
  CHECK(on.state("only") == v1::TASK_STATE_SCHEDULED);
  REQUIRE(is_ok(on.pause().status()));
  on.now += core_limits{}.return_backoff_ms;
  on.tick_all();
  CHECK(on.lease().empty());
  REQUIRE(is_ok(on.resume().status()));
  CHECK(on.lease() == names{"only"});
}

TEST_CASE("a diamond counts each need once") {
  plan_fixture on;
  on.create(plan_fixture::document(plan_fixture::diamond()));
  on.lease();
  on.complete("a");
  CHECK(on.lease() == names{"b", "c"});
  on.complete("b");
  CHECK(on.status("d").unmet_needs() == 1);
  CHECK(on.lease().empty());
  on.complete("c");
  CHECK(on.status("d").unmet_needs() == 0);
  CHECK(on.lease() == names{"d"});
}

TEST_CASE("the parent completes with its plan, in one command") {
  plan_fixture on;
  on.create(plan_fixture::document({{"only"}}));
  CHECK(on.task(on.plan).state() == v1::TASK_STATE_RUNNING);
  CHECK(on.task(on.plan).reason() == v1::REASON_PLAN);
  CHECK(on.task(on.plan).is_plan_parent());
  on.lease();
  on.start("only");
  on.complete("only");
  names in_last;
  for (const auto& event : on.out.events)
    in_last.push_back(event.has_task() ? event.task().name() : event.workflow().name());
  CHECK(in_last == names{"task.completed", "plan.completed", "task.completed"});
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
  CHECK(on.task(on.plan).state() == v1::TASK_STATE_COMPLETED);
  CHECK(on.plan_events() == names{"plan.created", "plan.completed"});
}

TEST_CASE("an existing task becomes the parent of a plan and runs as long as it") {
  plan_fixture on;
  const std::uint64_t parent = create_task(on);
  CHECK(on.create(plan_fixture::document({{"only"}}), parent) == parent);
  CHECK(on.task(parent).state() == v1::TASK_STATE_RUNNING);
  CHECK(on.lease() == names{"only"});  // the parent itself is not handed out
  on.complete("only");
  CHECK(on.task(parent).state() == v1::TASK_STATE_COMPLETED);
}

TEST_CASE("a task that may not have a plan is refused as parent, without trace") {
  plan_fixture on;
  const std::uint64_t task = create_task(on);
  on.create(plan_fixture::document({{"only"}}));
  const auto refuse = [&](std::uint64_t parent, errc code, const std::string& why) {
    const memory_tables before = on.tables.inner;
    const auto outcome = on.apply(plan_fixture::create_command(plan_fixture::document({{"x"}}), parent));
    CHECK(outcome.status().code() == static_cast<v1::ErrorCode>(code));
    CHECK(outcome.status().field() == "parent_task_id");
    CHECK_THAT(outcome.status().message(), Catch::Contains(why));
    CHECK(on.tables.inner == before);
  };
  refuse(4711, errc::not_found, "no task");
  refuse(on.plan, errc::failed_precondition, "it has a plan already");
  refuse(on.ids["only"], errc::failed_precondition, "it is a step of plan");
  on.lease();
  refuse(task, errc::failed_precondition, "a worker is executing it");
  v1::Command cancel;
  cancel.mutable_cancel_task()->set_task_id(create_task(on));
  const auto canceled = on.applied(std::move(cancel)).id();
  refuse(canceled, errc::failed_precondition, "it is canceled");
}

TEST_CASE("canceling the parent cancels the plan, and a parent that is too late cancels it as failed") {
  plan_fixture on;
  SECTION("by a client") {
    on.create(plan_fixture::document(plan_fixture::diamond()));
    v1::Command cancel;
    cancel.mutable_cancel_task()->set_task_id(on.plan);
    on.applied(std::move(cancel));
    CHECK(on.plan_state() == v1::PLAN_STATE_CANCELED);
    CHECK(on.task(on.plan).state() == v1::TASK_STATE_CANCELED);
    CHECK(on.state("d") == v1::TASK_STATE_CANCELED);
  }
  SECTION("by its total timeout") {
    auto command = plan_fixture::create_command(plan_fixture::document(plan_fixture::diamond()));
    auto& spec = *command.mutable_create_plan()->mutable_begin()->mutable_parent_spec();
    spec.mutable_timeouts()->set_total_ms(5'000);
    on.adopt(on.applied(std::move(command)));
    on.now += 5'000;
    on.tick_all();
    CHECK(on.plan_state() == v1::PLAN_STATE_FAILED);
    CHECK(on.task(on.plan).state() == v1::TASK_STATE_FAILED);
    CHECK(on.task(on.plan).reason() == v1::REASON_TOTAL_TIMEOUT);
  }
}

TEST_CASE("a plan that misses its deadline is stopped and fails with that reason") {
  plan_fixture on;
  auto document = plan_fixture::document(plan_fixture::diamond());
  document.set_deadline_ms(60'000);
  on.create(std::move(document));
  on.lease();
  on.now += 59'999;
  on.tick_all();
  CHECK(on.plan_state() == v1::PLAN_STATE_RUNNING);
  on.now += 1;
  on.tick_all();
  CHECK(on.plan_state() == v1::PLAN_STATE_CANCELING);
  on.confirm_cancel("a");
  CHECK(on.plan_state() == v1::PLAN_STATE_FAILED);
  CHECK(on.plan_status().reason() == v1::REASON_PLAN_DEADLINE);
  CHECK(on.task(on.plan).reason() == v1::REASON_PLAN_DEADLINE);
  SECTION("a retry gets the whole time again") {
    on.retry();
    on.now += 59'999;
    on.tick_all();
    CHECK(on.plan_state() == v1::PLAN_STATE_RUNNING);
    on.now += 1;
    on.tick_all();
    CHECK(on.plan_state() != v1::PLAN_STATE_RUNNING);
  }
}

TEST_CASE("a paused plan parks what becomes ready, lets run what runs, and resumes") {
  plan_fixture on;
  on.create(plan_fixture::document({{"a"}, {"b"}, {"c", {"a"}}, {"d", {"b", "c"}}}));
  CHECK(on.lease(1) == names{"a"});
  CHECK(is_ok(on.pause().status()));
  CHECK(on.pause().is_replay());
  CHECK(on.lease().empty());  // b was queued: it is parked when it would be handed out
  CHECK(on.state("b") == v1::TASK_STATE_BLOCKED);
  CHECK(on.status("b").reason() == v1::REASON_PLAN_PAUSED);
  on.complete("a");
  CHECK(on.state("c") == v1::TASK_STATE_BLOCKED);
  CHECK(on.status("c").reason() == v1::REASON_PLAN_PAUSED);
  CHECK(on.status("d").reason() == v1::REASON_DEPENDENCIES);
  CHECK(is_ok(on.resume().status()));
  CHECK(on.tables.size(table::plan_parked) == 0);
  CHECK(on.run_all() == names{"b", "c", "d"});
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
  CHECK(on.plan_events() == names{"plan.created", "plan.paused", "plan.resumed", "plan.completed"});
}

TEST_CASE("a parked step may be canceled, and a paused plan too") {
  plan_fixture on;
  on.create(plan_fixture::document({{"a"}, {"b"}}, v1::FAILURE_POLICY_CONTINUE));
  on.pause();
  CHECK(on.lease().empty());
  CHECK(is_ok(on.cancel_step("a").status()));
  CHECK(on.tables.size(table::plan_parked) == 1);
  CHECK(is_ok(on.cancel().status()));
  CHECK(on.tables.size(table::plan_parked) == 0);
  CHECK(on.plan_state() == v1::PLAN_STATE_CANCELED);
}

TEST_CASE("a paused plan whose running steps were its last ones completes") {
  plan_fixture on;
  on.create(plan_fixture::document({{"a"}}));
  on.lease();
  on.pause();
  on.complete("a");
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
}

TEST_CASE("a step that comes back from a lost worker is parked while its plan is paused") {
  plan_fixture on;
  on.create(plan_fixture::document({{"a"}}));
  on.lease();
  on.pause();
  v1::Command lost;
  lost.mutable_end_worker()->set_worker_id(on.worker.id());
  lost.mutable_end_worker()->set_is_lost(true);
  on.applied(std::move(lost));
  CHECK(on.state("a") == v1::TASK_STATE_BLOCKED);
  CHECK(on.status("a").reason() == v1::REASON_PLAN_PAUSED);
  on.resume();
  CHECK(on.state("a") == v1::TASK_STATE_QUEUED);
}

TEST_CASE("resuming goes in chunks by ticks, and a pause stops it halfway") {
  core_limits limits;
  limits.sweep_steps_max = 3;
  plan_fixture on(limits);
  std::vector<plan_fixture::step> steps;
  for (int i = 0; i < 10; ++i) steps.push_back({"s" + std::to_string(i)});
  on.create(plan_fixture::document(steps));
  on.tick_all();
  on.pause();
  while (on.tables.size(table::plan_parked) < 10) on.lease();
  on.resume();
  CHECK(on.tables.size(table::plan_parked) == 7);
  on.tick();
  CHECK(on.tables.size(table::plan_parked) == 4);
  on.pause();
  on.tick_all();
  CHECK(on.tables.size(table::plan_parked) == 4);
  on.resume();
  CHECK(on.run_all().size() == 10);
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
}

TEST_CASE("a plan that is paused and resumed while it starts loses no step") {
  core_limits limits;
  limits.sweep_steps_max = 3;
  plan_fixture on(limits);
  std::vector<plan_fixture::step> steps;
  for (int i = 0; i < 10; ++i) steps.push_back({"s" + std::to_string(i)});
  on.create(plan_fixture::document(steps));
  on.pause();
  on.tick();
  CHECK(on.tables.size(table::plan_parked) == 3);
  on.resume();
  CHECK(on.run_all().size() == 10);
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
}

TEST_CASE("canceling a plan ends what waits, asks what runs to stop, and ends with it") {
  plan_fixture on;
  on.create(plan_fixture::document({{"a"}, {"b"}, {"c"}, {"d", {"a"}}}));
  on.lease(2);
  CHECK(is_ok(on.cancel().status()));
  CHECK(on.cancel().is_replay());
  CHECK(on.plan_state() == v1::PLAN_STATE_CANCELING);
  CHECK(on.state("c") == v1::TASK_STATE_CANCELED);
  CHECK(on.state("d") == v1::TASK_STATE_CANCELED);
  CHECK(on.status("a").cancel_requested());
  CHECK(on.task(on.plan).state() == v1::TASK_STATE_RUNNING);
  on.confirm_cancel("a");
  SECTION("when the last worker confirms") { on.confirm_cancel("b"); }
  SECTION("when a step completes all the same") {
    on.complete("b");
    CHECK(on.state("b") == v1::TASK_STATE_COMPLETED);
  }
  SECTION("when the grace runs out") {
    on.now += core_limits{}.cancel_grace_ms;
    on.tick_all();
    CHECK(on.state("b") == v1::TASK_STATE_CANCELED);
  }
  SECTION("when the worker is lost") {
    v1::Command lost;
    lost.mutable_end_worker()->set_worker_id(on.worker.id());
    lost.mutable_end_worker()->set_is_lost(true);
    on.applied(std::move(lost));
    CHECK(on.state("b") == v1::TASK_STATE_CANCELED);
  }
  CHECK(on.plan_state() == v1::PLAN_STATE_CANCELED);
  CHECK(on.task(on.plan).state() == v1::TASK_STATE_CANCELED);
  CHECK(on.plan_events() == names{"plan.created", "plan.canceling", "plan.canceled"});
}

TEST_CASE("fail_fast lets running steps end and starts nothing new") {
  plan_fixture on;
  on.create(plan_fixture::document({{"a"}, {"b"}, {"c"}, {"d", {"b"}}}));
  CHECK(on.lease(2) == names{"a", "b"});
  on.fail("a");
  CHECK(on.plan_state() == v1::PLAN_STATE_FAILING);
  CHECK_THAT(on.plan_status().reason_text(), Catch::Contains("step a failed: boom"));
  CHECK(on.state("b") == v1::TASK_STATE_LEASED);
  CHECK(!on.status("b").cancel_requested());
  CHECK(on.state("c") == v1::TASK_STATE_SKIPPED);
  CHECK(on.status("c").reason() == v1::REASON_PLAN_FAILED);
  CHECK(on.lease().empty());
  on.complete("b");
  CHECK(on.state("b") == v1::TASK_STATE_COMPLETED);
  CHECK(on.state("d") == v1::TASK_STATE_SKIPPED);
  CHECK(on.plan_state() == v1::PLAN_STATE_FAILED);
  CHECK(on.task(on.plan).state() == v1::TASK_STATE_FAILED);
  CHECK(on.task(on.plan).reason() == v1::REASON_PLAN_FAILED);
  CHECK(on.plan_status().steps_skipped() == 2);
  CHECK(on.plan_events() == names{"plan.created", "plan.failing", "plan.failed"});
}

TEST_CASE("a step that would be retried is skipped if its plan is failing") {
  plan_fixture on;
  auto document = plan_fixture::document({{"a"}, {"b"}});
  document.mutable_steps(1)->mutable_task()->mutable_retry()->set_max_attempts(5);
  on.create(std::move(document));
  on.lease();
  on.fail("a");
  on.fail("b", true);
  CHECK(on.state("b") == v1::TASK_STATE_SKIPPED);
  CHECK(on.plan_state() == v1::PLAN_STATE_FAILED);
}

TEST_CASE("continue skips only what is downstream of a failure") {
  plan_fixture on;
  on.create(plan_fixture::document(
      {{"a"}, {"b"}, {"a2", {"a"}}, {"b2", {"b"}}, {"a3", {"a2"}}, {"join", {"a3", "b2"}}, {"b3", {"b2"}}},
      v1::FAILURE_POLICY_CONTINUE));
  on.lease(2);
  on.fail("a");
  CHECK(on.plan_state() == v1::PLAN_STATE_RUNNING);
  CHECK(on.state("a2") == v1::TASK_STATE_SKIPPED);
  CHECK(on.state("a3") == v1::TASK_STATE_SKIPPED);
  CHECK(on.status("a3").reason() == v1::REASON_UPSTREAM_FAILED);
  CHECK(on.state("join") == v1::TASK_STATE_BLOCKED);  // b2 is still to come
  CHECK(on.status("join").is_upstream_failed());
  on.complete("b");
  CHECK(on.run_all() == names{"b2", "b3"});
  CHECK(on.state("join") == v1::TASK_STATE_SKIPPED);
  CHECK(on.plan_state() == v1::PLAN_STATE_FAILED);
  CHECK(on.plan_status().steps_completed() == 3);
  CHECK(on.plan_status().steps_failed() == 1);
  CHECK(on.plan_status().steps_skipped() == 3);
  CHECK(on.task(on.plan).reason() == v1::REASON_PLAN_FAILED);
}

TEST_CASE("skipping down a chain of 10,000 needs no recursion and is bounded for each command") {
  core_limits limits;
  limits.release_steps_max = 100;
  plan_fixture on(limits);
  on.is_checking = false;
  on.create(plan_fixture::document(plan_fixture::chain(10'000), v1::FAILURE_POLICY_CONTINUE));
  on.tick_all();
  on.lease();
  on.tables.reset();
  on.fail("s0");
  CHECK(on.tables.writes < 1'000);
  CHECK(on.tick_all() >= 99);
  CHECK(on.plan_state() == v1::PLAN_STATE_FAILED);
  CHECK(on.plan_status().steps_skipped() == 9'999);
  CHECK(on.plan_status().releases_open() == 0);
  on.expect_consistent();
}

TEST_CASE("a completion with more dependents than one command releases the rest by ticks, each once") {
  core_limits limits;
  limits.release_steps_max = 7;
  plan_fixture on(limits);
  on.create(plan_fixture::document(plan_fixture::fork_join(50)));
  on.lease();
  on.complete("fork");
  CHECK(on.lease().size() == 7);
  CHECK(on.plan_status().releases_open() == 1);
  SECTION("to the end") {
    for (const auto& [name, assignment] : on.assignments) on.complete(name);
    on.run_all();
    CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
  }
  SECTION("unless the plan is canceled and retried meanwhile") {
    const auto held = on.assignments;
    on.cancel();
    on.is_checking = false;  // every step ends before the release does, and the plan waits for both
    for (const auto& [name, assignment] : held) on.confirm_cancel(name);
    CHECK(on.plan_state() == v1::PLAN_STATE_CANCELING);
    on.tick_all();
    on.is_checking = true;
    CHECK(on.plan_state() == v1::PLAN_STATE_CANCELED);
    CHECK(on.plan_status().releases_open() == 0);
    on.retry();
    on.tick_all();
    CHECK(on.status("join").unmet_needs() == 50);
    CHECK(on.run_all().size() == 51);
    CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
  }
}

TEST_CASE("retry from failed keeps completed results and runs the rest again") {
  core_limits limits;
  const bool is_chunked = GENERATE(false, true);
  if (is_chunked) limits.sweep_steps_max = 2;
  plan_fixture on(limits);
  on.create(plan_fixture::document({{"a"}, {"b", {"a"}}, {"c", {"a"}}, {"d", {"b", "c"}}, {"e", {"d"}}}));
  on.tick_all();
  on.lease();
  on.complete("a", "result of a");
  on.lease();
  on.complete("b", "result of b");
  on.fail("c");
  on.tick_all();
  REQUIRE(on.plan_state() == v1::PLAN_STATE_FAILED);
  CHECK(on.pause().status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
  CHECK(is_ok(on.retry().status()));
  on.tick_all();
  CHECK(on.plan_state() == v1::PLAN_STATE_RUNNING);
  CHECK(on.task(on.plan).state() == v1::TASK_STATE_RUNNING);
  CHECK(on.plan_status().steps_final() == 2);
  CHECK(on.plan_status().steps_failed() == 0);
  CHECK(on.status("c").failures() == 0);
  CHECK(on.status("d").unmet_needs() == 1);
  CHECK(on.lease() == names{"c"});
  CHECK(on.status("c").attempt() == 2);
  REQUIRE(on.assignments["c"].inputs_size() == 1);
  CHECK(on.assignments["c"].inputs(0).result().payload() == "result of a");
  on.complete("c");
  CHECK(on.run_all() == names{"d", "e"});
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
  CHECK(on.status("b").attempt() == 1);
  CHECK(on.retry().status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
}

TEST_CASE("a step that is canceled by hand while its plan is being retried is not counted twice") {
  core_limits limits;
  limits.sweep_steps_max = 2;
  const auto policy = GENERATE(v1::FAILURE_POLICY_CONTINUE, v1::FAILURE_POLICY_FAIL_FAST);
  plan_fixture on(limits);
  on.create(plan_fixture::document(
      {{"a"}, {"b"}, {"c", {"a"}}, {"d", {"a", "b"}}, {"e", {"c", "d"}}, {"f"}, {"g", {"f"}}}, policy));
  on.tick_all();
  on.cancel();
  on.tick_all();
  REQUIRE(on.plan_state() == v1::PLAN_STATE_CANCELED);
  on.retry();
  CHECK(on.plan_status().sweep() == v1::PlanStatus::SWEEP_RETRY);
  CHECK(is_ok(on.cancel_step("a").status()));
  on.run_all();
  CHECK(on.plan_state() == v1::PLAN_STATE_FAILED);
  if (policy == v1::FAILURE_POLICY_CONTINUE) {
    CHECK(on.state("c") == v1::TASK_STATE_SKIPPED);
    CHECK(on.state("e") == v1::TASK_STATE_SKIPPED);
    CHECK(on.state("g") == v1::TASK_STATE_COMPLETED);
    CHECK(on.plan_status().steps_completed() == 3);
  }
}

TEST_CASE("a failed step is retried by hand only while nothing depends on its end") {
  plan_fixture on;
  on.create(plan_fixture::document({{"a"}, {"b"}, {"c", {"a"}}}, v1::FAILURE_POLICY_CONTINUE));
  on.lease();
  on.fail("a");
  CHECK_THAT(on.retry_step("a").status().message(), Catch::Contains("retry the plan"));
  on.fail("b");
  CHECK(on.plan_state() == v1::PLAN_STATE_FAILED);
  CHECK_THAT(on.retry_step("b").status().message(), Catch::Contains("retry the plan"));
  on.create(plan_fixture::document({{"x"}, {"y"}}, v1::FAILURE_POLICY_CONTINUE));
  on.lease();
  on.fail("x");
  CHECK(is_ok(on.retry_step("x").status()));
  CHECK(on.plan_status().steps_final() == 0);
  on.lease();
  on.complete("x");
  on.complete("y");
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
}

TEST_CASE("a step that was canceled while it was blocked cannot be retried ahead of the steps that it needs") {
  core_limits limits;
  limits.release_steps_max = 1;
  plan_fixture on(limits);
  on.create(plan_fixture::document({{"a"}, {"b", {"a"}}, {"c", {"a"}}}, v1::FAILURE_POLICY_CONTINUE));
  on.cancel_step("c");
  CHECK_THAT(on.retry_step("c").status().message(), Catch::Contains("needs has not completed"));
  on.lease();
  on.complete("a");  // releases b; c would follow by a tick
  on.pause();
  CHECK(is_ok(on.retry_step("c").status()));
  CHECK(on.status("c").unmet_needs() == 0);
  CHECK(on.lease().empty());  // parks it
  on.tick_all();              // the late release finds it parked and leaves it alone
  on.resume();
  CHECK(on.run_all() == names{"b", "c"});
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
}

TEST_CASE("the critical path so far is the longest chain of run times") {
  plan_fixture on;
  on.create(plan_fixture::document(plan_fixture::diamond()));
  const auto run = [&](const std::string& name, std::int64_t run_ms) {
    on.lease(1);
    on.start(name);
    on.now += run_ms;
    on.complete(name);
  };
  run("a", 100);
  CHECK(on.plan_status().critical_path_ms() == 100);
  run("b", 30);
  run("c", 70);
  CHECK(on.plan_status().critical_path_ms() == 170);
  CHECK(on.plan_status().critical_path_step_plus_1() == 3);  // c
  run("d", 5);
  CHECK(on.plan_status().critical_path_ms() == 175);
  CHECK(on.status("d").path_need_plus_1() == 3);
  CHECK(on.status("c").path_need_plus_1() == 1);
  CHECK(on.status("a").path_need_plus_1() == 0);
}

TEST_CASE("a step reads the results of the steps that it needs, up to 256 KiB together") {
  plan_fixture on;
  on.create(plan_fixture::document({{"a"}, {"b"}, {"c"}, {"d"}, {"sum", {"d", "c", "b", "a"}}}));
  on.lease();
  on.complete("a", "1");
  on.complete("b", std::string(200 << 10, 'b'));
  on.complete("c", std::string(100 << 10, 'c'));
  on.complete("d", "");
  on.lease();
  const v1::TaskAssignment& sum = on.assignments["sum"];
  CHECK(sum.step_name() == "sum");
  REQUIRE(sum.inputs_size() == 4);
  CHECK(sum.inputs(0).step_name() == "a");
  CHECK(sum.inputs(0).task_id() == on.ids["a"]);
  CHECK(sum.inputs(0).result().payload() == "1");
  CHECK(sum.inputs(1).result().payload().size() == (200 << 10));
  CHECK(sum.inputs(2).is_truncated());
  CHECK(sum.inputs(2).result().payload().empty());
  CHECK(!sum.inputs(3).is_truncated());
  CHECK(sum.inputs_omitted() == 0);
}

TEST_CASE("a step's own start time and timeouts count from when it may run") {
  plan_fixture on;
  auto document = plan_fixture::document({{"a"}, {"b", {"a"}}, {"c"}}, v1::FAILURE_POLICY_CONTINUE);
  document.mutable_steps(1)->mutable_task()->set_not_before_unix_ms(on.now + 10'000);
  document.mutable_steps(2)->mutable_task()->mutable_timeouts()->set_total_ms(20'000);
  on.create(std::move(document));
  on.lease(1);
  on.complete("a");
  CHECK(on.state("b") == v1::TASK_STATE_SCHEDULED);
  CHECK(on.status("b").reason() == v1::REASON_NOT_BEFORE);
  on.now += 10'000;
  on.tick_all();
  CHECK(on.state("b") == v1::TASK_STATE_QUEUED);
  on.now += 10'000;
  on.tick_all();
  CHECK(on.state("c") == v1::TASK_STATE_FAILED);
  CHECK(on.status("c").reason() == v1::REASON_TOTAL_TIMEOUT);
}

TEST_CASE("purging a plan erases all its rows in chunks and leaves other tasks alone") {
  core_limits limits;
  limits.purge_batch_max = 10;
  plan_fixture on(limits);
  create_task(on);
  const std::uint64_t before = on.rows();
  on.create(plan_fixture::document(plan_fixture::fork_join(200)), 0, "once");
  CHECK(on.purge().status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
  on.cancel();
  on.tick_all();
  SECTION("by a client") { REQUIRE(is_ok(on.purge().status())); }
  SECTION("by retention") {
    on.now += limits.retention_ms;
    on.tick();
  }
  CHECK(on.rows() > before);
  CHECK(on.retry().status().code() == v1::ERROR_CODE_NOT_FOUND);  // on its way out: nobody sees it
  on.tick_all();
  CHECK(on.rows() == before);
  on.create(plan_fixture::document({{"x"}}), 0, "once");  // the key is free again
}
