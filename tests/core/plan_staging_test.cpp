#include <functional>

#include "tests/core/plan_fixture.hpp"

using namespace hive;
using namespace hive::core;

namespace {

using names = std::vector<std::string>;

v1::Command diamond_command(std::uint64_t parent = 0, const std::string& key_name = {}) {
  return plan_fixture::create_command(plan_fixture::document(plan_fixture::diamond()), parent, key_name);
}

/// Begins and appends everything in parts of `part` steps; the plan's id.
std::uint64_t upload(plan_fixture& on, const v1::Command& create, int part) {
  const auto begun = on.begin(create);
  REQUIRE(is_ok(begun.status()));
  const int count = create.create_plan().steps_size();
  for (int first = 0; first < count; first += part) {
    REQUIRE(is_ok(on.append(create, begun.id(), first, std::min(part, count - first)).status()));
  }
  return begun.id();
}

}  // namespace

TEST_CASE("a staged plan shows nothing: no event, no count, no ready step, no task to act on") {
  plan_fixture on;
  const v1::Command create = diamond_command();
  const std::uint64_t seen = on.events.size();
  const std::uint64_t plan = upload(on, create, 3);
  CHECK(on.events.size() == seen);
  CHECK(on.rules.ready_count() == 0);
  on.plan = plan;
  CHECK(on.pause().status().code() == v1::ERROR_CODE_NOT_FOUND);
  CHECK(on.cancel().status().code() == v1::ERROR_CODE_NOT_FOUND);
  CHECK(on.purge().status().code() == v1::ERROR_CODE_NOT_FOUND);
  on.ids["a"] = on.spec().first_step_task_id();
  CHECK(on.cancel_step("a").status().code() == v1::ERROR_CODE_NOT_FOUND);
  const auto committed = on.commit(plan);
  REQUIRE(is_ok(committed.status()));
  CHECK(on.plan_events() == names{"plan.created"});
  on.adopt(committed);
  CHECK(on.run_all() == names{"a", "b", "c", "d"});
  CHECK(on.commit(plan).is_replay());
}

TEST_CASE("a plan committed in parts equals the same plan created at once, byte for byte") {
  const int part = GENERATE(1, 2, 7, 100);
  const v1::Command create =
      plan_fixture::create_command(plan_fixture::document(plan_fixture::fork_join(40)), 0, "key");
  plan_fixture at_once;
  at_once.applied(create);
  at_once.rules.flush(at_once.tables);
  plan_fixture in_parts;
  REQUIRE(is_ok(in_parts.commit(upload(in_parts, create, part)).status()));
  in_parts.rules.flush(in_parts.tables);
  CHECK(at_once.tables.inner == in_parts.tables.inner);
}

TEST_CASE("the same plan in parts, with other commands between, differs in nothing but ids and times") {
  plan_fixture on;
  const v1::Command create = plan_fixture::create_command(plan_fixture::document(plan_fixture::diamond()));
  const auto begun = on.begin(create);
  for (int i = 0; i < 4; ++i) {
    v1::Command other;
    other.mutable_create_task()->mutable_spec()->set_type("other");
    other.mutable_create_task()->mutable_spec()->set_not_before_unix_ms(on.now + 1);
    on.applied(std::move(other));
    REQUIRE(is_ok(on.append(create, begun.id(), i, 1).status()));
  }
  const auto committed = on.commit(begun.id());
  REQUIRE(is_ok(committed.status()));
  on.adopt(committed);
  CHECK(on.spec().first_step_task_id() == committed.first_step_task_id());
  on.run_all();
  CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
}

TEST_CASE("a staged plan that does not become whole is dropped at the upload timer and leaves no rows") {
  core_limits limits;
  limits.purge_batch_max = 10;
  plan_fixture on(limits);
  const std::uint64_t before = on.rows();
  const v1::Command create = plan_fixture::create_command(plan_fixture::document(plan_fixture::fork_join(100)));
  const std::uint64_t plan = on.begin(create).id();
  REQUIRE(is_ok(on.append(create, plan, 0, 90).status()));
  CHECK(on.commit(plan).status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
  SECTION("by the timer") {
    on.now += limits.plan_upload_ms - 1;
    on.tick_all();
    CHECK(is_ok(on.append(create, plan, 90, 1).status()));
    on.now += 1;
  }
  SECTION("by the client") {
    REQUIRE(is_ok(on.drop(plan).status()));
    CHECK(on.drop(plan).status().code() == v1::ERROR_CODE_NOT_FOUND);
  }
  on.tick();
  CHECK(on.commit(plan).status().code() == v1::ERROR_CODE_NOT_FOUND);
  CHECK(on.append(create, plan, 91, 1).status().code() == v1::ERROR_CODE_NOT_FOUND);
  on.tick_all();
  CHECK(on.rows() == before);
  CHECK(on.tables.size(table::timer) == 1);  // event retention, armed when the worker came
  CHECK(on.plan_events().empty());
}

TEST_CASE("a staged plan on an existing task leaves the task alone until the commit") {
  plan_fixture on;
  v1::Command task;
  task.mutable_create_task()->mutable_spec()->set_type("parent");
  const std::uint64_t parent = on.applied(std::move(task)).id();
  const v1::Command create = diamond_command(parent);
  CHECK(upload(on, create, 2) == parent);
  CHECK(on.task(parent).state() == v1::TASK_STATE_QUEUED);
  CHECK(on.begin(create).status().code() == v1::ERROR_CODE_ALREADY_EXISTS);
  SECTION("and is its parent then") {
    const auto committed = on.commit(parent);
    REQUIRE(is_ok(committed.status()));
    on.adopt(committed);
    on.run_all();
    CHECK(on.task(parent).state() == v1::TASK_STATE_COMPLETED);
  }
  SECTION("and if it has ended by then the commit is refused without trace") {
    v1::Command cancel;
    cancel.mutable_cancel_task()->set_task_id(parent);
    on.applied(std::move(cancel));
    const memory_tables before = on.tables.inner;
    CHECK(on.commit(parent).status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
    CHECK(on.tables.inner == before);
  }
  SECTION("and a dropped upload may be begun anew, with its whole time") {
    on.now += 500'000;
    REQUIRE(is_ok(on.drop(parent).status()));
    REQUIRE(is_ok(on.begin(create).status()));
    on.now += 599'999;
    on.tick_all();
    CHECK(is_ok(on.append(create, parent, 0, 4).status()));
    CHECK(is_ok(on.commit(parent).status()));
  }
}

TEST_CASE("an idempotency key creates one plan") {
  plan_fixture on;
  const v1::Command create = diamond_command(0, "once");
  const std::uint64_t first = on.applied(create).id();
  SECTION("when it is created again") {
    const auto again = on.applied(create);
    CHECK(again.is_replay());
    CHECK(again.id() == first);
    CHECK(again.count() == 4);
    CHECK(on.begin(create).is_replay());
  }
  SECTION("when two uploads overlap, the second is dropped at its commit") {
    const std::uint64_t before = on.rows();
    const v1::Command other = diamond_command(0, "twice");
    const std::uint64_t one = upload(on, other, 4);
    const std::uint64_t two = upload(on, other, 4);
    REQUIRE(is_ok(on.commit(two).status()));
    const auto late = on.commit(one);
    CHECK(late.is_replay());
    CHECK(late.id() == two);
    on.tick_all();
    CHECK(on.tables.size(table::plan) == 2);
    CHECK(on.rows() < before * 2 + 10);
  }
}

TEST_CASE("plan commands that contradict themselves are refused without trace") {
  struct bad_plan {
    errc code;
    std::string field;
    std::string what;
    std::function<void(v1::CreatePlan&)> spoil;
  };
  const auto bad = errc::invalid_argument;
  const std::vector<bad_plan> cases{
      {bad, "step_count", "must be 1 to", [](auto& c) { c.mutable_begin()->set_step_count(0); }},
      {bad, "step_count", "must be 1 to 1000000", [](auto& c) { c.mutable_begin()->set_step_count(1'000'001); }},
      {bad, "edge_count", "more than 4 steps", [](auto& c) { c.mutable_begin()->set_edge_count(7); }},
      {errc::failed_precondition, "", "4 of 5 steps", [](auto& c) { c.mutable_begin()->set_step_count(5); }},
      {bad, "steps", "more steps than the plan's 3",
       [](auto& c) {
         c.mutable_begin()->set_step_count(3);
         c.mutable_begin()->set_edge_count(3);
       }},
      {errc::failed_precondition, "", "4 of 5 needs", [](auto& c) { c.mutable_begin()->set_edge_count(5); }},
      {bad, "steps", "more needs than", [](auto& c) { c.mutable_begin()->set_edge_count(3); }},
      {bad, "document.name", "at most",
       [](auto& c) { c.mutable_begin()->mutable_document()->set_name(std::string(129, 'x')); }},
      {bad, "document.deadline_ms", "is -1",
       [](auto& c) { c.mutable_begin()->mutable_document()->set_deadline_ms(-1); }},
      {bad, "document.steps", "apart", [](auto& c) { c.mutable_begin()->mutable_document()->add_steps(); }},
      {bad, "idempotency_key", "at most",
       [](auto& c) { c.mutable_begin()->set_idempotency_key(std::string(129, 'x')); }},
      {bad, "parent_spec.idempotency_key", "give the plan",
       [](auto& c) { c.mutable_begin()->mutable_parent_spec()->set_idempotency_key("k"); }},
      {bad, "parent_spec.not_before_unix_ms", "at once",
       [](auto& c) { c.mutable_begin()->mutable_parent_spec()->set_not_before_unix_ms(5); }},
      {bad, "parent_spec.title", "at most",
       [](auto& c) { c.mutable_begin()->mutable_parent_spec()->set_title(std::string(257, 'x')); }},
      {bad, "steps[1].step.name", "must not be empty",
       [](auto& c) { c.mutable_steps(1)->mutable_step()->clear_name(); }},
      {bad, "steps[2].step.name", "duplicate step name \"b\"",
       [](auto& c) { c.mutable_steps(2)->mutable_step()->set_name("b"); }},
      {bad, "steps[1].step.needs[0]", "below the step's own index",
       [](auto& c) { c.mutable_steps(1)->mutable_step()->set_needs(0, 1); }},
      {bad, "steps[1].step.needs[0]", "below the step's own index",
       [](auto& c) { c.mutable_steps(1)->mutable_step()->set_needs(0, 4'000'000'000); }},
      {bad, "steps[3].step.needs[1]", "ascend", [](auto& c) { c.mutable_steps(3)->mutable_step()->set_needs(1, 1); }},
      {bad, "steps[3].step.needs[1]", "ascend", [](auto& c) { c.mutable_steps(3)->mutable_step()->set_needs(1, 0); }},
      {bad, "steps[2].task.type", "", [](auto& c) { c.mutable_steps(2)->mutable_task()->clear_type(); }},
      {bad, "steps[2].task.idempotency_key", "a step has none",
       [](auto& c) { c.mutable_steps(2)->mutable_task()->set_idempotency_key("k"); }},
  };
  plan_fixture on;
  on.rules.flush(on.tables);
  const memory_tables before = on.tables.inner;
  for (const auto& test : cases) {
    v1::Command command = diamond_command();
    test.spoil(*command.mutable_create_plan());
    const auto outcome = on.apply(std::move(command));
    INFO(test.field << ": " << test.what << " / " << outcome.status().message());
    CHECK(outcome.status().code() == static_cast<v1::ErrorCode>(test.code));
    CHECK(outcome.status().field() == test.field);
    CHECK_THAT(outcome.status().message(), Catch::Contains(test.what));
    on.rules.flush(on.tables);
    CHECK(on.tables.inner == before);
  }
  on.create(plan_fixture::document(plan_fixture::diamond()));
  CHECK(on.plan == make_id(1, 1));  // no id was spent
}

TEST_CASE("parts that do not fit what has arrived are refused without trace") {
  plan_fixture on;
  const v1::Command create = diamond_command();
  const std::uint64_t plan = on.begin(create).id();
  REQUIRE(is_ok(on.append(create, plan, 0, 2).status()));
  const memory_tables before = on.tables.inner;
  const auto refuse = [&](const v1::Outcome& outcome, const std::string& field, const std::string& what) {
    INFO(outcome.status().message());
    CHECK(!is_ok(outcome.status()));
    CHECK(outcome.status().field() == field);
    CHECK_THAT(outcome.status().message(), Catch::Contains(what));
    CHECK(on.tables.inner == before);
  };
  refuse(on.append(create, plan, 0, 2), "first_index", "starts at step 2, not at 0");  // a part that came twice
  refuse(on.append(create, plan, 3, 1), "first_index", "starts at step 2, not at 3");  // a part that was lost
  refuse(on.append(create, plan, 2, 0), "steps", "at least one");
  v1::Command twin = create;
  twin.mutable_create_plan()->mutable_steps(2)->mutable_step()->set_name("a");  // known from an earlier part
  refuse(on.append(twin, plan, 2, 2), "steps[0].step.name", "duplicate step name \"a\"");
  refuse(on.append(create, 4711, 0, 1), "plan_id", "no plan");
  refuse(on.commit(plan), "", "2 of 4 steps");
  REQUIRE(is_ok(on.append(create, plan, 2, 2).status()));
  REQUIRE(is_ok(on.commit(plan).status()));
  CHECK(on.append(create, plan, 4, 0).status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
  CHECK(on.drop(plan).status().code() == v1::ERROR_CODE_FAILED_PRECONDITION);
}

TEST_CASE("a plan that would go over the limit of signatures is refused without trace") {
  core_limits limits;
  limits.signatures_max = 3;
  plan_fixture on(limits);
  auto document = plan_fixture::document(plan_fixture::diamond());
  for (int i = 0; i < 4; ++i) document.mutable_steps(i)->mutable_task()->set_type("t" + std::to_string(i));
  on.rules.flush(on.tables);
  const memory_tables before = on.tables.inner;
  const auto outcome = on.apply(plan_fixture::create_command(std::move(document)));
  CHECK(outcome.status().code() == v1::ERROR_CODE_RESOURCE_EXHAUSTED);
  CHECK(outcome.status().field() == "steps[3].task");
  on.rules.flush(on.tables);
  CHECK(on.tables.inner == before);
}

TEST_CASE("the same plan commands give the same bytes on two machines, wherever their batches end") {
  const auto run = [](bool is_flushing) {
    core_limits limits;
    limits.sweep_steps_max = 5;
    limits.release_steps_max = 5;
    plan_fixture on(limits);
    on.is_checking = is_flushing;  // checking flushes after each command, and reads nothing else
    on.create(plan_fixture::document(plan_fixture::fork_join(20), v1::FAILURE_POLICY_CONTINUE));
    on.tick_all();
    on.lease();
    on.complete("fork");
    on.tick_all();
    on.lease(3);
    on.pause();
    on.fail("s0");
    on.complete("s1");
    on.resume();
    on.complete("s2");
    on.run_all();
    on.retry();
    on.run_all();
    CHECK(on.plan_state() == v1::PLAN_STATE_COMPLETED);
    on.rules.flush(on.tables);
    return on.tables.inner;
  };
  CHECK(run(true) == run(false));
}
