#include "core/queries.hpp"

#include <catch2/catch.hpp>

#include "tests/core/machine_fixture.hpp"
#include "tests/core/plan_scenario.hpp"

using namespace hive;
using namespace hive::core;
using Catch::Contains;

namespace {

// Ids of all pages.
std::vector<std::uint64_t> list_all(const machine_fixture& fixture, v1::ListTasksRequest request) {
  std::vector<std::uint64_t> ids;
  for (int page = 0; page < 1000; ++page) {
    const auto response = list_tasks(fixture.tables, request);
    REQUIRE(response);
    for (const auto& task : response->tasks()) ids.push_back(task.id());
    if (response->next_page_token().empty()) return ids;
    request.set_page_token(response->next_page_token());
  }
  FAIL("the pages never end");
  return ids;
}

error list_failure(const machine_fixture& fixture, const v1::ListTasksRequest& request) {
  const auto response = list_tasks(fixture.tables, request);
  REQUIRE_FALSE(response);
  return response.failure();
}

}  // namespace

TEST_CASE("a task is seen with payload and result only if they are asked for") {
  machine_fixture fixture;
  auto spec = machine_fixture::spec();
  spec.set_payload("input");
  const auto id = fixture.created(spec);
  const auto worker = fixture.registered();
  fixture.leased(worker);
  fixture.complete(worker, id);
  const auto bare = get_task(fixture.tables, task_id{id}, false, false);
  CHECK(bare->spec().payload().empty());
  CHECK_FALSE(bare->has_result());
  const auto full = get_task(fixture.tables, task_id{id}, true, true);
  CHECK(full->spec().payload() == "input");
  CHECK(full->result().payload() == "42");
  CHECK(get_task(fixture.tables, task_id{99}, true, true).failure().code == errc::not_found);
}

TEST_CASE("queued tasks of all signatures are listed as dispatch would take them, page by page") {
  machine_fixture fixture;
  std::vector<std::pair<int, std::uint64_t>> expected;
  for (int i = 0; i < 300; ++i) {
    const int priority = i * 7 % 5 - 2;
    const auto id = fixture.created(machine_fixture::spec("type" + std::to_string(i % 4), priority));
    expected.emplace_back(-priority, id);
  }
  std::sort(expected.begin(), expected.end());
  v1::ListTasksRequest request;
  request.add_states(v1::TASK_STATE_QUEUED);
  request.set_limit(GENERATE(1U, 7U, 300U, 1000U));
  const auto ids = list_all(fixture, request);
  REQUIRE(ids.size() == expected.size());
  for (std::size_t i = 0; i < ids.size(); ++i) REQUIRE(ids[i] == expected[i].second);
  CHECK(fixture.leased(fixture.registered()) == std::vector{ids.front()});
}

TEST_CASE("a list over several states is merged by id, in both directions") {
  machine_fixture fixture;
  std::vector<std::uint64_t> all;
  std::vector<std::uint64_t> wanted;
  const auto worker = fixture.registered();
  for (int i = 0; i < 400; ++i) {
    const auto id = fixture.created(machine_fixture::spec("analysis", i % 3));
    all.push_back(id);
    if (i % 4 == 0) fixture.cancel(id);
    if (i % 4 == 1) fixture.update(id, v1::TASK_STATE_RUNNING);
    if (i % 4 == 2) complete_by_hand(fixture, id);
    if (i % 4 != 2) wanted.push_back(id);
  }
  v1::ListTasksRequest request;
  request.set_limit(33);
  CHECK(list_all(fixture, request) == all);
  for (const auto state : {v1::TASK_STATE_QUEUED, v1::TASK_STATE_RUNNING, v1::TASK_STATE_CANCELED}) {
    request.add_states(state);
  }
  CHECK(list_all(fixture, request) == wanted);
  request.set_newest_first(true);
  std::reverse(wanted.begin(), wanted.end());
  CHECK(list_all(fixture, request) == wanted);
}

TEST_CASE("a list can be narrowed down by type, label, worker and plan") {
  machine_fixture fixture;
  auto labeled = machine_fixture::spec("other");
  auto& label = *labeled.add_labels();
  label.set_key("team");
  label.set_value("red");
  const auto first = fixture.created(labeled);
  const auto plain = fixture.created();
  v1::ListTasksRequest by_type;
  by_type.set_type("other");
  CHECK(list_all(fixture, by_type) == std::vector{first});
  v1::ListTasksRequest by_label;
  *by_label.add_labels() = label;
  CHECK(list_all(fixture, by_label) == std::vector{first});
  const auto worker = fixture.registered();
  REQUIRE(fixture.leased(worker, 2).size() == 2);
  fixture.complete(worker, first);
  v1::ListTasksRequest by_worker;
  by_worker.set_worker_id(worker.id());
  CHECK(list_all(fixture, by_worker) == std::vector{plain});
  const auto plan = create_plan(fixture, {{"a", {}}, {"b", {0}}});
  v1::ListTasksRequest by_plan;
  by_plan.set_plan_id(plan.id);
  CHECK(list_all(fixture, by_plan) == std::vector{plan.first_step_task_id, plan.first_step_task_id + 1});
  CHECK(list_tasks(fixture.tables, by_plan)->tasks(1).step_name() == "b");
  by_plan.set_plan_id(first);
  CHECK(list_failure(fixture, by_plan).code == errc::not_found);
}

TEST_CASE("a list refuses bad limits, states and tokens, and names the field") {
  machine_fixture fixture;
  for (int i = 0; i < 3; ++i) fixture.created();
  v1::ListTasksRequest request;
  request.set_limit(1001);
  CHECK(list_failure(fixture, request).field == "limit");
  request.set_limit(1);
  request.add_states(v1::TASK_STATE_UNSPECIFIED);
  CHECK(list_failure(fixture, request).field == "states[0]");
  request.clear_states();
  const auto token = list_tasks(fixture.tables, request)->next_page_token();
  REQUIRE_FALSE(token.empty());
  request.set_page_token(token + "0");
  CHECK(list_failure(fixture, request).field == "page_token");
  request.set_page_token("nonsense");
  CHECK(list_failure(fixture, request).field == "page_token");
  request.set_page_token(token);
  request.set_type("other");
  CHECK_THAT(list_failure(fixture, request).message, Contains("another filter"));
}

TEST_CASE("staged plans are invisible") {
  machine_fixture fixture;
  v1::Command begin;
  begin.mutable_begin_plan()->set_step_count(2);
  const auto plan = fixture.apply(begin).id();
  v1::Command append;
  append.mutable_append_steps()->set_plan_id(plan);
  auto& step = *append.mutable_append_steps()->add_steps();
  step.mutable_step()->set_name("only");
  *step.mutable_task() = machine_fixture::spec();
  REQUIRE(is_ok(fixture.apply(append).status()));
  REQUIRE(fixture.tables.size(table::task_status) == 1);
  CHECK(list_all(fixture, {}).empty());
  CHECK(get_task(fixture.tables, task_id{plan + 1}, false, false).failure().code == errc::not_found);
  v1::GetPlanStatusRequest request;
  request.set_plan_id(plan);
  CHECK(get_plan_status(fixture.tables, request).failure().code == errc::not_found);
  CHECK(list_plans(fixture.tables, {})->plans().empty());
}

TEST_CASE("a plan's status counts its steps and names its critical path") {
  machine_fixture fixture;
  const auto plan = create_plan(fixture, {{"a", {}}, {"b", {}}, {"c", {0, 1}}, {"d", {2}}});
  const auto step = [&](std::uint64_t index) { return plan.first_step_task_id + index; };
  const auto run = [&](std::uint64_t index, std::int64_t run_ms) {
    update_by_hand(fixture, step(index), v1::TASK_STATE_RUNNING);
    fixture.now += run_ms;
    update_by_hand(fixture, step(index), v1::TASK_STATE_COMPLETED);
  };
  run(0, 10);
  CHECK(get_next_step(fixture.tables, plan_id{plan.id})->step().name() == "b");
  const auto unmet = check_dependencies(fixture.tables, task_id{step(2)});
  CHECK_FALSE(unmet->is_satisfied());
  REQUIRE(unmet->unmet_size() == 1);
  CHECK(unmet->unmet(0).name() == "b");
  run(1, 50);
  CHECK(check_dependencies(fixture.tables, task_id{step(2)})->is_satisfied());
  run(2, 5);
  update_by_hand(fixture, step(3), v1::TASK_STATE_RUNNING);
  v1::GetPlanStatusRequest request;
  request.set_plan_id(plan.id);
  request.set_with_steps(true);
  request.set_steps_limit(3);
  const auto answer = get_plan_status(fixture.tables, request);
  REQUIRE(answer);
  CHECK(answer->plan().steps_by_state(v1::TASK_STATE_COMPLETED) == 3);
  CHECK(answer->plan().steps_by_state(v1::TASK_STATE_RUNNING) == 1);
  CHECK(answer->plan().steps_by_state(v1::TASK_STATE_QUEUED) == 0);
  const auto& path = answer->plan().critical_path();
  CHECK(std::vector<std::string>(path.begin(), path.end()) == std::vector<std::string>{"b", "c"});
  REQUIRE(answer->steps_size() == 3);
  CHECK(answer->next_steps_offset() == 3);
  CHECK(answer->steps(2).needs(1) == "b");
  CHECK(check_dependencies(fixture.tables, task_id{plan.id}).failure().code == errc::failed_precondition);
  CHECK_FALSE(get_next_step(fixture.tables, plan_id{plan.id})->has_step());
}

TEST_CASE("logs are read from any byte on") {
  machine_fixture fixture;
  const auto id = fixture.created();
  const auto worker = fixture.registered();
  fixture.leased(worker);
  for (const std::string text : {"first\n", "second\n", "third\n"}) {
    auto said = machine_fixture::report(id, 1);
    said.mutable_log()->set_data(text);
    REQUIRE(is_ok(fixture.say(worker, said).status()));
  }
  v1::GetTaskLogsRequest request;
  request.set_task_id(id);
  request.set_offset(8);
  request.set_limit_bytes(7);
  const auto answer = get_task_logs(fixture.tables, request);
  REQUIRE(answer->chunks_size() == 2);
  CHECK(answer->chunks(0).data() == "cond\n");
  CHECK(answer->chunks(0).offset() == 8);
  CHECK(answer->chunks(1).data() == "th");
  CHECK(answer->next_offset() == 15);
  CHECK_FALSE(answer->is_final());
}

TEST_CASE("events are read behind a cursor that moves over what does not pass") {
  machine_fixture fixture;
  for (int i = 0; i < 5; ++i) fixture.created();
  fixture.publish("demo.happened");
  v1::ReadEventsRequest request;
  request.mutable_filter()->add_names("demo.*");
  const auto answer = read_events(fixture.tables, request);
  REQUIRE(answer->events_size() == 1);
  CHECK(answer->cursor() == answer->last_seq());
  request.mutable_filter()->add_names("Not a name");
  CHECK(read_events(fixture.tables, request).failure().field == "filter.names[1]");
  request.clear_filter();
  request.set_limit(2);
  CHECK(read_events(fixture.tables, request)->cursor() == 2);
  for (std::uint64_t seq = 1; seq < 4; ++seq) fixture.tables.erase(table::event, key{}.u64(seq));
  const auto purged = read_events(fixture.tables, request);
  REQUIRE_FALSE(purged);
  CHECK(purged.failure().code == errc::failed_precondition);
  CHECK_THAT(purged.failure().message, Contains("the first one available is 4"));
}

TEST_CASE("workers are found by id and name, and counted with tasks and plans") {
  machine_fixture fixture;
  const auto one = fixture.registered("one");
  const auto two = fixture.registered("two");
  fixture.drain(two);
  fixture.created();
  fixture.leased(one);
  CHECK(get_worker(fixture.tables, worker_id{one.id()})->slots_used() == 1);
  CHECK(get_worker_by_name(fixture.tables, "two")->id() == two.id());
  CHECK(get_worker_by_name(fixture.tables, "three").failure().code == errc::not_found);
  v1::ListWorkersRequest request;
  request.set_limit(1);
  const auto page = list_workers(fixture.tables, request);
  CHECK(page->next_after_id() == one.id());
  request.set_after_id(page->next_after_id());
  CHECK(list_workers(fixture.tables, request)->workers(0).id() == two.id());
  request.set_active_only(true);
  CHECK(list_workers(fixture.tables, request)->workers().empty());
  create_plan(fixture, {{"a", {}}});
  fixture.rules.flush(fixture.tables);
  const auto status = summarize(fixture.tables);
  CHECK(status.workers_active() == 1);
  CHECK(status.workers_draining() == 1);
  CHECK(status.plans_by_state(v1::PLAN_STATE_RUNNING) == 1);
  CHECK(status.event_seq_first() == 1);
  CHECK(status.event_seq_last() == fixture.tables.size(table::event));
  for (const auto& counts : status.tasks()) {
    if (counts.type() != "analysis") continue;
    CHECK(counts.by_state(v1::TASK_STATE_LEASED) == 1);
    CHECK(counts.by_state(v1::TASK_STATE_QUEUED) == 1);
  }
}
