#include <string>

#include "core/plan_record.hpp"
#include "core/plan_rules.hpp"

namespace hive::core {
namespace {

v1::Outcome refuse_action(const plan_record& plan, const std::string& action) {
  return refuse(errc::failed_precondition, "the plan is " + to_string(plan.status.state()) + " and cannot be " + action,
                "action");
}

v1::Outcome pause(context& on, plan_record& plan, std::string_view message) {
  if (plan.status.state() == v1::PLAN_STATE_PAUSED) return accept_plan(plan, true);
  if (plan.status.state() != v1::PLAN_STATE_RUNNING) return refuse_action(plan, "paused");
  set_plan_state(on, plan, v1::PLAN_STATE_PAUSED);
  plan.status.set_reason_text(std::string{cut_text(message, on.state.limits.reason_text_bytes_max)});
  if (plan.status.sweep() == v1::PlanStatus::SWEEP_RESUME) plan.status.set_sweep(v1::PlanStatus::SWEEP_UNSPECIFIED);
  emit_plan(on, "plan.paused", plan, plan.status.reason_text());
  store_plan(on, plan);
  return accept_plan(plan);
}

v1::Outcome unpause(context& on, plan_record& plan, std::string_view message) {
  if (plan.status.state() == v1::PLAN_STATE_RUNNING) return accept_plan(plan, true);
  if (plan.status.state() != v1::PLAN_STATE_PAUSED) return refuse_action(plan, "resumed");
  set_plan_state(on, plan, v1::PLAN_STATE_RUNNING);
  plan.status.clear_reason_text();
  emit_plan(on, "plan.resumed", plan, cut_text(message, on.state.limits.reason_text_bytes_max));
  // A walk that is under way (start, retry) goes on and leads to the resuming of what is parked.
  if (plan.status.sweep() == v1::PlanStatus::SWEEP_UNSPECIFIED) {
    start_sweep(on, plan, v1::PlanStatus::SWEEP_RESUME);
  }
  store_plan(on, plan);
  return accept_plan(plan);
}

v1::Outcome cancel(context& on, plan_record& plan, std::string_view message) {
  const v1::PlanState state = plan.status.state();
  if (state == v1::PLAN_STATE_CANCELING || state == v1::PLAN_STATE_CANCELED) return accept_plan(plan, true);
  if (is_final(state)) return refuse_action(plan, "canceled");
  begin_canceling(on, plan, v1::REASON_CANCELED_BY_CLIENT, message);
  settle(on, plan);
  store_plan(on, plan);
  return accept_plan(plan);
}

v1::Outcome retry(context& on, plan_record& plan, std::string_view message) {
  const v1::PlanState state = plan.status.state();
  if (state != v1::PLAN_STATE_FAILED && state != v1::PLAN_STATE_CANCELED) return refuse_action(plan, "retried");
  auto parent = load_status(on, plan.id);
  if (!parent) return refuse(no_such_plan(plan.id));
  set_plan_state(on, plan, v1::PLAN_STATE_RUNNING);
  plan.status.clear_reason();
  plan.status.clear_reason_text();
  plan.status.clear_finished_unix_ms();
  arm_deadline(on, plan);
  emit_plan(on, "plan.retried", plan, cut_text(message, on.state.limits.reason_text_bytes_max));
  adopt_parent(on, plan.id, *parent);
  start_sweep(on, plan, v1::PlanStatus::SWEEP_RETRY);
  settle(on, plan);
  store_plan(on, plan);
  return accept_plan(plan);
}

void on_deadline(context& on, plan_record& plan) {
  const v1::PlanState state = plan.status.state();
  const bool is_open = is_releasing(state) || state == v1::PLAN_STATE_FAILING;
  // A timer of before a retry comes too early for the deadline of now.
  if (!is_open || plan.status.deadline_unix_ms() == 0 || on.now < plan.status.deadline_unix_ms()) return;
  begin_canceling(on, plan, v1::REASON_PLAN_DEADLINE,
                  "the plan's deadline of " + std::to_string(plan.spec.deadline_ms()) + " ms passed");
  settle(on, plan);
  store_plan(on, plan);
}

void on_upload_timer(context& on, plan_record& plan) {
  if (plan.status.state() != v1::PLAN_STATE_STAGED || plan.status.sweep() != v1::PlanStatus::SWEEP_UNSPECIFIED) return;
  const std::int64_t due = due_after(plan.status.created_unix_ms(), on.state.limits.plan_upload_ms);
  if (on.now < due) return arm_timer(on, due, timer_kind::plan_upload, plan.id.value);  // the limit was raised
  drop_staged(on, plan);
}

void on_sweep_timer(context& on, plan_record& plan) {
  switch (plan.status.sweep()) {
    case v1::PlanStatus::SWEEP_UNSPECIFIED:
      return;
    case v1::PlanStatus::SWEEP_DROP:
    case v1::PlanStatus::SWEEP_PURGE:
      return run_erasure(on, plan);
    default:
      break;
  }
  run_sweep(on, plan);
  settle(on, plan);
  store_plan(on, plan);
}

void on_release_timer(context& on, task_id id, std::string_view value) {
  const auto status = load_status(on, id);
  if (!status || status->plan_id() == 0) return;
  auto plan = load_plan(on, plan_id{status->plan_id()});
  if (!plan || plan->status.releases_open() == 0) return;
  plan->status.set_releases_open(plan->status.releases_open() - 1);
  if (is_releasing(plan->status.state())) {
    ended_step ended = ended_from(*status);
    ended.next_dependent = read_u32(value, 0);
    release_dependents(on, *plan, {ended});
  }
  settle(on, *plan);
  store_plan(on, *plan);
}

}  // namespace

void begin_failing(context& on, plan_record& plan, v1::Reason reason, std::string_view text) {
  set_plan_state(on, plan, v1::PLAN_STATE_FAILING);
  plan.status.set_reason(reason);
  plan.status.set_reason_text(std::string{cut_text(text, on.state.limits.reason_text_bytes_max)});
  emit_plan(on, "plan.failing", plan, plan.status.reason_text());
  start_sweep(on, plan, v1::PlanStatus::SWEEP_FAIL);
}

void begin_canceling(context& on, plan_record& plan, v1::Reason reason, std::string_view text) {
  set_plan_state(on, plan, v1::PLAN_STATE_CANCELING);
  plan.status.set_reason(reason);
  plan.status.set_reason_text(std::string{cut_text(text, on.state.limits.reason_text_bytes_max)});
  emit_plan(on, "plan.canceling", plan, plan.status.reason_text());
  start_sweep(on, plan, v1::PlanStatus::SWEEP_CANCEL);
}

void arm_deadline(context& on, plan_record& plan) {
  plan.status.clear_deadline_unix_ms();
  if (plan.spec.deadline_ms() == 0) return;
  plan.status.set_deadline_unix_ms(due_after(on.now, plan.spec.deadline_ms()));
  arm_timer(on, plan.status.deadline_unix_ms(), timer_kind::plan_deadline, plan.id.value);
}

void settle(context& on, plan_record& plan) {
  v1::PlanStatus& status = plan.status;
  if (is_final(status.state()) || status.state() == v1::PLAN_STATE_STAGED) return;
  if (status.steps_final() != plan.spec.step_count() || status.releases_open() != 0) return;
  if (status.sweep() != v1::PlanStatus::SWEEP_UNSPECIFIED) return;

  ending how{v1::TASK_STATE_COMPLETED};
  v1::PlanState state = v1::PLAN_STATE_COMPLETED;
  const char* event = "plan.completed";
  if (status.steps_completed() == plan.spec.step_count()) {
    status.clear_reason();
    status.clear_reason_text();
  } else if (status.state() == v1::PLAN_STATE_CANCELING && status.reason() == v1::REASON_CANCELED_BY_CLIENT) {
    how.state = v1::TASK_STATE_CANCELED;
    state = v1::PLAN_STATE_CANCELED;
    event = "plan.canceled";
  } else {
    how.state = v1::TASK_STATE_FAILED;
    state = v1::PLAN_STATE_FAILED;
    event = "plan.failed";
    if (status.reason() == v1::REASON_UNSPECIFIED) {
      status.set_reason(v1::REASON_PLAN_FAILED);
      status.set_reason_text(std::to_string(status.steps_failed()) + " failed, " +
                             std::to_string(status.steps_canceled()) + " canceled, " +
                             std::to_string(status.steps_skipped()) + " skipped of " +
                             std::to_string(plan.spec.step_count()) + " steps");
    }
  }
  how.reason = status.reason();
  how.text = status.reason_text();
  set_plan_state(on, plan, state);
  status.set_finished_unix_ms(on.now);
  status.clear_deadline_unix_ms();
  emit_plan(on, event, plan, status.reason_text());
  auto parent = load_status(on, plan.id);
  if (parent && !is_final(parent->state())) end_task(on, plan.id, *parent, how);
}

std::optional<error> check_parent(const context& on, task_id id) {
  const auto status = load_status(on, id);
  if (!status || is_staged_step(on, *status)) {
    return error{errc::not_found, "no task " + hive::to_string(id), "parent_task_id"};
  }
  const auto unfit = [&](const std::string& why) {
    return error{errc::failed_precondition, "task " + hive::to_string(id) + " cannot be the parent of a plan: " + why,
                 "parent_task_id"};
  };
  if (status->is_plan_parent()) return unfit("it has a plan already");
  if (status->plan_id() != 0) return unfit("it is a step of plan " + hive::to_string(task_id{status->plan_id()}));
  if (is_final(status->state())) return unfit("it is " + to_string(status->state()));
  if (is_held(status->state()) && status->worker_id() != 0) return unfit("a worker is executing it");
  return std::nullopt;
}

void adopt_parent(context& on, task_id id, v1::TaskStatus& status) {
  status.set_is_plan_parent(true);
  if (status.state() == v1::TASK_STATE_RUNNING) {  // driven by hand so far
    status.set_reason(v1::REASON_PLAN);
    return store_status(on, id, status);
  }
  transition(on, id, status, v1::TASK_STATE_RUNNING, v1::REASON_PLAN);
  status.set_attempt(status.attempt() + 1);
  status.set_leased_unix_ms(on.now);
  status.set_started_unix_ms(on.now);
  status.set_finished_unix_ms(0);
  status.set_cancel_requested(false);
  store_status(on, id, status);
  emit_task(on, "task.started", id, status);
}

v1::Outcome apply_control_plan(context& on, const v1::ControlPlan& command) {
  auto plan = load_plan(on, plan_id{command.plan_id()});
  if (!plan || is_hidden(*plan)) return refuse(no_such_plan(plan_id{command.plan_id()}));
  switch (command.action()) {
    case v1::ControlPlan::ACTION_PAUSE:
      return pause(on, *plan, command.message());
    case v1::ControlPlan::ACTION_RESUME:
      return unpause(on, *plan, command.message());
    case v1::ControlPlan::ACTION_CANCEL:
      return cancel(on, *plan, command.message());
    case v1::ControlPlan::ACTION_RETRY:
      return retry(on, *plan, command.message());
    default:
      break;
  }
  return refuse(errc::invalid_argument, "unknown action " + std::to_string(static_cast<int>(command.action())),
                "action");
}

void cancel_plan_of_parent(context& on, plan_id id, v1::Reason reason, std::string_view text) {
  auto plan = load_plan(on, id);
  if (!plan || is_hidden(*plan)) return;
  const v1::PlanState state = plan->status.state();
  if (is_final(state) || state == v1::PLAN_STATE_CANCELING) return;
  begin_canceling(on, *plan, reason, text);
  settle(on, *plan);
  store_plan(on, *plan);
}

void on_plan_timer(context& on, timer_kind kind, std::uint64_t id, std::string_view value) {
  if (kind == timer_kind::release) return on_release_timer(on, task_id{id}, value);
  auto plan = load_plan(on, plan_id{id});
  if (!plan) return;
  switch (kind) {
    case timer_kind::plan_deadline:
      return on_deadline(on, *plan);
    case timer_kind::plan_sweep:
      return on_sweep_timer(on, *plan);
    case timer_kind::plan_upload:
      return on_upload_timer(on, *plan);
    default:
      return;
  }
}

}  // namespace hive::core
