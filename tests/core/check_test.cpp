#include "core/check.hpp"

#include <catch2/catch.hpp>

#include "core/queries.hpp"
#include "tests/core/machine_fixture.hpp"
#include "tests/core/plan_scenario.hpp"

using namespace hive;
using namespace hive::core;
using Catch::Contains;

namespace {

// A bit of everything: tasks in most states, a worker with a lease, a plan under way, logs and results.
struct busy_fixture : machine_fixture {
  busy_fixture() {
    waiting = created();
    auto later = spec();
    later.set_not_before_unix_ms(now + 1000);
    scheduled = created(later);
    auto worker_record = worker_spec("w");
    worker_record.add_task_types("held");
    worker = register_worker(worker_record).worker();
    held = created(spec("held"));
    REQUIRE(leased(worker).size() == 1);
    auto line = report(held, 1);
    line.mutable_log()->set_data("a line\n");
    REQUIRE(is_ok(say(worker, line).status()));
    plan = create_plan(*this, {{"first", {}}, {"second", {0}}, {"third", {0, 1}}});
    complete_by_hand(*this, plan.first_step_task_id);
    rules.flush(tables);
    REQUIRE(check(tables).violations().empty());
  }

  // The violations, after something was damaged.
  [[nodiscard]] std::string violations() const {
    std::string all;
    const auto found = check(tables);
    for (const auto& violation : found.violations()) all += violation + "\n";
    return all;
  }

  template <class Record>
  Record read(table where, std::string_view at) const {
    Record record;
    REQUIRE(record.ParseFromString(std::string{tables.get(where, at).value()}));
    return record;
  }
  template <class Record, class Change>
  void change(table where, const key& at, const Change& alter) {
    auto record = read<Record>(where, at);
    alter(record);
    tables.put(where, at, record.SerializeAsString());
  }

  std::uint64_t waiting = 0;
  std::uint64_t scheduled = 0;
  std::uint64_t held = 0;
  v1::Worker worker;
  made_plan plan;
};

}  // namespace

TEST_CASE("the checker counts what it has seen") {
  busy_fixture fixture;
  const auto found = check(fixture.tables);
  CHECK(found.tasks() == 7);
  CHECK(found.plans() == 1);
  CHECK(found.workers() == 1);
  CHECK(found.events() == fixture.tables.size(table::event));
}

TEST_CASE("the checker names the task whose rows do not fit together") {
  busy_fixture fixture;
  auto& tables = fixture.tables;
  const auto name = to_string(task_id{fixture.waiting});
  const auto waiting_row = key{}.u64(fixture.waiting);
  SECTION("no spec") {
    tables.erase(table::task_spec, waiting_row);
    CHECK_THAT(fixture.violations(), Contains(name + ": has a status, but no spec"));
  }
  SECTION("no status") {
    tables.erase(table::task_status, waiting_row);
    CHECK_THAT(fixture.violations(), Contains(name + ": has a spec, but no status"));
    CHECK_THAT(fixture.violations(), Contains("table ready") && Contains(name + " does not exist"));
  }
  SECTION("a status that cannot be parsed") {
    tables.put(table::task_status, waiting_row, "\xff\xff");
    CHECK_THAT(fixture.violations(), Contains("table task_status") && Contains("cannot be parsed"));
  }
  SECTION("missing in the ready index") {
    std::string row;
    tables.scan(table::ready, "", [&](std::string_view at, std::string_view) {
      row = read_u64(at, 8) == fixture.waiting ? at : row;
      return true;
    });
    tables.erase(table::ready, row);
    CHECK_THAT(fixture.violations(), Contains(name + ": is queued, but missing in the ready index"));
  }
  SECTION("an index row too many") {
    tables.put(table::task_by_state, key{}.u8(v1::TASK_STATE_COMPLETED).u64(fixture.waiting), "");
    CHECK_THAT(fixture.violations(), Contains(name + " is queued and does not belong there"));
  }
  SECTION("a priority that differs") {
    fixture.change<v1::TaskStatus>(table::task_status, waiting_row, [](auto& status) { status.set_priority(3); });
    CHECK_THAT(fixture.violations(), Contains(name + ": priorities of spec and status differ"));
  }
  SECTION("no reason") {
    fixture.change<v1::TaskStatus>(table::task_status, waiting_row, [](auto& status) { status.clear_reason(); });
    CHECK_THAT(fixture.violations(), Contains(name + ": its reason does not belong to its state"));
  }
  SECTION("a result that nobody knows of") {
    tables.put(table::task_result, waiting_row, "");
    CHECK_THAT(fixture.violations(), Contains(name + ": has a result that its status denies"));
  }
}

TEST_CASE("the checker misses timers, leases and logs") {
  busy_fixture fixture;
  auto& tables = fixture.tables;
  SECTION("the timer of a scheduled task") {
    const auto due = fixture.status(fixture.scheduled).due_unix_ms();
    tables.erase(table::timer, key{}.time(due).u8(static_cast<std::uint8_t>(timer_kind::ready)).u64(fixture.scheduled));
    CHECK_THAT(fixture.violations(), Contains("is scheduled without a timer"));
  }
  SECTION("a lease") {
    tables.erase(table::lease, key{}.u64(fixture.worker.id()).u64(fixture.held));
    CHECK_THAT(fixture.violations(), Contains("is held, but missing among the leases of its worker"));
  }
  SECTION("the holder") {
    fixture.change<v1::Worker>(table::worker, key{}.u64(fixture.worker.id()), [](auto& worker) {
      worker.set_state(v1::WORKER_STATE_LOST);
      worker.set_ended_unix_ms(1);
    });
    CHECK_THAT(fixture.violations(), Contains("is held by a worker that is unknown, lost or gone"));
    CHECK_THAT(fixture.violations(), Contains("has ended without a timer for its purge"));
  }
  SECTION("a piece of log") {
    fixture.change<v1::TaskStatus>(table::task_status, key{}.u64(fixture.held),
                                   [](auto& status) { status.set_log_bytes(9); });
    CHECK_THAT(fixture.violations(), Contains("has 7 bytes, the status says 9"));
  }
  SECTION("a counter") {
    tables.put(table::counter, key{}.bytes("w").u8(v1::WORKER_STATE_ACTIVE), key{}.u64(5));
    CHECK_THAT(fixture.violations(), Contains("table counter, key 7701: says 5, counted are 1"));
  }
  SECTION("an event") {
    tables.erase(table::event, key{}.u64(2));
    CHECK_THAT(fixture.violations(), Contains("events 2 to 2 are missing"));
  }
  SECTION("an id beyond the next one") {
    tables.put(table::meta, "next_task", key{}.u64(1));
    CHECK_THAT(fixture.violations(), Contains("beyond meta next_task, 1"));
  }
}

TEST_CASE("the checker proves plans") {
  busy_fixture fixture;
  auto& tables = fixture.tables;
  const auto third = fixture.plan.first_step_task_id + 2;
  SECTION("unmet needs") {
    fixture.change<v1::TaskStatus>(table::task_status, key{}.u64(third),
                                   [](auto& status) { status.set_unmet_needs(2); });
    CHECK_THAT(fixture.violations(), Contains("step 2") && Contains("says 2 unmet needs, but 1 are unfinished"));
  }
  SECTION("counts") {
    fixture.change<v1::PlanStatus>(table::plan_status, key{}.u64(fixture.plan.id),
                                   [](auto& status) { status.set_steps_completed(2); });
    CHECK_THAT(fixture.violations(), Contains("says 2 steps completed, but there are 1"));
  }
  SECTION("an edge") {
    tables.erase(table::plan_edge, key{}.u64(fixture.plan.id).u32(0).u32(2));
    CHECK_THAT(fixture.violations(), Contains("the edge from a step that it needs is missing"));
  }
  SECTION("a name") {
    tables.erase(table::plan_step_name, key{}.u64(fixture.plan.id).bytes("second"));
    CHECK_THAT(fixture.violations(), Contains("step 1") && Contains("its name does not lead to it"));
  }
  SECTION("the parent") {
    fixture.change<v1::TaskStatus>(table::task_status, key{}.u64(fixture.plan.id),
                                   [](auto& status) { status.set_is_plan_parent(false); });
    CHECK_THAT(fixture.violations(), Contains("its parent task does not know of it"));
  }
}

TEST_CASE("the checker stops at a hundred violations") {
  machine_fixture fixture;
  for (int i = 0; i < 150; ++i) fixture.tables.erase(table::task_spec, key{}.u64(fixture.created()));
  fixture.rules.flush(fixture.tables);
  CHECK(check(fixture.tables).violations_size() == 100);
}
