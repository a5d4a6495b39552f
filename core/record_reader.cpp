#include "core/record_reader.hpp"

#include <algorithm>

namespace hive::core::views {
namespace {

std::string lower_without(std::string name, std::string_view prefix) {
  if (name.compare(0, prefix.size(), prefix) == 0) name.erase(0, prefix.size());
  std::transform(name.begin(), name.end(), name.begin(), [](char character) {
    return character >= 'A' && character <= 'Z' ? static_cast<char>(character - 'A' + 'a') : character;
  });
  return name;
}

}  // namespace

std::string name_of(v1::TaskState state) { return lower_without(v1::TaskState_Name(state), "TASK_STATE_"); }
std::string name_of(v1::Reason reason) { return lower_without(v1::Reason_Name(reason), "REASON_"); }
std::string name_of(v1::PlanState state) { return lower_without(v1::PlanState_Name(state), "PLAN_STATE_"); }
std::string name_of(v1::WorkerState state) { return lower_without(v1::WorkerState_Name(state), "WORKER_STATE_"); }

bool is_final_state(v1::TaskState state) { return state >= v1::TASK_STATE_COMPLETED; }
bool is_final_state(v1::PlanState state) { return state >= v1::PLAN_STATE_COMPLETED; }

bool is_visible_plan(const v1::PlanStatus& status) {
  return status.state() != v1::PLAN_STATE_STAGED && status.sweep() != v1::PlanStatus::SWEEP_DROP &&
         status.sweep() != v1::PlanStatus::SWEEP_PURGE;
}

bool is_visible_task(const table_reader& tables, std::uint64_t id, const v1::TaskStatus& status) {
  if (status.plan_id() != 0) {
    const auto plan = read_plan_status(tables, status.plan_id());
    return plan && is_visible_plan(*plan);
  }
  if (!status.is_plan_parent()) return true;
  const auto plan = read_plan_status(tables, id);
  return !plan || plan->sweep() != v1::PlanStatus::SWEEP_PURGE;
}

error no_such_task(task_id id) { return {errc::not_found, to_string(id) + " does not exist", "task_id"}; }

error no_such_plan(plan_id id) {
  return {errc::not_found, "there is no plan with the parent " + to_string(id), "plan_id"};
}

result<std::uint32_t> checked_limit(std::uint32_t limit, std::uint32_t standard, std::uint32_t limit_max,
                                    const std::string& field) {
  if (limit == 0) return standard;
  if (limit <= limit_max) return limit;
  return error{errc::invalid_argument,
               field + " must be between 1 and " + std::to_string(limit_max) + ", but is " + std::to_string(limit),
               field};
}

v1::StepView make_step_view(std::uint64_t id, const v1::PlanStep& step, const v1::TaskSpec& spec,
                            const v1::TaskStatus& status) {
  v1::StepView view;
  view.set_name(step.name());
  view.set_task_id(id);
  view.set_index(status.step_index());
  view.set_state(status.state());
  view.set_reason(status.reason());
  view.set_reason_text(status.reason_text());
  view.set_attempt(status.attempt());
  view.set_worker_id(status.worker_id());
  view.set_started_unix_ms(status.started_unix_ms());
  view.set_finished_unix_ms(status.finished_unix_ms());
  view.set_unmet_needs(status.unmet_needs());
  view.set_type(spec.type());
  view.set_title(spec.title());
  view.set_position(step.position());
  view.set_progress_ppm(status.progress_ppm());
  return view;
}

}  // namespace hive::core::views
