#include "actors/dispatcher.hpp"

#include <algorithm>
#include <map>

#include <caf/actor_cast.hpp>

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"

namespace hive {
namespace {

/// One AssignTasks holds no more than this, unless a single assignment is larger.
constexpr std::uint64_t assign_bytes_max = 1 << 20;
constexpr int assign_items_max = 1000;

std::uint64_t size_of(const v1::TaskAssignment& value) { return value.ByteSizeLong(); }

error session_over(const session_table& sessions, std::uint64_t worker, std::uint64_t session) {
  const auto current = sessions.find({worker});
  std::string message = "session " + std::to_string(session) + " of " + to_string(worker_id{worker}) + " is over";
  if (current) message += ": session " + std::to_string(current->number.value) + " is open";
  return {errc::failed_precondition, message + "; register anew", "session"};
}

}  // namespace

caf::result<v1::ReportTasksResponse> dispatcher_state::on_report(v1::ReportTasksRequest& request) {
  if (auto fits = check_batch_size(request.reports_size(), "reports"); !fits) {
    return refuse(*context, name, fits.failure());
  }
  // A worker that is registered by hand has no open session here: core compares worker and attempt in any case.
  const auto current = context->sessions->find({request.worker_id()});
  if (current && request.session() != 0 && current->number.value != request.session()) {
    return refuse(*context, name, session_over(*context->sessions, request.worker_id(), request.session()));
  }
  if (current) context->sessions->touch({request.worker_id()}, self->clock().now());
  const std::uint64_t bytes = request.ByteSizeLong();
  change_batch batch(request.reports_size());
  for (int i = 0; i < request.reports_size(); ++i) {
    auto& report = *request.mutable_reports(i);
    if (report.task_id() == 0 || report.attempt() == 0) {
      batch.refuse_item(i, {errc::invalid_argument, "task_id and attempt must be set", "task_id"});
    } else if (report.body_case() == v1::TaskReport::BODY_NOT_SET) {
      batch.refuse_item(i, {errc::invalid_argument, "the report says nothing", "body"});
    } else {
      auto& command = batch.add_command(i);
      command.set_reporting_worker_id(request.worker_id());
      command.mutable_report()->Swap(&report);
    }
  }
  return batch.submit<v1::ReportTasksResponse>(self, *context, writer, bytes, true);
}

void dispatcher_state::on_batch(dispatch_batch& batch) {
  push_assignments(batch.assignments);
  push_revocations(batch.revocations);
  if (context->probe != nullptr && !batch.assignments.empty()) {
    const auto latency = std::chrono::steady_clock::now() - batch.arrived_at;
    for (std::size_t i = 0; i < batch.assignments.size(); ++i) context->probe->assignment_pushed(latency);
  }
}

void dispatcher_state::push_assignments(std::vector<core::assignment>& assignments) {
  std::stable_sort(
      assignments.begin(), assignments.end(),
      [](const core::assignment& left, const core::assignment& right) { return left.worker < right.worker; });
  std::optional<session_table::session> session;
  v1::AssignTasks message;
  std::uint64_t bytes = 0;
  worker_id receiver;
  const auto send_message = [&] {
    if (message.assignments_size() > 0 && session) {
      self->send(caf::actor_cast<worker_session_actor>(session->actor), std::move(message));
    }
    message.Clear();
    bytes = 0;
  };
  for (auto& value : assignments) {
    const std::uint64_t size = size_of(value.message);
    if (value.worker != receiver) {
      send_message();
      receiver = value.worker;
      // No session: the worker's connection is gone; its grace period decides what becomes of the lease.
      session = context->sessions->find(receiver);
    } else if (bytes + size > assign_bytes_max || message.assignments_size() >= assign_items_max) {
      send_message();
    }
    bytes += size;
    message.add_assignments()->Swap(&value.message);
  }
  send_message();
}

void dispatcher_state::push_revocations(const std::vector<core::revocation>& revocations) {
  std::map<std::pair<worker_id, v1::Reason>, v1::CancelAssignments> messages;
  for (const auto& value : revocations) {
    auto& message = messages[{value.worker, value.reason}];
    message.set_message(v1::Reason_Name(value.reason));
    auto& task = *message.add_tasks();
    task.set_task_id(value.task.value);
    task.set_attempt(static_cast<std::uint32_t>(value.attempt_number.value));
  }
  for (auto& [receiver, message] : messages) {
    const auto session = context->sessions->find(receiver.first);
    if (session) self->send(caf::actor_cast<worker_session_actor>(session->actor), std::move(message));
  }
}

dispatcher_service::behavior_type dispatcher(dispatcher_service::stateful_pointer<dispatcher_state> self,
                                             service_context_ptr context, ledger_actor writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  return {
      guarded(self, [&state](v1::ReportTasksRequest& request) { return state.on_report(request); }),
      guarded(self, [&state](dispatch_batch_ptr& batch) { state.on_batch(*batch); }),
  };
}

}  // namespace hive
