#include "tests/core/task_model.hpp"

#include <algorithm>

#include "base/ids.hpp"

namespace hive::test {
namespace {

bool is_final(v1::TaskState state) { return state >= v1::TASK_STATE_COMPLETED; }
bool is_held(v1::TaskState state) { return state == v1::TASK_STATE_LEASED || state == v1::TASK_STATE_RUNNING; }

expectation refuse(errc code) {
  expectation answer;
  answer.code = code;
  return answer;
}
expectation accept(std::uint64_t id = 0, bool is_replay = false) {
  expectation answer;
  answer.id = id;
  answer.is_replay = is_replay;
  return answer;
}

bool fits(const v1::TaskSpec& task, const v1::WorkerSpec& worker) {
  const auto has = [](const auto& list, const std::string& value) {
    return std::find(list.begin(), list.end(), value) != list.end();
  };
  if (worker.task_types_size() > 0 && !has(worker.task_types(), task.type())) return false;
  for (const auto& capability : task.required_capabilities()) {
    if (!has(worker.capabilities(), capability)) return false;
  }
  for (const auto& wanted : task.worker_selector()) {
    bool is_there = false;
    for (const auto& label : worker.labels()) {
      is_there = is_there || (label.key() == wanted.key() && label.value() == wanted.value());
    }
    if (!is_there) return false;
  }
  return true;
}

}  // namespace

// ---- tasks ----------------------------------------------------------------------------------

model_task* task_model::visible_task(std::uint64_t id) {
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? nullptr : &found->second;
}

std::uint64_t task_model::add_task(const v1::TaskSpec& spec) {
  const auto id = make_id(1, next_task_++);
  auto& task = tasks_[id];
  task.spec = spec;
  task.created = now_;
  if (spec.timeouts().total_ms() > 0) arm(now_ + spec.timeouts().total_ms(), core::timer_kind::total_timeout, id);
  return id;
}

void task_model::make_ready(std::uint64_t id, v1::Reason reason) {
  auto& task = tasks_.at(id);
  task.worker = 0;
  task.is_cancel_requested = false;
  task.finished = 0;
  if (task.spec.not_before_unix_ms() > now_) {
    task.state = v1::TASK_STATE_SCHEDULED;
    task.reason = v1::REASON_NOT_BEFORE;
    task.due = task.spec.not_before_unix_ms();
    arm(task.due, core::timer_kind::ready, id);
  } else {
    task.state = v1::TASK_STATE_QUEUED;
    task.reason = reason;
    task.queued = now_;
    const auto queue_ms = task.spec.timeouts().queue_ms();
    if (queue_ms > 0) arm(now_ + queue_ms, core::timer_kind::queue_timeout, id);
  }
}

void task_model::requeue(std::uint64_t id, v1::Reason reason) {
  make_ready(id, reason);
  if (tasks_.at(id).plan != 0) admit(id);
}

void task_model::set_final(std::uint64_t id, v1::TaskState state, v1::Reason reason) {
  auto& task = tasks_.at(id);
  task.state = state;
  task.reason = reason;
  task.finished = now_;
  task.is_cancel_requested = false;
  if (task.plan == 0) arm(now_ + limits_.retention_ms, core::timer_kind::retention, id);
}

void task_model::finish(std::uint64_t id, v1::TaskState state, v1::Reason reason) {
  set_final(id, state, reason);
  if (tasks_.at(id).plan != 0) step_ended(id);
}

void task_model::fail_attempt(std::uint64_t id, v1::Reason reason, bool is_retryable) {
  auto& task = tasks_.at(id);
  ++task.failures;
  task.workers_lost = 0;
  if (task.is_cancel_requested) return finish(id, v1::TASK_STATE_CANCELED, task.cancel_reason);
  const auto& retry = task.spec.retry();
  const auto attempts = retry.max_attempts() == 0 ? limits_.retry_attempts : retry.max_attempts();
  if (!is_retryable || task.failures >= attempts) return finish(id, v1::TASK_STATE_FAILED, reason);
  // Tests use no jitter and the default factor of 2.
  auto delay = retry.backoff_initial_ms() == 0 ? limits_.backoff_initial_ms : retry.backoff_initial_ms();
  const auto delay_max = retry.backoff_max_ms() == 0 ? limits_.backoff_max_ms : retry.backoff_max_ms();
  for (std::uint32_t i = 1; i < task.failures; ++i) delay = std::min(delay * 2, delay_max);
  task.state = v1::TASK_STATE_SCHEDULED;
  task.reason = v1::REASON_RETRY_BACKOFF;
  task.due = now_ + std::min(delay, delay_max);
  arm(task.due, core::timer_kind::ready, id);
  task.worker = 0;
  if (task.plan != 0) admit(id);
}

void task_model::take_away(std::uint64_t id, bool is_lost) {
  auto& task = tasks_.at(id);
  if (task.is_cancel_requested) return finish(id, v1::TASK_STATE_CANCELED, task.cancel_reason);
  if (!is_lost) return requeue(id, v1::REASON_LEASE_RETURNED);
  ++task.workers_lost;
  if (task.workers_lost >= limits_.poison_workers_lost) return finish(id, v1::TASK_STATE_FAILED, v1::REASON_POISON);
  requeue(id, v1::REASON_WORKER_LOST);
}

void task_model::return_task(std::uint64_t id) {
  auto& task = tasks_.at(id);
  task.workers_lost = 0;
  task.state = v1::TASK_STATE_SCHEDULED;
  task.reason = v1::REASON_LEASE_RETURNED;
  task.due = now_ + limits_.return_backoff_ms;
  arm(task.due, core::timer_kind::ready, id);
  task.worker = 0;
  if (task.plan != 0) admit(id);
}

expectation task_model::create_task(const v1::CreateTask& command) {
  const auto& spec = command.spec();
  if (spec.type().empty() || spec.plan_id() != 0) return refuse(errc::invalid_argument);
  if (!spec.idempotency_key().empty() && task_keys_.count(spec.idempotency_key()) != 0) {
    return accept(task_keys_.at(spec.idempotency_key()), true);
  }
  const auto id = add_task(spec);
  if (!spec.idempotency_key().empty()) task_keys_[spec.idempotency_key()] = id;
  make_ready(id, v1::REASON_WAITS_FOR_WORKER);
  return accept(id);
}

expectation task_model::update_task(const v1::UpdateTaskStatus& update) {
  const auto to = update.state();
  if (to == v1::TASK_STATE_UNSPECIFIED && !update.has_progress()) return refuse(errc::invalid_argument);
  if (update.has_progress() && update.progress_ppm() > 1'000'000) return refuse(errc::invalid_argument);
  if (update.has_result() && to != v1::TASK_STATE_COMPLETED && to != v1::TASK_STATE_FAILED) {
    return refuse(errc::invalid_argument);
  }
  const auto id = update.task_id();
  auto* task = visible_task(id);
  if (task == nullptr) return refuse(errc::not_found);
  const bool is_attempt_named = update.attempt() != 0;
  const bool is_other_attempt = is_attempt_named && update.attempt() != task->attempt;
  if (to == v1::TASK_STATE_CANCELED && !is_other_attempt) {
    v1::CancelTask cancel;
    cancel.set_task_id(id);
    return cancel_task(cancel);
  }
  if (is_other_attempt) return refuse(errc::failed_precondition);
  if (is_attempt_named && is_final(task->state) && task->state == to) return accept(id, true);
  const auto from = task->state;
  if (to == v1::TASK_STATE_UNSPECIFIED) return is_held(from) ? accept(id) : refuse(errc::failed_precondition);
  const bool ends = to == v1::TASK_STATE_COMPLETED || to == v1::TASK_STATE_FAILED;
  const bool is_allowed = (from == v1::TASK_STATE_QUEUED && to == v1::TASK_STATE_RUNNING) ||
                          (from == v1::TASK_STATE_RUNNING && to == v1::TASK_STATE_QUEUED) || (is_held(from) && ends);
  if (!is_allowed || task->is_parent) return refuse(errc::failed_precondition);
  const bool is_with_worker = is_held(from) && task->worker != 0;
  if (is_with_worker && (!is_attempt_named || !ends)) return refuse(errc::failed_precondition);
  if (to == v1::TASK_STATE_RUNNING && task->plan != 0 && plans_.at(task->plan).state != v1::PLAN_STATE_RUNNING) {
    return refuse(errc::failed_precondition);
  }
  if (to == v1::TASK_STATE_RUNNING) {
    task->state = to;
    task->reason = v1::REASON_DRIVEN_BY_CLIENT;
    task->worker = 0;
    ++task->attempt;
    task->leased = now_;
    const auto run_ms = task->spec.timeouts().run_ms();
    if (run_ms > 0) arm(now_ + run_ms, core::timer_kind::run_timeout, id);
  } else if (to == v1::TASK_STATE_QUEUED) {
    task->workers_lost = 0;
    requeue(id, v1::REASON_UPDATED_BY_CLIENT);
  } else {
    finish(id, to, v1::REASON_UPDATED_BY_CLIENT);
  }
  return accept(id);
}

expectation task_model::cancel_task(const v1::CancelTask& command) {
  if (command.grace_ms() < 0) return refuse(errc::invalid_argument);
  const auto id = command.task_id();
  auto* task = visible_task(id);
  if (task == nullptr) return refuse(errc::not_found);
  if (task->state == v1::TASK_STATE_CANCELED || task->is_cancel_requested) return accept(id, true);
  if (is_final(task->state)) return refuse(errc::failed_precondition);
  if (task->is_parent) {
    cancel_plan(id, v1::REASON_CANCELED_BY_CLIENT);
  } else if (is_held(task->state) && task->worker != 0) {
    task->is_cancel_requested = true;
    task->cancel_reason = v1::REASON_CANCELED_BY_CLIENT;
    task->reason = v1::REASON_CANCEL_REQUESTED;
    task->due = now_ + (command.grace_ms() > 0 ? command.grace_ms() : limits_.cancel_grace_ms);
    arm(task->due, core::timer_kind::cancel_grace, id);
  } else {
    finish(id, v1::TASK_STATE_CANCELED, v1::REASON_CANCELED_BY_CLIENT);
  }
  return accept(id);
}

expectation task_model::retry_task(std::uint64_t id) {
  auto* task = visible_task(id);
  if (task == nullptr) return refuse(errc::not_found);
  if (task->state != v1::TASK_STATE_FAILED && task->state != v1::TASK_STATE_CANCELED) {
    return refuse(errc::failed_precondition);
  }
  if (task->is_parent) return refuse(errc::failed_precondition);
  if (task->plan != 0) {
    const auto state = plans_.at(task->plan).state;
    if (state != v1::PLAN_STATE_RUNNING && state != v1::PLAN_STATE_PAUSED) return refuse(errc::failed_precondition);
    for (const auto need : task->needs) {
      if (tasks_.at(need).state != v1::TASK_STATE_COMPLETED) return refuse(errc::failed_precondition);
    }
    // Steps that need it have been told that it did not complete.
    for (const auto step : steps_of(task->plan)) {
      const auto& needs = tasks_.at(step).needs;
      if (std::find(needs.begin(), needs.end(), id) != needs.end()) return refuse(errc::failed_precondition);
    }
  }
  task->failures = 0;
  task->workers_lost = 0;
  make_ready(id, v1::REASON_RETRIED_BY_CLIENT);
  return accept(id);
}

expectation task_model::purge_task(std::uint64_t id) {
  auto* task = visible_task(id);
  if (task == nullptr) return refuse(errc::not_found);
  if (task->plan != 0 || !is_final(task->state)) return refuse(errc::failed_precondition);
  if (task->is_parent) {
    const auto plan = plans_.at(id);
    for (const auto step : steps_of(id)) tasks_.erase(step);
    if (!plan.idempotency_key.empty()) plan_keys_.erase(plan.idempotency_key);
    plans_.erase(id);
  }
  task_keys_.erase(tasks_.at(id).spec.idempotency_key());
  tasks_.erase(id);
  return accept(id);
}

// ---- workers --------------------------------------------------------------------------------

expectation task_model::report(std::uint64_t worker, const v1::TaskReport& report) {
  const auto body = report.body_case();
  if (body == v1::TaskReport::BODY_NOT_SET || worker == 0) return refuse(errc::invalid_argument);
  if (report.has_progress() && report.progress().ppm() > 1'000'000) return refuse(errc::invalid_argument);
  if (report.has_log() && report.log().data().empty()) return refuse(errc::invalid_argument);
  const auto id = report.task_id();
  auto* task = visible_task(id);
  if (task == nullptr) return refuse(errc::not_found);
  if (task->worker != worker || task->attempt != report.attempt()) return refuse(errc::failed_precondition);
  const auto state = task->state;
  const bool is_repeated =
      (report.has_started() && state == v1::TASK_STATE_RUNNING) ||
      (report.has_completed() && state == v1::TASK_STATE_COMPLETED) ||
      (report.has_failed() && (state == v1::TASK_STATE_FAILED || state == v1::TASK_STATE_CANCELED)) ||
      (report.has_canceled() && state == v1::TASK_STATE_CANCELED);
  if (is_repeated) return accept(id, true);
  if (!is_held(state)) return refuse(errc::failed_precondition);
  if (report.has_canceled() || report.has_returned()) {
    if (task->is_cancel_requested) {
      finish(id, v1::TASK_STATE_CANCELED, task->cancel_reason);
    } else if (report.returned().is_untouched() && state == v1::TASK_STATE_LEASED) {
      requeue(id, v1::REASON_LEASE_RETURNED);
    } else {
      return_task(id);
    }
    return accept(id);
  }
  if (state == v1::TASK_STATE_LEASED) {
    task->state = v1::TASK_STATE_RUNNING;
    task->reason = task->is_cancel_requested ? v1::REASON_CANCEL_REQUESTED : v1::REASON_EXECUTING;
  }
  if (report.has_completed()) finish(id, v1::TASK_STATE_COMPLETED, v1::REASON_UNSPECIFIED);
  if (report.has_failed()) fail_attempt(id, v1::REASON_HANDLER_ERROR, report.failed().is_retryable());
  return accept(id);
}

expectation task_model::register_worker(const v1::RegisterWorker& command) {
  if (command.spec().name().empty()) return refuse(errc::invalid_argument);
  std::uint64_t id = 0;
  for (const auto& [known, worker] : workers_) {
    if (worker.spec.name() == command.spec().name()) id = known;
  }
  const bool is_known = id != 0;
  if (!is_known) id = make_id(1, next_worker_++);
  auto& worker = workers_[id];
  const bool is_same_process = is_known && worker.spec.incarnation() == command.spec().incarnation();
  if (!is_same_process || worker.state != v1::WORKER_STATE_DRAINING) worker.state = v1::WORKER_STATE_ACTIVE;
  worker.spec = command.spec();
  ++worker.session;
  for (auto& [task_id, task] : tasks_) {
    if (!is_held(task.state) || task.worker != id) continue;
    bool is_claimed = false;
    for (const auto& claim : command.running()) {
      is_claimed = is_claimed || (claim.task_id() == task_id && claim.attempt() == task.attempt);
    }
    if (!is_same_process || !is_claimed) take_away(task_id, !is_same_process);
  }
  return accept(id);
}

expectation task_model::drain_worker(const v1::DrainWorker& command) {
  const auto found = workers_.find(command.worker_id());
  if (found == workers_.end()) return refuse(errc::not_found);
  auto& state = found->second.state;
  if (state != v1::WORKER_STATE_ACTIVE && state != v1::WORKER_STATE_DRAINING) return refuse(errc::failed_precondition);
  const auto wanted = command.undrain() ? v1::WORKER_STATE_ACTIVE : v1::WORKER_STATE_DRAINING;
  const bool is_replay = state == wanted;
  state = wanted;
  return accept(command.worker_id(), is_replay);
}

expectation task_model::end_worker(const v1::EndWorker& command) {
  const auto found = workers_.find(command.worker_id());
  if (found == workers_.end()) return refuse(errc::not_found);
  auto& worker = found->second;
  if (command.session() != 0 && command.session() != worker.session) return refuse(errc::failed_precondition);
  if (worker.state != v1::WORKER_STATE_ACTIVE && worker.state != v1::WORKER_STATE_DRAINING) {
    return accept(command.worker_id(), true);
  }
  worker.state = command.is_lost() ? v1::WORKER_STATE_LOST : v1::WORKER_STATE_GONE;
  worker.ended = now_;
  arm(now_ + limits_.retention_ms, core::timer_kind::worker_retention, command.worker_id());
  for (auto& [id, task] : tasks_) {
    if (is_held(task.state) && task.worker == command.worker_id()) take_away(id, command.is_lost());
  }
  return accept(command.worker_id());
}

expectation task_model::offer_slots(const v1::OfferSlots& command) {
  const auto found = workers_.find(command.worker_id());
  if (found == workers_.end() || found->second.state != v1::WORKER_STATE_ACTIVE ||
      found->second.session != command.session()) {
    return refuse(errc::failed_precondition);
  }
  expectation answer = accept(command.worker_id());
  // So many steps of paused or ending plans are moved out of the way by one offer.
  auto held_back_left = limits_.sweep_steps_max;
  while (answer.leased.size() < command.slots() && held_back_left > 0) {
    std::uint64_t best = 0;
    for (const auto& [id, task] : tasks_) {
      if (task.state != v1::TASK_STATE_QUEUED || !fits(task.spec, found->second.spec)) continue;
      if (best == 0 || task.spec.priority() > tasks_.at(best).spec.priority()) best = id;
    }
    if (best == 0) break;
    auto& task = tasks_.at(best);
    if (task.plan != 0 && !admit(best)) {
      --held_back_left;
      continue;
    }
    task.state = v1::TASK_STATE_LEASED;
    task.reason = v1::REASON_ASSIGNED;
    task.worker = command.worker_id();
    ++task.attempt;
    task.leased = now_;
    const auto run_ms = task.spec.timeouts().run_ms();
    if (run_ms > 0) arm(now_ + run_ms, core::timer_kind::run_timeout, best);
    v1::TaskAttempt lease;
    lease.set_task_id(best);
    lease.set_attempt(task.attempt);
    answer.leased.push_back(lease);
  }
  return answer;
}

// ---- time -----------------------------------------------------------------------------------

void task_model::fire_plan_timer(core::timer_kind kind, std::uint64_t id) {
  const auto found = plans_.find(id);
  if (found == plans_.end()) return;
  auto& plan = found->second;
  if (kind == core::timer_kind::plan_upload) {
    if (plan.is_staged && plan.drop_at <= now_) plans_.erase(found);
    return;
  }
  const bool is_open = plan.state == v1::PLAN_STATE_RUNNING || plan.state == v1::PLAN_STATE_PAUSED ||
                       plan.state == v1::PLAN_STATE_FAILING;
  if (is_open && plan.deadline != 0 && plan.deadline <= now_) cancel_plan(id, v1::REASON_PLAN_DEADLINE);
}

void task_model::fire_task_timer(core::timer_kind kind, std::uint64_t id) {
  using core::timer_kind;
  const auto found = tasks_.find(id);
  if (found == tasks_.end()) return;
  auto& task = found->second;
  const auto& timeouts = task.spec.timeouts();
  switch (kind) {
    case timer_kind::ready:
      if (task.state == v1::TASK_STATE_SCHEDULED && task.due <= now_) make_ready(id, v1::REASON_WAITS_FOR_WORKER);
      break;
    case timer_kind::queue_timeout:
      if (task.state == v1::TASK_STATE_QUEUED && timeouts.queue_ms() > 0 && task.queued + timeouts.queue_ms() <= now_) {
        finish(id, v1::TASK_STATE_FAILED, v1::REASON_QUEUE_TIMEOUT);
      }
      break;
    case timer_kind::run_timeout:
      if (is_held(task.state) && !task.is_parent && timeouts.run_ms() > 0 && task.leased + timeouts.run_ms() <= now_) {
        fail_attempt(id, v1::REASON_RUN_TIMEOUT, true);
      }
      break;
    case timer_kind::total_timeout:
      if (!is_final(task.state) && task.created + timeouts.total_ms() <= now_) {
        if (task.is_parent) {
          cancel_plan(id, v1::REASON_TOTAL_TIMEOUT);
        } else {
          finish(id, v1::TASK_STATE_FAILED, v1::REASON_TOTAL_TIMEOUT);
        }
      }
      break;
    case timer_kind::cancel_grace:
      if (task.is_cancel_requested && task.due <= now_) finish(id, v1::TASK_STATE_CANCELED, task.cancel_reason);
      break;
    case timer_kind::retention:
      if (is_final(task.state) && task.plan == 0 && task.finished + limits_.retention_ms <= now_) purge_task(id);
      break;
    default:
      break;
  }
}

expectation task_model::tick() {
  const auto end = timers_.lower_bound({now_ + 1, core::timer_kind{}, 0});
  const std::vector<std::tuple<std::int64_t, core::timer_kind, std::uint64_t>> due{timers_.begin(), end};
  timers_.erase(timers_.begin(), end);
  for (const auto& [at, kind, id] : due) {
    if (kind == core::timer_kind::worker_retention) {
      const auto worker = workers_.find(id);
      const bool has_ended = worker != workers_.end() && (worker->second.state == v1::WORKER_STATE_LOST ||
                                                          worker->second.state == v1::WORKER_STATE_GONE);
      if (has_ended && worker->second.ended + limits_.retention_ms <= now_) workers_.erase(worker);
    } else if (kind < core::timer_kind::plan_deadline) {
      fire_task_timer(kind, id);
    } else {
      fire_plan_timer(kind, id);
    }
  }
  return accept();
}

expectation task_model::apply(const v1::Command& command) {
  now_ = std::max(command.time_unix_ms(), applied_);
  expectation answer;
  using body = v1::Command::BodyCase;
  switch (command.body_case()) {
    case body::kCreateTask:
      answer = create_task(command.create_task());
      break;
    case body::kUpdateTaskStatus:
      answer = update_task(command.update_task_status());
      break;
    case body::kReport:
      answer = report(command.reporting_worker_id(), command.report());
      break;
    case body::kCancelTask:
      answer = cancel_task(command.cancel_task());
      break;
    case body::kRetryTask:
      answer = retry_task(command.retry_task().task_id());
      break;
    case body::kPurgeTask:
      answer = purge_task(command.purge_task().task_id());
      break;
    case body::kRegisterWorker:
      answer = register_worker(command.register_worker());
      break;
    case body::kDrainWorker:
      answer = drain_worker(command.drain_worker());
      break;
    case body::kEndWorker:
      answer = end_worker(command.end_worker());
      break;
    case body::kOfferSlots:
      answer = offer_slots(command.offer_slots());
      break;
    case body::kBeginPlan:
      answer = begin_plan(command.begin_plan());
      break;
    case body::kAppendSteps:
      answer = append_steps(command.append_steps());
      break;
    case body::kCommitPlan:
      answer = commit_plan(command.commit_plan().plan_id());
      break;
    case body::kCreatePlan:
      answer = create_plan(command.create_plan());
      break;
    case body::kControlPlan:
      answer = control_plan(command.control_plan());
      break;
    case body::kDropPlan:
      answer = drop_plan(command.drop_plan().plan_id());
      break;
    case body::kPublishEvent:
      answer = command.publish_event().task().name().empty() ? refuse(errc::invalid_argument) : accept();
      break;
    case body::kTick:
      answer = command.tick().limit() == 0 ? refuse(errc::invalid_argument) : tick();
      break;
    case body::kSetLimits:  // the model's are fixed: core_limit_rules_test
    case body::BODY_NOT_SET:
      answer = refuse(errc::invalid_argument);
      break;
  }
  if (answer.code == errc::none && !answer.is_replay) applied_ = now_;
  return answer;
}

}  // namespace hive::test
