#include <algorithm>
#include <set>

#include "base/ids.hpp"
#include "tests/core/task_model.hpp"

// The plan part of task_model.
namespace hive::test {
namespace {

bool is_final(v1::TaskState state) { return state >= v1::TASK_STATE_COMPLETED; }
bool is_held(v1::TaskState state) { return state == v1::TASK_STATE_LEASED || state == v1::TASK_STATE_RUNNING; }
bool is_open(v1::PlanState state) { return state == v1::PLAN_STATE_RUNNING || state == v1::PLAN_STATE_PAUSED; }

expectation refuse(errc code) {
  expectation answer;
  answer.code = code;
  return answer;
}
expectation accept(std::uint64_t id, bool is_replay = false) {
  expectation answer;
  answer.id = id;
  answer.is_replay = is_replay;
  return answer;
}

std::uint64_t count_edges(const std::vector<v1::PlannedStep>& steps) {
  std::uint64_t edges = 0;
  for (const auto& step : steps) edges += static_cast<std::uint64_t>(step.step().needs_size());
  return edges;
}

// `all` are the steps of the plan from the first one on; those from `first_new` on are checked.
bool are_steps_sound(const std::vector<v1::PlannedStep>& all, std::size_t first_new) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& step = all[i].step();
    const bool is_new_name = names.insert(step.name()).second;
    if (i < first_new) continue;
    if (!is_new_name || step.name().empty() || all[i].task().type().empty()) return false;
    for (int need = 0; need < step.needs_size(); ++need) {
      if (step.needs(need) >= i || (need > 0 && step.needs(need) <= step.needs(need - 1))) return false;
    }
  }
  return true;
}

}  // namespace

std::vector<std::uint64_t> task_model::steps_of(std::uint64_t plan) const {
  std::vector<std::uint64_t> steps;
  const auto& record = plans_.at(plan);
  for (std::uint32_t i = 0; i < record.step_count; ++i) steps.push_back(record.first_step + i);
  return steps;
}

expectation task_model::refuse_begin(const v1::BeginPlan& command) {
  if (command.step_count() == 0) return refuse(errc::invalid_argument);
  const std::uint64_t edges_max = std::uint64_t{command.step_count()} * (command.step_count() - 1) / 2;
  if (command.edge_count() > edges_max) return refuse(errc::invalid_argument);
  if (command.parent_task_id() == 0) return accept(0);
  const auto parent = tasks_.find(command.parent_task_id());
  if (parent == tasks_.end()) return refuse(errc::not_found);
  const auto& task = parent->second;
  const bool is_with_worker = is_held(task.state) && task.worker != 0;
  if (task.is_parent || task.plan != 0 || is_final(task.state) || is_with_worker) {
    return refuse(errc::failed_precondition);
  }
  if (plans_.count(command.parent_task_id()) != 0) return refuse(errc::already_exists);
  return accept(0);
}

expectation task_model::begin_plan(const v1::BeginPlan& command) {
  if (!command.idempotency_key().empty() && plan_keys_.count(command.idempotency_key()) != 0) {
    return accept(plan_keys_.at(command.idempotency_key()), true);
  }
  const auto refusal = refuse_begin(command);
  if (refusal.code != errc::none) return refusal;
  const auto id = command.parent_task_id() != 0 ? command.parent_task_id() : make_id(1, next_task_++);
  auto& plan = plans_[id];
  plan.is_staged = true;
  plan.state = v1::PLAN_STATE_STAGED;
  plan.begin = command;
  plan.first_step = make_id(1, next_task_);
  plan.step_count = command.step_count();
  plan.idempotency_key = command.idempotency_key();
  plan.is_fail_fast = command.document().failure_policy() != v1::FAILURE_POLICY_CONTINUE;
  plan.drop_at = now_ + limits_.plan_upload_ms;
  arm(plan.drop_at, core::timer_kind::plan_upload, id);
  next_task_ += command.step_count();
  return accept(id);
}

expectation task_model::append_steps(const v1::AppendSteps& command) {
  const auto found = plans_.find(command.plan_id());
  if (found == plans_.end()) return refuse(errc::not_found);
  auto& plan = found->second;
  if (!plan.is_staged) return refuse(errc::failed_precondition);
  if (command.steps().empty()) return refuse(errc::invalid_argument);
  if (command.first_index() != plan.arrived.size()) return refuse(errc::failed_precondition);
  auto all = plan.arrived;
  for (const auto& step : command.steps()) all.push_back(step);
  const bool is_sound = all.size() <= plan.step_count && count_edges(all) <= plan.begin.edge_count() &&
                        are_steps_sound(all, plan.arrived.size());
  if (!is_sound) return refuse(errc::invalid_argument);
  plan.arrived = std::move(all);
  // A step's age counts from its arrival.
  plan.arrived_at.resize(plan.arrived.size(), now_);
  return accept(command.plan_id());
}

expectation task_model::commit_plan(std::uint64_t id) {
  const auto found = plans_.find(id);
  if (found == plans_.end()) return refuse(errc::not_found);
  auto& plan = found->second;
  if (!plan.is_staged) return accept(id, true);
  if (plan.arrived.size() != plan.step_count || count_edges(plan.arrived) != plan.begin.edge_count()) {
    return refuse(errc::failed_precondition);
  }
  const auto known = plan_keys_.find(plan.idempotency_key);
  if (!plan.idempotency_key.empty() && known != plan_keys_.end()) {
    plans_.erase(found);
    return accept(known->second, true);
  }
  if (plan.begin.parent_task_id() != 0) {
    const auto parent = tasks_.find(id);
    if (parent == tasks_.end()) return refuse(errc::not_found);
    const auto& task = parent->second;
    if (task.is_parent || task.plan != 0 || is_final(task.state) || (is_held(task.state) && task.worker != 0)) {
      return refuse(errc::failed_precondition);
    }
  }
  go_visible(id);
  return accept(id);
}

expectation task_model::create_plan(const v1::CreatePlan& command) {
  const auto& begin = command.begin();
  if (!begin.idempotency_key().empty() && plan_keys_.count(begin.idempotency_key()) != 0) {
    return accept(plan_keys_.at(begin.idempotency_key()), true);
  }
  const auto refusal = refuse_begin(begin);
  if (refusal.code != errc::none) return refusal;
  const std::vector<v1::PlannedStep> steps{command.steps().begin(), command.steps().end()};
  if (steps.size() < begin.step_count()) return refuse(errc::failed_precondition);
  if (count_edges(steps) < begin.edge_count()) return refuse(errc::failed_precondition);
  const bool is_too_much = steps.size() > begin.step_count() || count_edges(steps) > begin.edge_count();
  if (is_too_much || !are_steps_sound(steps, 0)) return refuse(errc::invalid_argument);
  const auto id = begin_plan(begin).id;
  plans_.at(id).arrived = steps;
  plans_.at(id).arrived_at.resize(steps.size(), now_);
  go_visible(id);
  return accept(id);
}

expectation task_model::drop_plan(std::uint64_t id) {
  const auto found = plans_.find(id);
  if (found == plans_.end()) return refuse(errc::not_found);
  if (!found->second.is_staged) return refuse(errc::failed_precondition);
  plans_.erase(found);
  return accept(id);
}

void task_model::go_visible(std::uint64_t id) {
  auto& plan = plans_.at(id);
  plan.is_staged = false;
  plan.state = v1::PLAN_STATE_RUNNING;
  if (!plan.idempotency_key.empty()) plan_keys_[plan.idempotency_key] = id;
  if (plan.begin.parent_task_id() == 0) {
    auto& parent = tasks_[id];
    parent.spec = plan.begin.parent_spec();
    parent.created = now_;
    const auto total_ms = parent.spec.timeouts().total_ms();
    if (total_ms > 0) arm(now_ + total_ms, core::timer_kind::total_timeout, id);
  }
  for (std::uint32_t i = 0; i < plan.step_count; ++i) {
    auto& step = tasks_[plan.first_step + i];
    step.spec = plan.arrived[i].task();
    step.created = plan.arrived_at[i];
    step.plan = id;
    step.state = v1::TASK_STATE_BLOCKED;
    step.reason = v1::REASON_DEPENDENCIES;
    for (const auto need : plan.arrived[i].step().needs()) step.needs.push_back(plan.first_step + need);
  }
  start(id);
}

// A new plan, or one that is retried: the parent runs, steps without open needs become ready.
void task_model::start(std::uint64_t id) {
  auto& plan = plans_.at(id);
  auto& parent = tasks_.at(id);
  if (parent.state != v1::TASK_STATE_RUNNING) ++parent.attempt;
  parent.is_parent = true;
  parent.state = v1::TASK_STATE_RUNNING;
  parent.reason = v1::REASON_PLAN;
  parent.worker = 0;
  plan.deadline = plan.begin.document().deadline_ms() == 0 ? 0 : now_ + plan.begin.document().deadline_ms();
  if (plan.deadline != 0) arm(plan.deadline, core::timer_kind::plan_deadline, id);
  for (const auto step_id : steps_of(id)) {
    auto& step = tasks_.at(step_id);
    const auto total_ms = step.spec.timeouts().total_ms();
    if (total_ms <= 0 || step.state == v1::TASK_STATE_COMPLETED) continue;
    // From creation; a step that starts later than that gets the whole time from now.
    const auto due = step.created + total_ms;
    arm(due > now_ ? due : now_ + total_ms, core::timer_kind::total_timeout, step_id);
  }
  release(id);
}

expectation task_model::control_plan(const v1::ControlPlan& command) {
  const auto id = command.plan_id();
  const auto found = plans_.find(id);
  if (found == plans_.end() || found->second.is_staged) return refuse(errc::not_found);
  auto& plan = found->second;
  const auto state = plan.state;
  switch (command.action()) {
    case v1::ControlPlan::ACTION_PAUSE:
      if (state == v1::PLAN_STATE_PAUSED) return accept(id, true);
      if (state != v1::PLAN_STATE_RUNNING) return refuse(errc::failed_precondition);
      plan.state = v1::PLAN_STATE_PAUSED;
      return accept(id);
    case v1::ControlPlan::ACTION_RESUME:
      if (state == v1::PLAN_STATE_RUNNING) return accept(id, true);
      if (state != v1::PLAN_STATE_PAUSED) return refuse(errc::failed_precondition);
      plan.state = v1::PLAN_STATE_RUNNING;
      for (const auto step : steps_of(id)) {
        const auto& task = tasks_.at(step);
        if (task.state == v1::TASK_STATE_BLOCKED && task.reason == v1::REASON_PLAN_PAUSED) {
          make_ready(step, v1::REASON_WAITS_FOR_WORKER);
        }
      }
      return accept(id);
    case v1::ControlPlan::ACTION_CANCEL:
      if (state == v1::PLAN_STATE_CANCELING || state == v1::PLAN_STATE_CANCELED) return accept(id, true);
      if (state >= v1::PLAN_STATE_COMPLETED) return refuse(errc::failed_precondition);
      cancel_plan(id, v1::REASON_CANCELED_BY_CLIENT);
      return accept(id);
    case v1::ControlPlan::ACTION_RETRY:
      if (state != v1::PLAN_STATE_FAILED && state != v1::PLAN_STATE_CANCELED) return refuse(errc::failed_precondition);
      plan.state = v1::PLAN_STATE_RUNNING;
      plan.reason = v1::REASON_UNSPECIFIED;
      for (const auto step_id : steps_of(id)) {
        auto& step = tasks_.at(step_id);
        if (step.state == v1::TASK_STATE_COMPLETED) continue;
        step.state = v1::TASK_STATE_BLOCKED;
        step.reason = v1::REASON_DEPENDENCIES;
        step.worker = 0;
        step.failures = 0;
        step.workers_lost = 0;
      }
      start(id);
      return accept(id);
    default:
      return refuse(errc::invalid_argument);
  }
}

void task_model::step_ready(std::uint64_t id) {
  auto& step = tasks_.at(id);
  if (plans_.at(step.plan).state == v1::PLAN_STATE_PAUSED) {
    step.state = v1::TASK_STATE_BLOCKED;
    step.reason = v1::REASON_PLAN_PAUSED;
  } else {
    make_ready(id, v1::REASON_WAITS_FOR_WORKER);
  }
}

// Lets go, or skips, whatever waits for nothing any more, until nothing changes.
void task_model::release(std::uint64_t plan) {
  bool has_changed = true;
  while (has_changed && is_open(plans_.at(plan).state)) {
    has_changed = false;
    for (const auto id : steps_of(plan)) {
      auto& step = tasks_.at(id);
      if (step.state != v1::TASK_STATE_BLOCKED || step.reason != v1::REASON_DEPENDENCIES) continue;
      bool have_all_ended = true;
      bool have_all_completed = true;
      for (const auto need : step.needs) {
        have_all_ended = have_all_ended && is_final(tasks_.at(need).state);
        have_all_completed = have_all_completed && tasks_.at(need).state == v1::TASK_STATE_COMPLETED;
      }
      if (!have_all_ended) continue;
      has_changed = true;
      if (have_all_completed) {
        step_ready(id);
      } else {
        set_final(id, v1::TASK_STATE_SKIPPED, v1::REASON_UPSTREAM_FAILED);
      }
    }
  }
  settle(plan);
}

void task_model::step_ended(std::uint64_t id) {
  const auto& step = tasks_.at(id);
  auto& plan = plans_.at(step.plan);
  if (is_open(plan.state) && plan.is_fail_fast && step.state != v1::TASK_STATE_COMPLETED) {
    plan.state = v1::PLAN_STATE_FAILING;
    plan.reason = v1::REASON_PLAN_FAILED;
    for (const auto other : steps_of(step.plan)) {
      const auto state = tasks_.at(other).state;
      if (!is_final(state) && !is_held(state)) set_final(other, v1::TASK_STATE_SKIPPED, v1::REASON_PLAN_FAILED);
    }
  }
  release(step.plan);
}

void task_model::cancel_plan(std::uint64_t id, v1::Reason reason) {
  auto& plan = plans_.at(id);
  if (plan.state >= v1::PLAN_STATE_CANCELING) return;
  plan.state = v1::PLAN_STATE_CANCELING;
  plan.reason = reason;
  for (const auto step_id : steps_of(id)) {
    auto& step = tasks_.at(step_id);
    if (is_final(step.state)) continue;
    if (!is_held(step.state) || step.worker == 0) {
      set_final(step_id, v1::TASK_STATE_CANCELED, v1::REASON_PLAN_CANCELED);
    } else if (!step.is_cancel_requested) {
      step.is_cancel_requested = true;
      step.cancel_reason = v1::REASON_PLAN_CANCELED;
      step.reason = v1::REASON_CANCEL_REQUESTED;
      step.due = now_ + limits_.cancel_grace_ms;
      arm(step.due, core::timer_kind::cancel_grace, step_id);
    }
  }
  settle(id);
}

void task_model::settle(std::uint64_t id) {
  auto& plan = plans_.at(id);
  if (plan.state >= v1::PLAN_STATE_COMPLETED) return;
  bool have_all_completed = true;
  for (const auto step : steps_of(id)) {
    if (!is_final(tasks_.at(step).state)) return;
    have_all_completed = have_all_completed && tasks_.at(step).state == v1::TASK_STATE_COMPLETED;
  }
  if (have_all_completed) {
    plan.state = v1::PLAN_STATE_COMPLETED;
    set_final(id, v1::TASK_STATE_COMPLETED, v1::REASON_UNSPECIFIED);
  } else if (plan.state == v1::PLAN_STATE_CANCELING && plan.reason == v1::REASON_CANCELED_BY_CLIENT) {
    plan.state = v1::PLAN_STATE_CANCELED;
    set_final(id, v1::TASK_STATE_CANCELED, plan.reason);
  } else {
    // A deadline and a total timeout cancel the steps, but fail the plan.
    plan.state = v1::PLAN_STATE_FAILED;
    if (plan.reason == v1::REASON_UNSPECIFIED) plan.reason = v1::REASON_PLAN_FAILED;
    set_final(id, v1::TASK_STATE_FAILED, plan.reason);
  }
}

// A queued or backing-off step may have to wait or end because of its plan. True: it stays as it is.
bool task_model::admit(std::uint64_t id) {
  auto& step = tasks_.at(id);
  switch (plans_.at(step.plan).state) {
    case v1::PLAN_STATE_PAUSED:
      if (step.state == v1::TASK_STATE_SCHEDULED) return true;
      step.state = v1::TASK_STATE_BLOCKED;
      step.reason = v1::REASON_PLAN_PAUSED;
      return false;
    case v1::PLAN_STATE_FAILING:
      finish(id, v1::TASK_STATE_SKIPPED, v1::REASON_PLAN_FAILED);
      return false;
    case v1::PLAN_STATE_CANCELING:
      finish(id, v1::TASK_STATE_CANCELED, v1::REASON_PLAN_CANCELED);
      return false;
    default:
      return true;
  }
}

}  // namespace hive::test
