#include <catch2/catch.hpp>

#include "core/queries.hpp"
#include "core/time_text.hpp"
#include "tests/core/machine_fixture.hpp"
#include "tests/core/plan_scenario.hpp"

using namespace hive;
using namespace hive::core;
using Catch::Contains;

namespace {

// Every worker is connected and has this many free slots.
auto with_free_slots(std::uint32_t slots) {
  return [slots](worker_id) { return worker_liveness{true, slots}; };
}
const auto nobody_connected = [](worker_id) { return worker_liveness{}; };

v1::ExplainTaskResponse explain(const machine_fixture& fixture, std::uint64_t task,
                                const std::function<worker_liveness(worker_id)>& liveness = with_free_slots(0)) {
  auto answer = explain_task(fixture.tables, task_id{task}, fixture.now, liveness);
  REQUIRE(answer);
  CHECK_FALSE(answer->summary().empty());
  return *answer;
}

std::string details(const v1::ExplainTaskResponse& answer) {
  std::string all;
  for (const auto& detail : answer.details()) all += detail + "\n";
  return all;
}

void add_worker(machine_fixture& fixture, const std::string& name, const std::vector<std::string>& capabilities) {
  auto spec = machine_fixture::worker_spec(name);
  for (const auto& capability : capabilities) spec.add_capabilities(capability);
  REQUIRE(is_ok(fixture.register_worker(spec).status()));
}

}  // namespace

TEST_CASE("an unknown task cannot be explained") {
  machine_fixture fixture;
  CHECK(explain_task(fixture.tables, task_id{77}, 0, nobody_connected).failure().code == errc::not_found);
}

TEST_CASE("a queued task says that no worker is registered") {
  machine_fixture fixture;
  const auto task = fixture.created();
  CHECK(explain(fixture, task).summary() == "No worker is registered.");
}

TEST_CASE("a queued task names the capability that nobody has, and the closest worker") {
  machine_fixture fixture;
  auto spec = machine_fixture::spec();
  spec.add_required_capabilities("cuda");
  spec.add_required_capabilities("gpu");
  const auto task = fixture.created(spec);
  add_worker(fixture, "near", {"cuda"});
  add_worker(fixture, "far", {});
  const auto answer = explain(fixture, task);
  CHECK(answer.summary() == "No worker is registered that has capability 'gpu'.");
  CHECK_THAT(details(answer), Contains("The closest of 2 registered workers is 'near'; it lacks capability 'gpu'."));
}

TEST_CASE("a task that its worker gave back says so and when it is offered again") {
  machine_fixture fixture;
  const auto task = fixture.created();
  const auto worker = fixture.registered("w");
  REQUIRE(fixture.leased(worker).size() == 1);
  auto said = machine_fixture::report(task, 1);
  said.mutable_returned()->set_why("no handler");
  REQUIRE(is_ok(fixture.say(worker, said).status()));
  const auto answer = explain(fixture, task);
  CHECK_THAT(answer.summary(), Contains("Its worker gave it back; it is queued again at"));
  CHECK_THAT(details(answer), Contains("The worker said: no handler"));
}

TEST_CASE("a queued task says when each capability is there, but not in one worker") {
  machine_fixture fixture;
  auto spec = machine_fixture::spec();
  spec.add_required_capabilities("cuda");
  spec.add_required_capabilities("gpu");
  const auto task = fixture.created(spec);
  add_worker(fixture, "one", {"cuda"});
  add_worker(fixture, "two", {"gpu"});
  const auto answer = explain(fixture, task);
  CHECK(answer.summary() == "No worker is registered that has all it asks for.");
  CHECK_THAT(details(answer), Contains("is 'one'; it lacks capability 'gpu'"));
}

TEST_CASE("a queued task names a missing handler and a missing label") {
  machine_fixture fixture;
  auto spec = machine_fixture::spec("render");
  auto& label = *spec.add_worker_selector();
  label.set_key("zone");
  label.set_value("north");
  const auto task = fixture.created(spec);
  auto worker = machine_fixture::worker_spec("w");
  worker.add_task_types("analysis");
  REQUIRE(is_ok(fixture.register_worker(worker).status()));
  CHECK(explain(fixture, task).summary() ==
        "No worker is registered that has a handler for the type 'render' and label 'zone=north'.");
}

TEST_CASE("a queued task counts fitting workers, their slots and the tasks ahead") {
  machine_fixture fixture;
  const auto low = fixture.created(machine_fixture::spec("analysis", -1));
  fixture.created();
  fixture.created();
  fixture.created(machine_fixture::spec("other", 9));
  add_worker(fixture, "one", {});
  add_worker(fixture, "two", {});
  const auto busy = explain(fixture, low);
  CHECK(busy.summary() == "Waits for a free slot: 2 workers fit, 8 slots, all busy.");
  CHECK(busy.tasks_ahead() == 2);
  CHECK_THAT(details(busy), Contains("2 tasks that ask for the same go first"));
  CHECK_THAT(explain(fixture, low, with_free_slots(1)).summary(), Contains("About to be handed out"));
}

TEST_CASE("a queued task says that fitting workers drain, are lost or are not connected") {
  machine_fixture fixture;
  const auto task = fixture.created();
  const auto worker = fixture.registered("w");
  CHECK(explain(fixture, task, nobody_connected).summary() == "1 worker fits, but none takes work: 1 not connected.");
  v1::Command drain;
  drain.mutable_drain_worker()->set_worker_id(worker.id());
  REQUIRE(is_ok(fixture.apply(drain).status()));
  CHECK(explain(fixture, task).summary() == "1 worker fits, but none takes work: 1 draining.");
  v1::Command end;
  end.mutable_end_worker()->set_worker_id(worker.id());
  end.mutable_end_worker()->set_is_lost(true);
  REQUIRE(is_ok(fixture.apply(end).status()));
  CHECK(explain(fixture, task).summary() == "Every worker that could run it is away: 1 lost.");
}

TEST_CASE("a scheduled task says until when") {
  machine_fixture fixture;
  auto spec = machine_fixture::spec();
  spec.set_not_before_unix_ms(fixture.now + 12'500);
  const auto answer = explain(fixture, fixture.created(spec));
  CHECK(answer.summary() == "Not to be started before " + format_time(fixture.now + 12'500) + " (in 12.5 s).");
  CHECK(answer.due_unix_ms() == fixture.now + 12'500);
}

TEST_CASE("a blocked step names what it waits for, and in which state that is") {
  machine_fixture fixture;
  const auto plan = create_plan(fixture, {{"fetch", {}}, {"clean", {}}, {"join", {0, 1}}});
  complete_by_hand(fixture, plan.first_step_task_id);
  update_by_hand(fixture, plan.first_step_task_id + 1, v1::TASK_STATE_RUNNING);
  CHECK(explain(fixture, plan.first_step_task_id + 2).summary() ==
        "Waits for 1 step of its plan 'demo': 'clean' (running).");
}

TEST_CASE("a blocked step names ten of many needs") {
  machine_fixture fixture;
  std::vector<planned> steps;
  planned join{"join", {}};
  for (std::uint32_t i = 0; i < 14; ++i) {
    steps.push_back({"part" + std::to_string(i), {}});
    join.needs.push_back(i);
  }
  steps.push_back(join);
  const auto plan = create_plan(fixture, steps);
  const auto summary = explain(fixture, plan.first_step_task_id + 14).summary();
  CHECK_THAT(summary, Contains("'part9' (queued) and 4 more"));
  CHECK_THAT(summary, !Contains("'part10'"));
}

TEST_CASE("held and final tasks say who, why and what can be done") {
  machine_fixture fixture;
  const auto task = fixture.created();
  const auto worker = fixture.registered("ada");
  REQUIRE(fixture.leased(worker).size() == 1);
  CHECK_THAT(explain(fixture, task).summary(), Contains("Assigned to worker 'ada' (attempt 1)"));
  v1::Command cancel;
  cancel.mutable_cancel_task()->set_task_id(task);
  cancel.mutable_cancel_task()->set_message("not needed");
  REQUIRE(is_ok(fixture.apply(cancel).status()));
  CHECK_THAT(explain(fixture, task).summary(), Contains("Asked to stop; ends canceled when worker 'ada' confirms"));
  CHECK_THAT(details(explain(fixture, task)), Contains("not needed"));

  const auto other = fixture.created();
  update_by_hand(fixture, other, v1::TASK_STATE_RUNNING);
  CHECK_THAT(explain(fixture, other).summary(), Contains("Driven by a client, by hand"));
  update_by_hand(fixture, other, v1::TASK_STATE_FAILED);
  const auto failed = explain(fixture, other);
  CHECK_THAT(failed.summary(), Contains("(updated_by_client)"));
  CHECK_THAT(details(failed), Contains("Retry it to run it again."));
}

TEST_CASE("times are written in UTC") {
  CHECK(format_time(0) == "1970-01-01T00:00:00.000Z");
  CHECK(format_time(1'709'210'096'789) == "2024-02-29T12:34:56.789Z");
  CHECK(format_wait(5, 5) == "now");
  CHECK(format_wait(184'000, 0) == "in 3 min 4 s");
  CHECK(format_wait(90'000'000, 0) == "in 1 d 1 h");
}
