#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "core/check_run.hpp"

namespace hive::core::views {
namespace {

// What a plan's walk needs of each of its steps; kept for one plan at a time.
struct step_facts {
  v1::TaskState state = v1::TASK_STATE_UNSPECIFIED;
  std::uint32_t release_from = std::numeric_limits<std::uint32_t>::max();  // dependents from here on wait for a timer
  bool is_there = false;
};

struct plan_walk {
  check_run& run;
  std::uint64_t id;
  const v1::PlanSpec& spec;
  const v1::PlanStatus& status;
  std::string name;
  std::vector<step_facts> steps = {};
  std::uint64_t edges = 0;
  std::uint32_t parked = 0;

  void expect(bool holds, const char* what) const { run.expect(holds, name, what); }
  [[nodiscard]] bool is_staged() const {
    return status.state() == v1::PLAN_STATE_STAGED || status.sweep() == v1::PlanStatus::SWEEP_DROP;
  }
  // Steps are removed from under it.
  [[nodiscard]] bool is_dissolving() const {
    return status.sweep() == v1::PlanStatus::SWEEP_DROP || status.sweep() == v1::PlanStatus::SWEEP_PURGE;
  }
  [[nodiscard]] bool is_swept() const { return status.sweep() != v1::PlanStatus::SWEEP_UNSPECIFIED; }
};

std::uint64_t count_rows(const check_run& run, table where, std::uint64_t plan) {
  std::uint64_t count = 0;
  run.tables.scan(where, key{}.u64(plan), [&](std::string_view at, std::string_view) {
    if (read_u64(at, 0) != plan) return false;
    ++count;
    return true;
  });
  return count;
}

// The rows of one step and its needs; `steps` is filled up to index.
void check_step(plan_walk& on, std::uint32_t index) {
  const auto task = on.spec.first_step_task_id() + index;
  const std::string subject = on.name + ", step " + std::to_string(index) + " (" + to_string(task_id{task}) + ")";
  const auto step = read_step(on.run.tables, on.id, index);
  const auto status = read_status(on.run.tables, task);
  on.run.expect(step.has_value(), subject, "its record is missing");
  on.run.expect(status.has_value(), subject, "its task is missing");
  if (!step || !status) return;
  auto& facts = on.steps[index];
  facts.is_there = true;
  facts.state = status->state();
  const auto release = on.run.timers.find({timer_kind::release, task});
  if (release != on.run.timers.end()) facts.release_from = read_u32(release->second, 0);

  on.run.expect(status->plan_id() == on.id && status->step_index() == index, subject, "its task names another step");
  const auto named = on.run.tables.get(table::plan_step_name, key{}.u64(on.id).bytes(step->name()));
  on.run.expect(named && read_u32(*named, 0) == index, subject, "its name does not lead to it");
  std::uint32_t unfinished = 0;
  std::uint32_t incomplete = 0;
  for (const auto need : step->needs()) {
    ++on.edges;
    on.run.expect(need < index, subject, "needs a step that does not come before it");
    on.run.expect(on.run.has(table::plan_edge, key{}.u64(on.id).u32(need).u32(index)), subject,
                  "the edge from a step that it needs is missing");
    if (need >= index || !on.steps[need].is_there) continue;
    const auto& facts_of_need = on.steps[need];
    const bool is_complete = facts_of_need.state == v1::TASK_STATE_COMPLETED;
    const bool has_told =
        is_complete || (is_final_state(facts_of_need.state) && on.spec.failure_policy() == v1::FAILURE_POLICY_CONTINUE);
    if (!is_complete) ++incomplete;
    if (!has_told || index >= facts_of_need.release_from) ++unfinished;
  }
  if (status->path_need_plus_1() != 0) {
    const auto& needs = step->needs();
    on.run.expect(std::find(needs.begin(), needs.end(), status->path_need_plus_1() - 1) != needs.end(), subject,
                  "its critical path comes from a step that it does not need");
  }
  if (on.is_staged()) {
    on.run.expect(status->state() == v1::TASK_STATE_BLOCKED, subject, "is not blocked, but its plan is staged");
    return;
  }
  const bool waits = status->state() == v1::TASK_STATE_BLOCKED && status->reason() == v1::REASON_DEPENDENCIES;
  if (waits && status->unmet_needs() != unfinished && on.status.sweep() != v1::PlanStatus::SWEEP_RETRY &&
      !is_final_state(on.status.state()) && on.status.state() != v1::PLAN_STATE_FAILING &&
      on.status.state() != v1::PLAN_STATE_CANCELING) {
    on.run.violate(subject + ": says " + std::to_string(status->unmet_needs()) + " unmet needs, but " +
                   std::to_string(unfinished) + " are unfinished");
  }
  if (waits && status->unmet_needs() == 0 && !on.is_swept()) on.run.violate(subject + ": is blocked by nothing");
  const bool may_start = !waits && (!is_final_state(status->state()) || status->state() == v1::TASK_STATE_COMPLETED);
  on.run.expect(!may_start || incomplete == 0, subject, "was let go although a step that it needs has not completed");
  const bool is_parked = status->state() == v1::TASK_STATE_BLOCKED && status->reason() == v1::REASON_PLAN_PAUSED;
  if (is_parked) ++on.parked;
  on.run.expect(is_parked == on.run.has(table::plan_parked, key{}.u64(on.id).u32(index)), subject,
                "its state and table plan_parked contradict each other");
}

void check_counts(const plan_walk& on) {
  std::uint32_t counts[v1::TaskState_ARRAYSIZE] = {};
  for (const auto& step : on.steps) ++counts[step.state];
  const auto compare = [&](std::uint32_t says, std::uint32_t counted, const char* what) {
    if (says == counted) return;
    on.run.violate(on.name + ": says " + std::to_string(says) + " steps " + what + ", but there are " +
                   std::to_string(counted));
  };
  compare(on.status.steps_completed(), counts[v1::TASK_STATE_COMPLETED], "completed");
  compare(on.status.steps_failed(), counts[v1::TASK_STATE_FAILED], "failed");
  compare(on.status.steps_canceled(), counts[v1::TASK_STATE_CANCELED], "canceled");
  compare(on.status.steps_skipped(), counts[v1::TASK_STATE_SKIPPED], "skipped");
  const auto final_count = counts[v1::TASK_STATE_COMPLETED] + counts[v1::TASK_STATE_FAILED] +
                           counts[v1::TASK_STATE_CANCELED] + counts[v1::TASK_STATE_SKIPPED];
  compare(on.status.steps_final(), final_count, "final");
  const auto releasing = std::count_if(on.steps.begin(), on.steps.end(), [](const step_facts& step) {
    return step.release_from != std::numeric_limits<std::uint32_t>::max();
  });
  compare(on.status.releases_open(), static_cast<std::uint32_t>(releasing), "with a release under way");
  if (on.is_swept()) return;
  const bool have_all_ended = final_count == on.spec.step_count();
  on.expect(is_final_state(on.status.state()) == (have_all_ended && on.status.releases_open() == 0),
            have_all_ended ? "all its steps have ended, but it has not" : "it has ended, but not all its steps");
  if (on.status.state() == v1::PLAN_STATE_FAILING || on.status.state() == v1::PLAN_STATE_CANCELING) {
    on.expect(counts[v1::TASK_STATE_BLOCKED] + counts[v1::TASK_STATE_QUEUED] + counts[v1::TASK_STATE_SCHEDULED] == 0,
              "is on its way to its end, but steps still wait to start");
  }
  on.expect(on.status.state() == v1::PLAN_STATE_PAUSED || on.parked == 0, "steps are parked, but it is not paused");
  // While a release is under way the plan cannot end yet, even if all its steps have completed.
  on.expect(on.status.releases_open() != 0 || (on.status.state() == v1::PLAN_STATE_COMPLETED) ==
                                                  (counts[v1::TASK_STATE_COMPLETED] == on.spec.step_count()),
            "its state and the number of completed steps contradict each other");
}

void check_parent(const plan_walk& on) {
  const auto parent = read_status(on.run.tables, on.id);
  on.expect(parent.has_value(), "its parent task is missing");
  if (!parent) return;
  on.expect(parent->is_plan_parent(), "its parent task does not know of it");
  on.expect(is_final_state(parent->state()) == is_final_state(on.status.state()),
            "only one of it and its parent is final");
  on.expect((parent->state() == v1::TASK_STATE_COMPLETED) == (on.status.state() == v1::PLAN_STATE_COMPLETED),
            "only one of it and its parent is completed");
  if (!is_final_state(parent->state())) {
    on.expect(parent->state() == v1::TASK_STATE_RUNNING && parent->worker_id() == 0,
              "its parent does not run by itself");
  }
  on.expect(!is_final_state(on.status.state()) || on.status.finished_unix_ms() != 0,
            "has ended, but does not say when");
}

void check_plan(check_run& run, std::uint64_t id, const v1::PlanStatus& status) {
  const std::string name = "plan of " + to_string(plan_id{id});
  run.response.set_plans(run.response.plans() + 1);
  const auto spec = read_plan(run.tables, id);
  if (!spec) {
    run.violate(name + ": has a status, but no spec");
    return;
  }
  plan_walk on{run, id, *spec, status, name};
  if (on.is_staged()) {
    run.staged_plans.insert(id);
  } else {
    ++run.counted[std::string{"p"} + static_cast<char>(status.state())];
  }
  if (on.is_swept()) {
    on.expect(run.timers.count({timer_kind::plan_sweep, id}) != 0,
              "a sweep is under way, but no timer goes on with it");
  }
  if (on.is_dissolving()) return;
  if (status.state() == v1::PLAN_STATE_STAGED) {
    on.expect(run.timers.count({timer_kind::plan_upload, id}) != 0, "is staged without a timer that drops it");
  }
  const auto step_count = on.is_staged() ? status.steps_arrived() : spec->step_count();
  on.steps.resize(step_count);
  for (std::uint32_t index = 0; index < step_count && !run.is_full(); ++index) check_step(on, index);
  if (run.is_full()) return;
  on.expect(count_rows(run, table::plan_step, id) == step_count, "its number of step records is wrong");
  on.expect(count_rows(run, table::plan_step_name, id) == step_count, "its number of step names is wrong");
  on.expect(count_rows(run, table::plan_edge, id) == on.edges, "its number of edges is not that of its steps' needs");
  on.expect(count_rows(run, table::plan_parked, id) == on.parked, "its number of parked steps is wrong");
  if (on.is_staged()) return;
  on.expect(spec->edge_count() == on.edges, "its spec says another number of edges");
  check_counts(on);
  check_parent(on);
}

// Rows of plans that do not exist.
void check_orphans(check_run& run, table where) {
  std::uint64_t known = 0;
  run.tables.scan(where, "", [&](std::string_view at, std::string_view) {
    const auto plan = read_u64(at, 0);
    if (plan == known) return true;
    known = plan;
    run.expect(run.has(table::plan_status, key{}.u64(plan)), check_run::row_name(where, at), "its plan does not exist");
    return !run.is_full();
  });
}

}  // namespace

void check_plans(check_run& run) {
  run.for_each<v1::PlanStatus>(table::plan_status, [&](std::string_view at, const v1::PlanStatus& status) {
    check_plan(run, read_u64(at, 0), status);
  });
  for (const auto where :
       {table::plan, table::plan_step, table::plan_step_name, table::plan_edge, table::plan_parked}) {
    check_orphans(run, where);
  }
}

}  // namespace hive::core::views
