#include <algorithm>
#include <vector>

#include "core/plan_record.hpp"
#include "core/plan_rules.hpp"

namespace hive::core {
namespace {

/// Fills `batch` with the next dependents of `from`, at most `count_max`; true if there are more.
bool read_dependents(const context& on, const plan_record& plan, const ended_step& from, std::uint32_t count_max,
                     std::vector<std::uint32_t>& batch) {
  batch.clear();
  bool has_more = false;
  const key first = edge_key(plan.id, from.index, from.next_dependent);
  const std::string_view prefix = first.view().substr(0, 12);
  on.tables.scan(table::plan_edge, first, [&](std::string_view at, std::string_view) {
    if (!at.starts_with(prefix)) return false;
    has_more = batch.size() == count_max;
    if (has_more) return false;
    batch.push_back(read_u32(at, 12));
    return true;
  });
  return has_more;
}

void park(context& on, const plan_record& plan, std::uint32_t index, v1::TaskStatus& status) {
  const task_id id = step_task(plan, index);
  if (status.state() == v1::TASK_STATE_BLOCKED) {
    status.set_reason(v1::REASON_PLAN_PAUSED);
  } else {
    transition(on, id, status, v1::TASK_STATE_BLOCKED, v1::REASON_PLAN_PAUSED);
  }
  on.tables.put(table::plan_parked, step_key(plan.id, index), {});
  store_status(on, id, status);
  emit_task(on, "task.blocked", id, status);
}

void release_one(context& on, plan_record& plan, const ended_step& from, std::uint32_t to,
                 std::deque<ended_step>& ended) {
  const task_id id = step_task(plan, to);
  v1::TaskStatus status = require_step(on, id);
  // It may have been canceled by hand meanwhile, and even readmitted.
  if (status.state() != v1::TASK_STATE_BLOCKED || status.reason() != v1::REASON_DEPENDENCIES) return;
  if (status.unmet_needs() == 0) {
    throw table_error{errc::data_loss, "step " + hive::to_string(id) + " was released more often than it has needs"};
  }
  status.set_unmet_needs(status.unmet_needs() - 1);
  if (!from.is_completed) status.set_is_upstream_failed(true);
  if (from.is_completed && (from.path_ms > status.path_ms() || status.path_need_plus_1() == 0)) {
    status.set_path_ms(from.path_ms);
    status.set_path_need_plus_1(from.index + 1);
  }
  if (status.unmet_needs() > 0) {
    store_status(on, id, status);
  } else if (status.is_upstream_failed()) {
    end_step(on, plan, to, status, {v1::TASK_STATE_SKIPPED, v1::REASON_UPSTREAM_FAILED});
    ended.push_back({to});
  } else {
    make_step_ready(on, plan, to, status);
  }
}

/// Ends a step that may not start any more because its plan ends.
void end_late_step(context& on, plan_record& plan, v1::TaskStatus& status) {
  const bool is_canceled =
      plan.status.state() == v1::PLAN_STATE_CANCELING || plan.status.state() == v1::PLAN_STATE_CANCELED;
  const ending how = is_canceled ? ending{v1::TASK_STATE_CANCELED, v1::REASON_PLAN_CANCELED}
                                 : ending{v1::TASK_STATE_SKIPPED, v1::REASON_PLAN_FAILED};
  end_step(on, plan, status.step_index(), status, how);
  settle(on, plan);
  store_plan(on, plan);
}

}  // namespace

ended_step ended_from(const v1::TaskStatus& status) {
  ended_step ended{status.step_index(), status.state() == v1::TASK_STATE_COMPLETED};
  const std::int64_t run_ms = std::max<std::int64_t>(0, status.finished_unix_ms() - status.started_unix_ms());
  ended.path_ms = status.path_ms() + (ended.is_completed && status.started_unix_ms() != 0 ? run_ms : 0);
  return ended;
}

void end_step(context& on, plan_record& plan, std::uint32_t index, v1::TaskStatus& status, const ending& how) {
  if (status.reason() == v1::REASON_PLAN_PAUSED) on.tables.erase(table::plan_parked, step_key(plan.id, index));
  end_task(on, step_task(plan, index), status, how);
  count_final_step(plan, status.state(), false);
}

void make_step_ready(context& on, plan_record& plan, std::uint32_t index, v1::TaskStatus& status) {
  if (plan.status.state() == v1::PLAN_STATE_PAUSED) return park(on, plan, index, status);
  make_ready(on, step_task(plan, index), status, v1::REASON_WAITS_FOR_WORKER);
}

void release_dependents(context& on, plan_record& plan, std::deque<ended_step> ended) {
  std::uint32_t budget = std::max<std::uint32_t>(1, on.state.limits.release_steps_max);
  std::vector<std::uint32_t> batch;
  for (; !ended.empty(); ended.pop_front()) {
    const ended_step& from = ended.front();  // stays valid while release_one appends
    const bool has_more = read_dependents(on, plan, from, budget, batch);
    for (const std::uint32_t to : batch) release_one(on, plan, from, to, ended);
    budget -= static_cast<std::uint32_t>(batch.size());
    if (!has_more) continue;
    const std::uint32_t next = batch.empty() ? from.next_dependent : batch.back() + 1;
    arm_timer(on, on.now, timer_kind::release, step_task(plan, from.index).value, key{}.u32(next));
    plan.status.set_releases_open(plan.status.releases_open() + 1);
  }
}

void on_step_ended(context& on, task_id id, const v1::TaskStatus& status) {
  auto plan = load_plan(on, plan_id{status.plan_id()});
  if (!plan) throw table_error{errc::data_loss, "step " + hive::to_string(id) + " has no plan"};
  const ended_step ended = ended_from(status);
  count_final_step(*plan, status.state(), false);
  if (ended.is_completed) {
    if (ended.path_ms > plan->status.critical_path_ms() || plan->status.critical_path_step_plus_1() == 0) {
      plan->status.set_critical_path_ms(ended.path_ms);
      plan->status.set_critical_path_step_plus_1(ended.index + 1);
    }
  } else {
    on.tables.erase(table::plan_parked, step_key(plan->id, ended.index));
  }
  if (is_releasing(plan->status.state())) {
    if (!ended.is_completed && plan->spec.failure_policy() != v1::FAILURE_POLICY_CONTINUE) {
      const std::string name = require_plan_step(on, plan->id, ended.index).name();
      begin_failing(on, *plan, v1::REASON_PLAN_FAILED,
                    "step " + name + " " + to_string(status.state()) +
                        (status.reason_text().empty() ? "" : ": " + status.reason_text()));
    } else if (plan->status.sweep() == v1::PlanStatus::SWEEP_RETRY) {
      // The dependents are being counted anew: those behind this step are counted (again) with its end in view.
      plan->status.set_sweep_next(std::min(plan->status.sweep_next(), ended.index + 1));
    } else {
      release_dependents(on, *plan, {ended});
    }
  }
  settle(on, *plan);
  store_plan(on, *plan);
}

bool admit_step(context& on, task_id id, v1::TaskStatus& status) {
  auto plan = load_plan(on, plan_id{status.plan_id()});
  if (!plan) throw table_error{errc::data_loss, "step " + hive::to_string(id) + " has no plan"};
  switch (plan->status.state()) {
    case v1::PLAN_STATE_PAUSED:
      if (status.state() == v1::TASK_STATE_SCHEDULED) return true;
      park(on, *plan, status.step_index(), status);
      return false;
    case v1::PLAN_STATE_FAILING:
    case v1::PLAN_STATE_CANCELING:
      end_late_step(on, *plan, status);
      return false;
    default:
      return true;
  }
}

std::optional<error> check_step_may_start(const context& on, const v1::TaskStatus& status) {
  const auto plan = load_plan(on, plan_id{status.plan_id()});
  if (!plan) throw table_error{errc::data_loss, "a step of " + to_string(plan_id{status.plan_id()}) + " has no plan"};
  if (plan->status.state() == v1::PLAN_STATE_RUNNING) return std::nullopt;
  return error{errc::failed_precondition,
               "its plan is " + to_string(plan->status.state()) +
                   (plan->status.state() == v1::PLAN_STATE_PAUSED ? ": resume it first" : ""),
               {}};
}

std::optional<v1::Outcome> readmit_step(context& on, task_id id, v1::TaskStatus& status) {
  auto plan = load_plan(on, plan_id{status.plan_id()});
  if (!plan || is_hidden(*plan)) return refuse(no_such_task(id));
  if (!is_releasing(plan->status.state())) {
    return refuse(errc::failed_precondition, "its plan is " + to_string(plan->status.state()) +
                                                 (is_final(plan->status.state()) ? ": retry the plan" : ""));
  }
  std::vector<std::uint32_t> dependents;
  if (read_dependents(on, *plan, {status.step_index()}, 0, dependents)) {
    return refuse(errc::failed_precondition,
                  "steps that need this one have been told that it did not complete: retry the plan when it has ended");
  }
  if (plan->status.sweep() == v1::PlanStatus::SWEEP_RETRY) {
    return refuse(errc::failed_precondition, "its plan is being retried");
  }
  const v1::PlanStep step = require_plan_step(on, plan->id, status.step_index());
  for (const std::uint32_t need : step.needs()) {
    if (require_step(on, step_task(*plan, need)).state() == v1::TASK_STATE_COMPLETED) continue;
    return refuse(errc::failed_precondition,
                  "a step that this one needs has not completed: retry the plan when it has ended");
  }
  status.set_unmet_needs(0);  // stale if the step was blocked when it was canceled
  status.set_is_upstream_failed(false);
  count_final_step(*plan, status.state(), true);
  store_plan(on, *plan);
  return std::nullopt;
}

bool is_staged_step(const context& on, const v1::TaskStatus& status) {
  if (status.plan_id() == 0) return false;
  v1::PlanStatus plan;
  if (!read_message(on.tables, table::plan_status, plan_key(plan_id{status.plan_id()}), plan)) return false;
  return plan.state() == v1::PLAN_STATE_STAGED;
}

}  // namespace hive::core
