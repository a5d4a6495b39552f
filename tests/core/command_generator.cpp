#include "tests/core/command_generator.hpp"

#include <array>
#include <iterator>

#include "base/ids.hpp"

namespace hive::test {
namespace {

constexpr std::uint64_t unknown_id = make_id(1, 999'999);

template <class Map>
std::uint64_t pick_key(random_source& random, const Map& map) {
  if (map.empty() || random.is_one_in(25)) return unknown_id;
  return std::next(map.begin(), static_cast<std::ptrdiff_t>(random.below(map.size())))->first;
}

bool is_held(const model_task& task) {
  return task.state == v1::TASK_STATE_LEASED || task.state == v1::TASK_STATE_RUNNING;
}

}  // namespace

std::uint64_t random_source::next() {
  state_ += 0x9e3779b97f4a7c15ULL;
  std::uint64_t value = state_;
  value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31U);
}

std::uint64_t command_generator::some_task() { return pick_key(random_, model_.tasks()); }
std::uint64_t command_generator::some_worker() { return pick_key(random_, model_.workers()); }
std::uint64_t command_generator::some_plan() {
  return random_.is_one_in(20) ? some_task() : pick_key(random_, model_.plans());
}

// Held by a worker, if there is one.
std::uint64_t command_generator::some_held_task() {
  std::vector<std::uint64_t> held;
  for (const auto& [id, task] : model_.tasks()) {
    if (is_held(task) && task.worker != 0) held.push_back(id);
  }
  return held.empty() || random_.is_one_in(15) ? some_task() : held[random_.below(held.size())];
}

v1::TaskSpec command_generator::some_spec() {
  v1::TaskSpec spec;
  spec.set_type(random_.is_one_in(3) ? "b" : "a");
  spec.set_title("made up");
  spec.set_content_type("application/json");
  spec.set_priority(static_cast<std::int32_t>(random_.below(3)) - 1);
  if (random_.is_one_in(5)) spec.add_required_capabilities("x");
  if (random_.is_one_in(8)) spec.add_required_capabilities("y");
  if (random_.is_one_in(10)) {
    auto& label = *spec.add_worker_selector();
    label.set_key("zone");
    label.set_value("one");
  }
  if (random_.is_one_in(6)) spec.set_not_before_unix_ms(time_ + static_cast<std::int64_t>(random_.below(3000)));
  spec.mutable_retry()->set_max_attempts(static_cast<std::uint32_t>(random_.below(4)));
  if (random_.is_one_in(2)) {
    spec.mutable_retry()->set_backoff_initial_ms(static_cast<std::int64_t>(random_.below(1000)));
    spec.mutable_retry()->set_backoff_max_ms(static_cast<std::int64_t>(random_.below(2000)));
  }
  return spec;
}

void command_generator::fill_create(v1::CreateTask& command) {
  auto& spec = *command.mutable_spec();
  spec = some_spec();
  if (random_.is_one_in(5)) spec.mutable_timeouts()->set_queue_ms(1 + static_cast<std::int64_t>(random_.below(2000)));
  if (random_.is_one_in(5)) spec.mutable_timeouts()->set_run_ms(1 + static_cast<std::int64_t>(random_.below(2000)));
  if (random_.is_one_in(8)) spec.mutable_timeouts()->set_total_ms(1 + static_cast<std::int64_t>(random_.below(5000)));
  if (random_.is_one_in(6)) spec.set_idempotency_key("key" + std::to_string(random_.below(3)));
  if (random_.is_one_in(40)) spec.clear_type();
  if (random_.is_one_in(60)) spec.set_plan_id(7);
}

void command_generator::fill_update(v1::UpdateTaskStatus& command) {
  constexpr std::array states{v1::TASK_STATE_RUNNING,   v1::TASK_STATE_RUNNING, v1::TASK_STATE_COMPLETED,
                              v1::TASK_STATE_FAILED,    v1::TASK_STATE_QUEUED,  v1::TASK_STATE_CANCELED,
                              v1::TASK_STATE_COMPLETED, v1::TASK_STATE_LEASED,  v1::TASK_STATE_UNSPECIFIED};
  const auto id = some_task();
  command.set_task_id(id);
  command.set_state(states[random_.below(states.size())]);
  const auto task = model_.tasks().find(id);
  // Mostly what gets the task on, or sequences would not get far.
  if (task != model_.tasks().end() && !random_.is_one_in(4)) {
    const auto state = task->second.state;
    if (state == v1::TASK_STATE_QUEUED) command.set_state(v1::TASK_STATE_RUNNING);
    if (state == v1::TASK_STATE_RUNNING) {
      command.set_state(random_.is_one_in(3) ? v1::TASK_STATE_FAILED : v1::TASK_STATE_COMPLETED);
    }
  }
  if (task != model_.tasks().end() && random_.is_one_in(3)) command.set_attempt(task->second.attempt);
  if (random_.is_one_in(15)) command.set_attempt(static_cast<std::uint32_t>(random_.below(4)));
  command.set_message("by hand");
  if (command.state() == v1::TASK_STATE_UNSPECIFIED ? !random_.is_one_in(10) : random_.is_one_in(5)) {
    command.set_has_progress(true);
    command.set_progress_ppm(random_.is_one_in(20) ? 2'000'000 : 500'000);
  }
  const bool ends = command.state() == v1::TASK_STATE_COMPLETED || command.state() == v1::TASK_STATE_FAILED;
  if (ends ? random_.is_one_in(2) : random_.is_one_in(30)) {
    command.set_has_result(true);
    command.set_result("42");
  }
}

void command_generator::fill_report(v1::Command& command) {
  auto& report = *command.mutable_report();
  const auto id = some_held_task();
  report.set_task_id(id);
  const auto task = model_.tasks().find(id);
  if (task != model_.tasks().end()) {
    report.set_attempt(task->second.attempt);
    command.set_reporting_worker_id(task->second.worker);
  }
  if (random_.is_one_in(12)) report.set_attempt(static_cast<std::uint32_t>(random_.below(3)));
  if (random_.is_one_in(12)) command.set_reporting_worker_id(some_worker());
  switch (random_.below(14)) {
    case 0:
    case 1:
    case 2:
      report.mutable_started();
      break;
    case 3:
      report.mutable_progress()->set_ppm(random_.is_one_in(10) ? 3'000'000 : 10'000);
      break;
    case 4:
      report.mutable_log()->set_data(random_.is_one_in(10) ? "" : "a line\n");
      break;
    case 5:
    case 6:
    case 7:
    case 8:
      report.mutable_completed()->set_result(random_.is_one_in(2) ? "done" : "");
      break;
    case 9:
    case 10:
      report.mutable_failed()->set_is_retryable(!random_.is_one_in(3));
      if (random_.is_one_in(2)) report.mutable_failed()->set_result("exit code 1");
      break;
    case 11:
      report.mutable_canceled();
      break;
    case 12:
      report.mutable_returned()->set_is_untouched(random_.is_one_in(2));
      break;
    default:
      if (!random_.is_one_in(5)) report.mutable_completed();
      break;
  }
}

void command_generator::fill_register(v1::RegisterWorker& command) {
  auto& spec = *command.mutable_spec();
  if (!random_.is_one_in(40)) spec.set_name("worker" + std::to_string(random_.below(3)));
  spec.set_incarnation(1 + random_.below(2));
  spec.set_slots(4);
  if (!random_.is_one_in(4)) spec.add_capabilities("x");
  if (!random_.is_one_in(3)) spec.add_capabilities("y");
  if (random_.is_one_in(3)) spec.add_task_types("a");
  if (random_.is_one_in(2)) {
    auto& label = *spec.add_labels();
    label.set_key("zone");
    label.set_value("one");
  }
  for (const auto& [id, task] : model_.tasks()) {
    if (!is_held(task) || random_.is_one_in(3)) continue;
    auto& running = *command.add_running();
    running.set_task_id(id);
    running.set_attempt(random_.is_one_in(10) ? 9 : task.attempt);
  }
}

void command_generator::fill_offer(v1::OfferSlots& command) {
  const auto id = some_worker();
  command.set_worker_id(id);
  const auto worker = model_.workers().find(id);
  if (worker != model_.workers().end()) command.set_session(worker->second.session);
  if (random_.is_one_in(15)) command.set_session(random_.below(3));
  command.set_slots(static_cast<std::uint32_t>(random_.below(8)));
}

v1::PlannedStep command_generator::some_step(std::uint32_t index) {
  v1::PlannedStep planned;
  planned.mutable_step()->set_name("step" + std::to_string(index));
  planned.mutable_step()->set_position(index);
  for (std::uint32_t need = 0; need < index; ++need) {
    if (random_.is_one_in(2)) planned.mutable_step()->add_needs(need);
  }
  *planned.mutable_task() = some_spec();
  if (has_step_timers_) {
    auto& timeouts = *planned.mutable_task()->mutable_timeouts();
    if (random_.is_one_in(8)) timeouts.set_queue_ms(1 + static_cast<std::int64_t>(random_.below(2000)));
    if (random_.is_one_in(8)) timeouts.set_run_ms(1 + static_cast<std::int64_t>(random_.below(2000)));
    if (random_.is_one_in(8)) timeouts.set_total_ms(1 + static_cast<std::int64_t>(random_.below(5000)));
  }
  if (random_.is_one_in(100)) planned.mutable_task()->clear_type();
  if (random_.is_one_in(100)) planned.mutable_step()->add_needs(index);
  if (random_.is_one_in(100)) planned.mutable_step()->set_name("step0");
  return planned;
}

void command_generator::fill_begin(v1::BeginPlan& command) {
  if (random_.is_one_in(3)) {
    command.set_parent_task_id(some_task());
  } else {
    command.mutable_parent_spec()->set_type("plan");
    if (has_step_timers_ && random_.is_one_in(8)) {
      command.mutable_parent_spec()->mutable_timeouts()->set_total_ms(1 +
                                                                      static_cast<std::int64_t>(random_.below(5000)));
    }
  }
  if (random_.is_one_in(2)) command.mutable_document()->set_failure_policy(v1::FAILURE_POLICY_CONTINUE);
  if (has_step_timers_ && random_.is_one_in(8)) {
    command.mutable_document()->set_deadline_ms(1 + static_cast<std::int64_t>(random_.below(5000)));
  }
  if (random_.is_one_in(6)) command.set_idempotency_key("plan" + std::to_string(random_.below(2)));
}

void command_generator::fill_create_plan(v1::CreatePlan& command) {
  fill_begin(*command.mutable_begin());
  const auto count = static_cast<std::uint32_t>(1 + random_.below(5));
  std::uint64_t edges = 0;
  for (std::uint32_t index = 0; index < count; ++index) {
    *command.add_steps() = some_step(index);
    edges += static_cast<std::uint64_t>(command.steps(static_cast<int>(index)).step().needs_size());
  }
  command.mutable_begin()->set_step_count(count);
  command.mutable_begin()->set_edge_count(edges);
  if (random_.is_one_in(40)) command.mutable_begin()->set_step_count(static_cast<std::uint32_t>(random_.below(4)));
  if (random_.is_one_in(40)) command.mutable_begin()->set_edge_count(random_.below(3));
}

void command_generator::fill_append(v1::AppendSteps& command) {
  const auto id = some_plan();
  command.set_plan_id(id);
  const auto plan = model_.plans().find(id);
  if (plan == model_.plans().end()) return;
  auto arrived = static_cast<std::uint32_t>(plan->second.arrived.size());
  command.set_first_index(random_.is_one_in(15) ? arrived + 1 : arrived);
  const auto count = random_.below(4);
  for (std::uint64_t i = 0; i < count && arrived < plan->second.step_count; ++i) {
    auto step = some_step(arrived++);
    // A staged plan was begun as a chain: so many edges were promised.
    step.mutable_step()->clear_needs();
    if (arrived > 1) step.mutable_step()->add_needs(arrived - 2);
    *command.add_steps() = step;
  }
}

void command_generator::fill_plan_command(v1::Command& command) {
  switch (random_.below(10)) {
    case 0:
    case 1:
    case 2:
      fill_create_plan(*command.mutable_create_plan());
      break;
    case 3: {
      auto& begin = *command.mutable_begin_plan();
      fill_begin(begin);
      begin.set_step_count(static_cast<std::uint32_t>(random_.below(4)));
      begin.set_edge_count(begin.step_count() == 0 ? 0 : begin.step_count() - 1);
      break;
    }
    case 4:
    case 5:
      fill_append(*command.mutable_append_steps());
      break;
    case 6:
      command.mutable_commit_plan()->set_plan_id(some_plan());
      break;
    case 7:
      if (random_.is_one_in(3)) {
        command.mutable_drop_plan()->set_plan_id(some_plan());
        break;
      }
      [[fallthrough]];
    default: {
      auto& control = *command.mutable_control_plan();
      control.set_plan_id(some_plan());
      constexpr int actions = v1::ControlPlan::Action_ARRAYSIZE;
      control.set_action(static_cast<v1::ControlPlan::Action>(
          random_.is_one_in(30) ? 0 : 1 + random_.below(static_cast<std::uint64_t>(actions) - 1)));
      const auto plan = model_.plans().find(control.plan_id());
      const bool can_be_retried = plan != model_.plans().end() && (plan->second.state == v1::PLAN_STATE_FAILED ||
                                                                   plan->second.state == v1::PLAN_STATE_CANCELED);
      if (can_be_retried && !random_.is_one_in(3)) control.set_action(v1::ControlPlan::ACTION_RETRY);
      control.set_message("by hand");
      break;
    }
  }
}

void command_generator::fill_worker_command(v1::Command& command) {
  switch (random_.below(8)) {
    case 0:
      command.mutable_drain_worker()->set_worker_id(some_worker());
      command.mutable_drain_worker()->set_undrain(random_.is_one_in(2));
      break;
    case 1:
    case 2: {
      auto& end = *command.mutable_end_worker();
      end.set_worker_id(some_worker());
      end.set_is_lost(!random_.is_one_in(3));
      if (random_.is_one_in(5)) end.set_session(1 + random_.below(2));
      break;
    }
    default:
      fill_register(*command.mutable_register_worker());
      break;
  }
}

void command_generator::fill_task_command(v1::Command& command) {
  switch (random_.below(12)) {
    case 0:
    case 1:
    case 2:
      fill_create(*command.mutable_create_task());
      break;
    case 3:
    case 4:
    case 5:
    case 6:
      fill_update(*command.mutable_update_task_status());
      break;
    case 7:
    case 8: {
      auto& cancel = *command.mutable_cancel_task();
      cancel.set_task_id(random_.is_one_in(2) ? some_task() : some_held_task());
      if (random_.is_one_in(3)) cancel.set_grace_ms(static_cast<std::int64_t>(random_.below(3000)));
      if (random_.is_one_in(30)) cancel.set_grace_ms(-1);
      break;
    }
    case 9:
    case 10:
      command.mutable_retry_task()->set_task_id(some_task());
      break;
    default:
      command.mutable_purge_task()->set_task_id(some_task());
      break;
  }
}

v1::Command command_generator::next() {
  // In every third sequence one plan, driven by hand, gets further than it would among everything else.
  if (is_about_one_plan_ && !random_.is_one_in(4)) return next_of_plan();
  constexpr std::array<std::uint64_t, 5> steps_ms{1, 10, 500, 3000, 70'000};
  const auto step = random_.below(12);
  time_ += static_cast<std::int64_t>(random_.below(steps_ms[step < 5 ? 0 : step < 8 ? 1 : step < 10 ? 2 : step - 7]));
  v1::Command command;
  command.set_time_unix_ms(random_.is_one_in(30) ? time_ - 5000 : time_);
  switch (random_.below(20)) {
    case 0:
    case 1:
    case 2:
    case 3:
      fill_task_command(command);
      break;
    case 4:
    case 5:
    case 6:
      fill_plan_command(command);
      break;
    case 7:
    case 8:
      fill_worker_command(command);
      break;
    case 9:
    case 10:
    case 11:
    case 12:
      fill_offer(*command.mutable_offer_slots());
      break;
    case 13:
    case 14:
    case 15:
    case 16:
      fill_report(command);
      break;
    case 17:
      if (random_.is_one_in(20)) break;
      if (!random_.is_one_in(10)) command.mutable_publish_event()->mutable_task()->set_name("test.happened");
      command.mutable_publish_event();
      break;
    default:
      command.mutable_tick()->set_limit(random_.is_one_in(30) ? 0 : 1000);
      break;
  }
  return command;
}

v1::Command command_generator::next_of_plan() {
  time_ += static_cast<std::int64_t>(random_.below(20));
  v1::Command command;
  command.set_time_unix_ms(time_);
  if (model_.plans().empty()) {
    fill_create_plan(*command.mutable_create_plan());
  } else if (random_.is_one_in(8)) {
    fill_plan_command(command);
  } else if (random_.is_one_in(10)) {
    command.mutable_tick()->set_limit(1000);
  } else {
    fill_update(*command.mutable_update_task_status());
  }
  return command;
}

}  // namespace hive::test
