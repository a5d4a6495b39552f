#include <algorithm>
#include <string>
#include <vector>

#include "core/plan_record.hpp"
#include "core/plan_rules.hpp"

namespace hive::core {
namespace {

/// Edge rows are tiny: a tick erases this many of them for each task that it may purge.
constexpr std::uint32_t edges_per_purged_task = 10;

bool is_walk(v1::PlanStatus::Sweep sweep) {
  return sweep == v1::PlanStatus::SWEEP_START || sweep == v1::PlanStatus::SWEEP_FAIL ||
         sweep == v1::PlanStatus::SWEEP_CANCEL || sweep == v1::PlanStatus::SWEEP_RETRY;
}

bool has_parked(const context& on, const plan_record& plan) {
  bool found = false;
  const key prefix = plan_key(plan.id);
  on.tables.scan(table::plan_parked, prefix, [&](std::string_view at, std::string_view) {
    found = at.starts_with(prefix.view());
    return false;
  });
  return found;
}

/// From creation; a step that starts later than that (a slow upload, a retry) gets the whole time from now.
void arm_step_timeout(context& on, task_id id, const v1::TaskStatus& status) {
  const std::int64_t total_ms = require_spec(on, id).timeouts().total_ms();
  if (total_ms <= 0) return;
  const std::int64_t due = due_after(status.created_unix_ms(), total_ms);
  arm_timer(on, due > on.now ? due : due_after(on.now, total_ms), timer_kind::total_timeout, id.value);
}

/// START: roots (and, after a retry, steps whose needs are completed already) become ready.
void start_step(context& on, plan_record& plan, std::uint32_t index, std::deque<ended_step>& skipped) {
  const task_id id = step_task(plan, index);
  v1::TaskStatus status = require_step(on, id);
  if (status.state() == v1::TASK_STATE_COMPLETED) return;
  // Also for one that has been canceled already: it may be retried by hand.
  if (status.has_timeouts()) arm_step_timeout(on, id, status);
  const bool is_waiting = status.state() == v1::TASK_STATE_BLOCKED && status.reason() == v1::REASON_DEPENDENCIES;
  if (!is_waiting || status.unmet_needs() > 0) return;
  if (status.is_upstream_failed()) {
    end_step(on, plan, index, status, {v1::TASK_STATE_SKIPPED, v1::REASON_UPSTREAM_FAILED});
    skipped.push_back({index});
  } else {
    make_step_ready(on, plan, index, status);
  }
}

void fail_step(context& on, plan_record& plan, std::uint32_t index) {
  v1::TaskStatus status = require_step(on, step_task(plan, index));
  if (is_final(status.state()) || is_held(status.state())) return;
  end_step(on, plan, index, status, {v1::TASK_STATE_SKIPPED, v1::REASON_PLAN_FAILED});
}

void cancel_step(context& on, plan_record& plan, std::uint32_t index) {
  v1::TaskStatus status = require_step(on, step_task(plan, index));
  if (is_final(status.state())) return;
  if (is_held(status.state()) && status.worker_id() != 0) {
    request_cancel(on, step_task(plan, index), status, v1::REASON_PLAN_CANCELED, plan.status.reason_text());
  } else {
    end_step(on, plan, index, status, {v1::TASK_STATE_CANCELED, v1::REASON_PLAN_CANCELED});
  }
}

void revive(context& on, plan_record& plan, task_id id, v1::TaskStatus& status) {
  count_final_step(plan, status.state(), true);
  transition(on, id, status, v1::TASK_STATE_BLOCKED, v1::REASON_DEPENDENCIES);
  if (status.has_result()) on.tables.erase(table::task_result, key{}.u64(id.value));  // of a failed attempt
  status.set_has_result(false);
  status.set_failures(0);
  status.set_workers_lost(0);
  status.set_finished_unix_ms(0);
  status.set_cancel_requested(false);
  status.set_progress_ppm(0);
  status.clear_progress_message();
}

/// RETRY: what did not complete waits again; its needs are counted anew. Returns the rows looked at.
std::uint64_t retry_step(context& on, plan_record& plan, std::uint32_t index) {
  const task_id id = step_task(plan, index);
  v1::TaskStatus status = require_step(on, id);
  if (status.state() == v1::TASK_STATE_COMPLETED) return 1;
  const bool is_revived = is_final(status.state());
  if (is_revived) revive(on, plan, id, status);
  status.set_unmet_needs(0);
  status.set_is_upstream_failed(false);
  status.set_path_ms(0);
  status.set_path_need_plus_1(0);
  const v1::PlanStep step = require_plan_step(on, plan.id, index);
  for (const std::uint32_t need : step.needs()) {
    const v1::TaskStatus needed = require_step(on, step_task(plan, need));
    const ended_step ended = ended_from(needed);
    if (!is_final(needed.state())) {
      status.set_unmet_needs(status.unmet_needs() + 1);
    } else if (!ended.is_completed) {
      status.set_is_upstream_failed(true);  // it has ended again since it was revived
    } else if (ended.path_ms > status.path_ms() || status.path_need_plus_1() == 0) {
      status.set_path_ms(ended.path_ms);
      status.set_path_need_plus_1(need + 1);
    }
  }
  store_status(on, id, status);
  if (is_revived) emit_task(on, "task.blocked", id, status);
  return 1 + static_cast<std::uint64_t>(step.needs_size());
}

/// The walk has seen every step: what comes next?
void end_walk(const context& on, plan_record& plan) {
  const bool is_retry = plan.status.sweep() == v1::PlanStatus::SWEEP_RETRY;
  plan.status.set_sweep_next(0);
  if (is_retry) {
    plan.status.set_sweep(v1::PlanStatus::SWEEP_START);
  } else if (plan.status.state() == v1::PLAN_STATE_RUNNING && has_parked(on, plan)) {
    plan.status.set_sweep(v1::PlanStatus::SWEEP_RESUME);  // paused and resumed while the walk was under way
  } else {
    plan.status.set_sweep(v1::PlanStatus::SWEEP_UNSPECIFIED);
  }
}

void walk(context& on, plan_record& plan, std::uint64_t& budget) {
  std::deque<ended_step> skipped;
  while (budget > 0 && is_walk(plan.status.sweep())) {
    const std::uint32_t index = plan.status.sweep_next();
    if (index >= plan.spec.step_count()) {
      end_walk(on, plan);
      continue;
    }
    std::uint64_t rows = 1;
    switch (plan.status.sweep()) {
      case v1::PlanStatus::SWEEP_START:
        start_step(on, plan, index, skipped);
        break;
      case v1::PlanStatus::SWEEP_FAIL:
        fail_step(on, plan, index);
        break;
      case v1::PlanStatus::SWEEP_CANCEL:
        cancel_step(on, plan, index);
        break;
      default:
        rows = retry_step(on, plan, index);
        break;
    }
    plan.status.set_sweep_next(index + 1);
    budget -= std::min(budget, rows);
  }
  if (is_walk(plan.status.sweep()) && plan.status.sweep_next() >= plan.spec.step_count()) end_walk(on, plan);
  if (!skipped.empty()) release_dependents(on, plan, std::move(skipped));
}

void resume(context& on, plan_record& plan, std::uint64_t budget) {
  std::vector<std::uint32_t> parked;
  const key prefix = plan_key(plan.id);
  on.tables.scan(table::plan_parked, prefix, [&](std::string_view at, std::string_view) {
    if (parked.size() == budget || !at.starts_with(prefix.view())) return false;
    parked.push_back(read_u32(at, 8));
    return true;
  });
  for (const std::uint32_t index : parked) {
    on.tables.erase(table::plan_parked, step_key(plan.id, index));
    v1::TaskStatus status = require_step(on, step_task(plan, index));
    if (status.state() == v1::TASK_STATE_BLOCKED) make_step_ready(on, plan, index, status);
  }
  if (!has_parked(on, plan)) plan.status.set_sweep(v1::PlanStatus::SWEEP_UNSPECIFIED);
}

void erase_step(context& on, const plan_record& plan, std::uint32_t index, bool is_counted) {
  const task_id id = step_task(plan, index);
  erase_task(on, id, require_step(on, id), is_counted);
  const std::string name = require_plan_step(on, plan.id, index).name();
  on.tables.erase(table::plan_step_name, step_name_key(plan.id, name));
  on.tables.erase(table::plan_step, step_key(plan.id, index));
}

/// Erases at most `count_max` edges; true if none are left.
bool erase_edges(context& on, const plan_record& plan, std::uint64_t count_max) {
  std::vector<std::string> edges;
  const key prefix = plan_key(plan.id);
  on.tables.scan(table::plan_edge, prefix, [&](std::string_view at, std::string_view) {
    if (edges.size() == count_max || !at.starts_with(prefix.view())) return false;
    edges.emplace_back(at);
    return true;
  });
  for (const auto& edge : edges) on.tables.erase(table::plan_edge, edge);
  return edges.size() < count_max;
}

/// The last rows: from here on the plan was never there.
void erase_head(context& on, const plan_record& plan, bool is_purge) {
  if (is_purge) {
    if (!plan.spec.idempotency_key().empty()) {
      on.tables.erase(table::idempotency, plan_idempotency_key(plan.spec.idempotency_key()));
    }
    count_plan(on, plan.status.state(), -1);
    if (const auto parent = load_status(on, plan.id)) erase_task(on, plan.id, *parent);
  }
  on.tables.erase(table::plan, plan_key(plan.id));
  on.tables.erase(table::plan_status, plan_key(plan.id));
}

}  // namespace

void start_sweep(context& on, plan_record& plan, v1::PlanStatus::Sweep sweep) {
  plan.status.set_sweep(sweep);
  plan.status.set_sweep_next(0);
  run_sweep(on, plan);
}

void run_sweep(context& on, plan_record& plan) {
  std::uint64_t budget = std::max<std::uint32_t>(1, on.state.limits.sweep_steps_max);
  walk(on, plan, budget);
  if (plan.status.sweep() == v1::PlanStatus::SWEEP_RESUME && budget > 0) resume(on, plan, budget);
  if (plan.status.sweep() != v1::PlanStatus::SWEEP_UNSPECIFIED) {
    arm_timer(on, on.now, timer_kind::plan_sweep, plan.id.value);
  }
}

void run_erasure(context& on, plan_record& plan) {
  const bool is_purge = plan.status.sweep() == v1::PlanStatus::SWEEP_PURGE;
  const std::uint32_t batch = std::max<std::uint32_t>(1, on.state.limits.purge_batch_max);
  std::uint32_t budget = batch;
  for (; budget > 0 && plan.status.sweep_next() < plan.status.steps_arrived(); --budget) {
    erase_step(on, plan, plan.status.sweep_next(), is_purge);
    plan.status.set_sweep_next(plan.status.sweep_next() + 1);
  }
  const bool is_empty = budget > 0 && erase_edges(on, plan, std::uint64_t{batch} * edges_per_purged_task);
  if (is_empty) return erase_head(on, plan, is_purge);
  store_plan(on, plan);
  arm_timer(on, on.now, timer_kind::plan_sweep, plan.id.value);
}

void purge_plan(context& on, plan_id id) {
  auto plan = load_plan(on, id);
  if (!plan || !is_final(plan->status.state()) || plan->status.sweep() != v1::PlanStatus::SWEEP_UNSPECIFIED) return;
  plan->status.set_sweep(v1::PlanStatus::SWEEP_PURGE);
  plan->status.set_sweep_next(0);
  if (const auto parent = load_status(on, id)) emit_task(on, "task.purged", id, *parent);
  run_erasure(on, *plan);
}

}  // namespace hive::core
