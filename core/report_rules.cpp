#include "core/plan_rules.hpp"
#include "core/rules.hpp"

namespace hive::core {
namespace {

using body_case = v1::TaskReport::BodyCase;

constexpr std::uint32_t progress_ppm_max = 1'000'000;

std::optional<error> check_result(const std::string& result, const std::string& content_type, const core_limits& limits,
                                  const std::string& path) {
  if (result.size() > limits.payload_bytes_max) {
    return error{errc::invalid_argument, "is longer than " + std::to_string(limits.payload_bytes_max) + " bytes",
                 path + "result"};
  }
  if (content_type.size() > limits.name_bytes_max) {
    return error{errc::invalid_argument, "is longer than " + std::to_string(limits.name_bytes_max) + " bytes",
                 path + "content_type"};
  }
  return std::nullopt;
}

std::optional<error> check_report(const v1::TaskReport& report, const core_limits& limits) {
  switch (report.body_case()) {
    case body_case::BODY_NOT_SET:
      return error{errc::invalid_argument, "says nothing", "body"};
    case body_case::kProgress:
      if (report.progress().ppm() <= progress_ppm_max) return std::nullopt;
      return error{errc::invalid_argument, "is more than 1000000", "progress.ppm"};
    case body_case::kLog:
      if (report.log().data().empty()) return error{errc::invalid_argument, "must not be empty", "log.data"};
      if (report.log().data().size() <= limits.log_chunk_bytes_max) return std::nullopt;
      return error{errc::invalid_argument, "is longer than " + std::to_string(limits.log_chunk_bytes_max) + " bytes",
                   "log.data"};
    case body_case::kCompleted:
      return check_result(report.completed().result(), report.completed().content_type(), limits, "completed.");
    case body_case::kFailed:
      return check_result(report.failed().result(), report.failed().content_type(), limits, "failed.");
    default:
      return std::nullopt;
  }
}

/// The worker says again what has been taken in: its first answer was lost on the way.
bool is_repeated(const v1::TaskReport& report, const v1::TaskStatus& status) {
  switch (report.body_case()) {
    case body_case::kStarted:
      return status.state() == v1::TASK_STATE_RUNNING;
    case body_case::kCompleted:
      return status.state() == v1::TASK_STATE_COMPLETED;
    case body_case::kFailed:
      return status.state() == v1::TASK_STATE_FAILED || status.state() == v1::TASK_STATE_CANCELED;
    case body_case::kCanceled:
      return status.state() == v1::TASK_STATE_CANCELED;
    default:
      return false;
  }
}

error stale_report(const v1::TaskReport& report, worker_id worker, const v1::TaskStatus& status) {
  std::string holder = "attempt " + std::to_string(status.attempt());
  if (status.worker_id() != 0) holder += " on " + to_string(worker_id{status.worker_id()});
  return {errc::failed_precondition,
          "the task is " + to_string(status.state()) + " (" + holder + "), not held by attempt " +
              std::to_string(report.attempt()) + " on " + to_string(worker),
          "attempt"};
}

void add_progress(context& on, task_id id, v1::TaskStatus& status, const v1::TaskReport::Progress& progress) {
  status.set_progress_ppm(progress.ppm());
  const auto text = cut_text(progress.message(), on.state.limits.progress_message_bytes_max);
  status.set_progress_message(text.data(), text.size());
  emit_task(on, "task.progressed", id, status, {.message = status.progress_message()});
}

/// Keeps the first log_bytes_max bytes of a task's log; the rest is dropped and marked.
void add_log(context& on, task_id id, v1::TaskStatus& status, const v1::TaskReport::LogLines& log) {
  const std::uint64_t bytes_max = on.state.limits.log_bytes_max;
  const std::uint64_t room = bytes_max > status.log_bytes() ? bytes_max - status.log_bytes() : 0;
  if (room < log.data().size()) status.set_log_truncated(true);
  if (room == 0) return;
  v1::TaskLogChunk chunk;
  chunk.set_offset(status.log_bytes());
  chunk.set_stream(log.stream());
  chunk.set_data(log.data().substr(0, room));
  chunk.set_attempt(status.attempt());
  chunk.set_time_unix_ms(on.now);
  put_message(on, table::task_log, key{}.u64(id.value).u64(status.log_bytes()), chunk);
  status.set_log_bytes(status.log_bytes() + chunk.data().size());
  emit_task(on, "task.logged", id, status);
}

void end_lease(context& on, task_id id, v1::TaskStatus& status, const v1::TaskReport& report) {
  switch (report.body_case()) {
    case body_case::kCompleted: {
      const auto& completed = report.completed();
      put_result(on, id, status, completed.result(), completed.content_type());
      finish_task(on, id, status, {v1::TASK_STATE_COMPLETED, v1::REASON_UNSPECIFIED});
      return;
    }
    case body_case::kFailed: {
      const auto& failed = report.failed();
      put_result(on, id, status, failed.result(), failed.content_type());
      status.set_workers_lost(0);
      fail_attempt(on, id, status, {v1::REASON_HANDLER_ERROR, failed.message(), failed.is_retryable()});
      return;
    }
    default:
      break;
  }
  // Canceled or returned. A worker that stopped a task unasked has given it back.
  if (status.cancel_requested()) {
    const std::string text = status.reason_text();
    finish_task(on, id, status, {v1::TASK_STATE_CANCELED, status.cancel_reason(), text});
    return;
  }
  // Held only in a worker's line: others may have a slot for it now.
  if (report.returned().is_untouched() && status.state() == v1::TASK_STATE_LEASED) {
    requeue_task(on, id, status, v1::REASON_LEASE_RETURNED, report.returned().why());
    return;
  }
  return_task(on, id, status, report.returned().why());
}

}  // namespace

void start_task(context& on, task_id id, v1::TaskStatus& status) {
  const std::int64_t due = status.due_unix_ms();
  const std::string text = status.reason_text();
  transition(on, id, status, v1::TASK_STATE_RUNNING,
             status.cancel_requested() ? v1::REASON_CANCEL_REQUESTED : v1::REASON_EXECUTING, text);
  status.set_due_unix_ms(due);
  status.set_started_unix_ms(on.now);
  emit_task(on, "task.started", id, status, {.wait_ms = on.now - status.leased_unix_ms()});
}

v1::Outcome apply_report(context& on, worker_id worker, const v1::TaskReport& report) {
  const task_id id{report.task_id()};
  if (const auto failure = check_report(report, on.state.limits)) return refuse(*failure);
  if (!worker.is_set()) return refuse(errc::invalid_argument, "is missing", "reporting_worker_id");
  auto found = load_visible_status(on, id);
  if (!found) return refuse(no_such_task(id));
  v1::TaskStatus& status = *found;
  const bool is_holder = status.worker_id() == worker.value && status.attempt() == report.attempt();
  if (is_holder && is_repeated(report, status)) {
    v1::Outcome outcome = accept(id, status);
    outcome.set_is_replay(true);
    return outcome;
  }
  if (!is_holder || !is_held(status.state())) return refuse(stale_report(report, worker, status));

  const bool is_ending = report.has_canceled() || report.has_returned();
  // Whatever a handler says of its work, it has started it.
  if (status.state() == v1::TASK_STATE_LEASED && !is_ending) start_task(on, id, status);
  switch (report.body_case()) {
    case body_case::kStarted:
      break;
    case body_case::kProgress:
      add_progress(on, id, status, report.progress());
      break;
    case body_case::kLog:
      add_log(on, id, status, report.log());
      break;
    default:
      end_lease(on, id, status, report);
      return accept(id, status);
  }
  store_status(on, id, status);
  return accept(id, status);
}

}  // namespace hive::core
