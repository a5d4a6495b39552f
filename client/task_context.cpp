#include <utility>

#include "client/worker_session.hpp"

namespace hive {

task_outcome::task_outcome(const error& failure) : value_(task_failure{to_string(failure), true, {}, {}}) {
  switch (failure.code) {
    case errc::invalid_argument:
    case errc::not_found:
    case errc::already_exists:
    case errc::failed_precondition:
    case errc::permission_denied:
      std::get<task_failure>(value_).is_retryable = false;
      break;
    default:
      break;
  }
}

task_context::task_context(worker_session& session, std::shared_ptr<running_task> task)
    : session_(session), task_(std::move(task)) {}

task_id task_context::id() const { return {task_->assignment.task_id()}; }
hive::attempt task_context::attempt() const { return {task_->assignment.attempt()}; }
const v1::TaskSpec& task_context::spec() const { return task_->assignment.spec(); }
const std::string& task_context::payload() const { return task_->assignment.spec().payload(); }
const std::string& task_context::step_name() const { return task_->assignment.step_name(); }

const google::protobuf::RepeatedPtrField<v1::StepInput>& task_context::inputs() const {
  return task_->assignment.inputs();
}

const v1::StepInput* task_context::input(std::string_view step_name) const {
  for (const auto& one : task_->assignment.inputs()) {
    if (one.step_name() == step_name) return &one;
  }
  return nullptr;
}

void task_context::progress(double fraction, std::string message) {
  session_.report_progress(task_, fraction, std::move(message));
}

void task_context::log(v1::TaskLogChunk::Stream stream, std::string_view bytes) {
  session_.report_log(task_, stream, bytes);
}

bool task_context::is_canceled() const { return task_->stop.stop_requested(); }
std::stop_token task_context::cancel_token() const { return task_->stop.get_token(); }

std::optional<std::chrono::system_clock::time_point> task_context::deadline() const {
  const auto at = task_->assignment.run_deadline_unix_ms();
  if (at == 0) return std::nullopt;
  return std::chrono::system_clock::time_point(milliseconds(at));
}

}  // namespace hive
