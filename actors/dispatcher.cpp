#include "actors/dispatcher.hpp"

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"

namespace hive {
namespace {

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
  if (current) {
    const std::uint32_t slots = std::min(current->slots, context->limits.slots_max);
    batch.request().prefetch = {
        {request.worker_id()}, current->number, std::min(request.prefetch(), context->limits.slots_max - slots)};
  }
  return batch.submit<v1::ReportTasksResponse>(self, *context, writer, bytes, true);
}

dispatcher_actor::behavior_type dispatcher(dispatcher_actor::stateful_pointer<dispatcher_state> self,
                                           service_context_ptr context, ledger_actor writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  return {
      guarded(self, [&state](v1::ReportTasksRequest& request) { return state.on_report(request); }),
  };
}

}  // namespace hive
