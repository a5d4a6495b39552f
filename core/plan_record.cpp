#include "core/plan_record.hpp"

#include <array>

namespace hive::core {

std::optional<plan_record> load_plan(const context& on, plan_id id) {
  plan_record plan;
  plan.id = id;
  if (!read_message(on.tables, table::plan_status, plan_key(id), plan.status)) return std::nullopt;
  if (!read_message(on.tables, table::plan, plan_key(id), plan.spec)) {
    throw table_error{errc::data_loss, "plan " + hive::to_string(id) + " has a status but no spec"};
  }
  return plan;
}

void store_plan(context& on, const plan_record& plan) {
  put_message(on, table::plan_status, plan_key(plan.id), plan.status);
}

std::string to_string(v1::PlanState state) {
  constexpr std::array<const char*, 9> names{"unspecified", "staged",    "running", "paused",  "failing",
                                             "canceling",   "completed", "failed",  "canceled"};
  const auto row = static_cast<std::size_t>(state);
  return row < names.size() ? names[row] : "unknown";
}

bool is_hidden(const plan_record& plan) {
  return plan.status.state() == v1::PLAN_STATE_STAGED || plan.status.sweep() == v1::PlanStatus::SWEEP_PURGE;
}

error no_such_plan(plan_id id) { return {errc::not_found, "no plan " + hive::to_string(id), "plan_id"}; }

v1::TaskStatus require_step(const context& on, task_id id) {
  auto status = load_status(on, id);
  if (!status) throw table_error{errc::data_loss, "step " + hive::to_string(id) + " has no status"};
  return *std::move(status);
}

v1::PlanStep require_plan_step(const context& on, plan_id plan, std::uint32_t index) {
  v1::PlanStep step;
  if (!read_message(on.tables, table::plan_step, step_key(plan, index), step)) {
    throw table_error{errc::data_loss, "plan " + hive::to_string(plan) + " has no step " + std::to_string(index)};
  }
  return step;
}

v1::Outcome accept_plan(const plan_record& plan, bool is_replay) {
  v1::Outcome outcome;
  outcome.set_id(plan.id.value);
  outcome.set_first_step_task_id(plan.spec.first_step_task_id());
  outcome.set_count(plan.spec.step_count());
  outcome.set_is_replay(is_replay);
  return outcome;
}

void set_plan_state(context& on, plan_record& plan, v1::PlanState to) {
  if (plan.status.state() == to) return;
  const auto is_counted = [](v1::PlanState state) {
    return state != v1::PLAN_STATE_STAGED && state != v1::PLAN_STATE_UNSPECIFIED;
  };
  if (is_counted(plan.status.state())) count_plan(on, plan.status.state(), -1);
  plan.status.set_state(to);
  plan.status.set_is_paused(to == v1::PLAN_STATE_PAUSED);
  if (is_counted(to)) count_plan(on, to, 1);
}

void emit_plan(context& on, std::string_view name, const plan_record& plan, std::string_view message) {
  v1::Event event;
  v1::WorkflowEvent& body = *event.mutable_workflow();
  body.set_name(std::string{name});
  body.set_plan_id(plan.id.value);
  body.set_state(plan.status.state());
  body.set_plan_name(plan.spec.name());
  body.set_step_count(plan.spec.step_count());
  body.set_message(std::string{message});
  emit(on, std::move(event));
}

void count_final_step(plan_record& plan, v1::TaskState state, bool is_revived) {
  const std::uint32_t one = is_revived ? static_cast<std::uint32_t>(-1) : 1;  // unsigned arithmetic wraps back
  v1::PlanStatus& status = plan.status;
  status.set_steps_final(status.steps_final() + one);
  switch (state) {
    case v1::TASK_STATE_COMPLETED:
      status.set_steps_completed(status.steps_completed() + one);
      break;
    case v1::TASK_STATE_FAILED:
      status.set_steps_failed(status.steps_failed() + one);
      break;
    case v1::TASK_STATE_CANCELED:
      status.set_steps_canceled(status.steps_canceled() + one);
      break;
    case v1::TASK_STATE_SKIPPED:
      status.set_steps_skipped(status.steps_skipped() + one);
      break;
    default:
      throw table_error{errc::internal, "a step that is not final was counted as final"};
  }
}

}  // namespace hive::core
