#include "core/plan_rules.hpp"
#include "core/rules.hpp"

namespace hive::core {
namespace {

constexpr std::uint32_t progress_ppm_max = 1'000'000;

std::optional<error> check_update(const v1::UpdateTaskStatus& update, const core_limits& limits) {
  const auto invalid = [](const char* message, const char* field) {
    return error{errc::invalid_argument, message, field};
  };
  if (update.state() == v1::TASK_STATE_UNSPECIFIED && !update.has_progress()) {
    return invalid("neither a state nor progress is given", "state");
  }
  if (update.has_progress() && update.progress_ppm() > progress_ppm_max) {
    return invalid("is more than 1000000", "progress_ppm");
  }
  if (update.result().size() > limits.payload_bytes_max) {
    return error{errc::invalid_argument, "is longer than " + std::to_string(limits.payload_bytes_max) + " bytes",
                 "result"};
  }
  if (update.result_content_type().size() > limits.name_bytes_max) {
    return error{errc::invalid_argument, "is longer than " + std::to_string(limits.name_bytes_max) + " bytes",
                 "result_content_type"};
  }
  const bool takes_result = update.state() == v1::TASK_STATE_COMPLETED || update.state() == v1::TASK_STATE_FAILED;
  if ((update.has_result() || !update.result().empty()) && !takes_result) {
    return invalid("only a completed or failed task has a result", "result");
  }
  return std::nullopt;
}

/// Why this update cannot be made to a task in this status.
std::optional<error> check_update_fits(const v1::UpdateTaskStatus& update, const v1::TaskStatus& status) {
  if (update.attempt() != 0 && update.attempt() != status.attempt()) {
    return error{
        errc::failed_precondition,
        "the task is at attempt " + std::to_string(status.attempt()) + ", not " + std::to_string(update.attempt()),
        "attempt"};
  }
  if (update.state() == v1::TASK_STATE_UNSPECIFIED) {
    if (is_held(status.state())) return std::nullopt;
    return error{errc::failed_precondition, "the task is " + to_string(status.state()) + " and makes no progress", {}};
  }
  if (!is_allowed_by_client(status.state(), update.state())) {
    return forbidden_transition(status.state(), update.state());
  }
  if (status.is_plan_parent() && !is_final(status.state())) {
    return error{errc::failed_precondition, "the task is the parent of a plan and ends with its plan", {}};
  }
  if (!is_held(status.state()) || status.worker_id() == 0) return std::nullopt;
  if (update.state() == v1::TASK_STATE_QUEUED || update.attempt() == 0) {
    return error{errc::failed_precondition,
                 "the task is " + to_string(status.state()) + " on " + to_string(worker_id{status.worker_id()}) +
                     ": it can be canceled, or completed or failed if its attempt is named",
                 "attempt"};
  }
  return std::nullopt;
}

void set_progress(context& on, v1::TaskStatus& status, const v1::UpdateTaskStatus& update) {
  status.set_progress_ppm(update.progress_ppm());
  const auto text = cut_text(update.progress_message(), on.state.limits.progress_message_bytes_max);
  status.set_progress_message(text.data(), text.size());
}

void drive_task(context& on, task_id id, v1::TaskStatus& status, const v1::UpdateTaskStatus& update) {
  if (update.state() == v1::TASK_STATE_RUNNING) {
    take_lease(on, id, status, worker_id{}, v1::TASK_STATE_RUNNING, v1::REASON_DRIVEN_BY_CLIENT);
    if (status.has_timeouts()) arm_run_timeout(on, id, status, require_spec(on, id));
    emit_task(on, "task.started", id, status, {.wait_ms = on.now - status.queued_unix_ms()});
    return;
  }
  if (update.state() == v1::TASK_STATE_QUEUED) {
    status.set_workers_lost(0);
    requeue_task(on, id, status, v1::REASON_UPDATED_BY_CLIENT, update.message());
    return;
  }
  if (status.state() == v1::TASK_STATE_LEASED) start_task(on, id, status);
  put_result(on, id, status, update.result(), update.result_content_type());
  finish_task(on, id, status, {update.state(), v1::REASON_UPDATED_BY_CLIENT, update.message(), true});
}

}  // namespace

std::optional<v1::TaskStatus> load_visible_status(const context& on, task_id id) {
  auto status = load_status(on, id);
  // Steps of a staged plan are blocked: no look at the plan for all others.
  const bool may_be_staged = status && status->plan_id() != 0 && status->state() == v1::TASK_STATE_BLOCKED;
  if (may_be_staged && is_staged_step(on, *status)) status.reset();
  return status;
}

void put_result(context& on, task_id id, v1::TaskStatus& status, const std::string& payload,
                const std::string& content_type) {
  if (payload.empty()) {
    if (status.has_result()) on.tables.erase(table::task_result, key{}.u64(id.value));
    status.set_has_result(false);
    return;
  }
  v1::TaskResult result;
  result.set_payload(payload);
  result.set_content_type(content_type);
  result.set_attempt(status.attempt());
  result.set_worker_id(status.worker_id());
  put_message(on, table::task_result, key{}.u64(id.value), result);
  status.set_has_result(true);
}

v1::Outcome apply_create_task(context& on, const v1::CreateTask& command) {
  const v1::TaskSpec& spec = command.spec();
  if (const auto failure = check_spec(on.state.limits, spec, "spec.")) return refuse(*failure);
  if (spec.plan_id() != 0 || spec.step_index() != 0) {
    return refuse(errc::invalid_argument, "is set by the state machine only", "spec.plan_id");
  }
  if (!spec.idempotency_key().empty()) {
    if (const auto known = on.tables.get(table::idempotency, key{}.bytes("t").bytes(spec.idempotency_key()))) {
      const task_id id{read_u64(*known, 0)};
      const auto status = load_status(on, id);
      if (!status) throw table_error(errc::data_loss, "an idempotency key points to no task");
      v1::Outcome outcome = accept(id, *status);
      outcome.set_is_replay(true);
      return outcome;
    }
  }
  if (auto failure = check_signature(on, spec)) {
    failure->field = "spec." + failure->field;
    return refuse(*failure);
  }
  const task_id id = take_task_ids(on);
  return accept(id, create_task(on, id, spec));
}

v1::Outcome apply_update_task_status(context& on, const v1::UpdateTaskStatus& update) {
  const task_id id{update.task_id()};
  if (const auto failure = check_update(update, on.state.limits)) return refuse(*failure);
  if (update.state() == v1::TASK_STATE_CANCELED) {
    v1::CancelTask cancel;
    cancel.set_task_id(id.value);
    cancel.set_message(update.message());
    if (update.attempt() != 0) {
      const auto status = load_visible_status(on, id);
      if (status && update.attempt() != status->attempt()) return refuse(*check_update_fits(update, *status));
    }
    return apply_cancel_task(on, cancel);
  }
  auto status = load_visible_status(on, id);
  if (!status) return refuse(no_such_task(id));
  const bool is_repeated = update.attempt() != 0 && update.attempt() == status->attempt() &&
                           is_final(status->state()) && update.state() == status->state();
  if (is_repeated) {
    v1::Outcome outcome = accept(id, *status);
    outcome.set_is_replay(true);
    return outcome;
  }
  if (const auto failure = check_update_fits(update, *status)) return refuse(*failure);
  if (update.state() == v1::TASK_STATE_RUNNING && status->plan_id() != 0) {
    if (const auto failure = check_step_may_start(on, *status)) return refuse(*failure);
  }
  if (update.has_progress() && update.state() == v1::TASK_STATE_UNSPECIFIED) {
    set_progress(on, *status, update);
    emit_task(on, "task.progressed", id, *status, {.message = status->progress_message()});
    store_status(on, id, *status);
  } else {
    if (update.has_progress()) set_progress(on, *status, update);
    drive_task(on, id, *status, update);
  }
  return accept(id, *status);
}

v1::Outcome apply_cancel_task(context& on, const v1::CancelTask& command) {
  const task_id id{command.task_id()};
  if (command.grace_ms() < 0) return refuse(errc::invalid_argument, "is negative", "grace_ms");
  auto status = load_visible_status(on, id);
  if (!status) return refuse(no_such_task(id));
  if (status->state() == v1::TASK_STATE_CANCELED || status->cancel_requested()) {
    v1::Outcome outcome = accept(id, *status);
    outcome.set_is_replay(true);
    return outcome;
  }
  if (is_final(status->state())) return refuse(forbidden_transition(status->state(), v1::TASK_STATE_CANCELED));
  if (status->is_plan_parent()) {
    cancel_plan_of_parent(on, id, v1::REASON_CANCELED_BY_CLIENT, command.message());
    status = load_status(on, id);
    if (!status) throw table_error(errc::data_loss, "a plan was canceled and lost its parent");
  } else if (is_held(status->state())) {
    request_cancel(on, id, *status, v1::REASON_CANCELED_BY_CLIENT, command.message(), command.grace_ms());
  } else {
    finish_task(on, id, *status, {v1::TASK_STATE_CANCELED, v1::REASON_CANCELED_BY_CLIENT, command.message()});
  }
  return accept(id, *status);
}

v1::Outcome apply_retry_task(context& on, const v1::RetryTask& command) {
  const task_id id{command.task_id()};
  auto status = load_visible_status(on, id);
  if (!status) return refuse(no_such_task(id));
  if (status->state() != v1::TASK_STATE_FAILED && status->state() != v1::TASK_STATE_CANCELED) {
    return refuse(errc::failed_precondition,
                  "the task is " + to_string(status->state()) + ": only failed and canceled tasks can be retried");
  }
  if (status->is_plan_parent()) {
    return refuse(errc::failed_precondition, "the task is the parent of a plan: retry the plan");
  }
  if (status->plan_id() != 0) {
    if (auto refusal = readmit_step(on, id, *status)) return std::move(*refusal);
  }
  put_result(on, id, *status, {}, {});
  status->set_failures(0);
  status->set_workers_lost(0);
  make_ready(on, id, *status, v1::REASON_RETRIED_BY_CLIENT);
  return accept(id, *status);
}

void purge_single_task(context& on, task_id id, const v1::TaskStatus& status) {
  emit_task(on, "task.purged", id, status);
  erase_task(on, id, status);
}

v1::Outcome apply_purge_task(context& on, const v1::PurgeTask& command) {
  const task_id id{command.task_id()};
  const auto status = load_visible_status(on, id);
  if (!status) return refuse(no_such_task(id));
  if (status->plan_id() != 0) {
    return refuse(errc::failed_precondition,
                  "the task is a step and is purged with its plan, " + to_string(task_id{status->plan_id()}));
  }
  if (!is_final(status->state())) {
    return refuse(errc::failed_precondition,
                  "the task is " + to_string(status->state()) + ": only final tasks can be purged");
  }
  if (status->is_plan_parent()) {
    purge_plan(on, id);
  } else {
    purge_single_task(on, id, *status);
  }
  return accept(id, *status);
}

}  // namespace hive::core
