#include "actors/task_manager.hpp"

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"
#include "core/plan_validator.hpp"
#include "core/queries.hpp"

namespace hive {
namespace {

/// States that a client may set by hand; UNSPECIFIED sets progress only. CAF does not check enums from the wire.
bool is_settable(v1::TaskState state) {
  switch (state) {
    case v1::TASK_STATE_UNSPECIFIED:
    case v1::TASK_STATE_QUEUED:
    case v1::TASK_STATE_RUNNING:
    case v1::TASK_STATE_COMPLETED:
    case v1::TASK_STATE_FAILED:
    case v1::TASK_STATE_CANCELED:
      return true;
    default:
      return false;
  }
}

error missing_id() { return {errc::invalid_argument, "task_id must be set", "task_id"}; }

/// The three changes that need nothing but an id.
template <class Response, class Request, class Fill>
caf::result<Response> change_by_id(task_manager_state& state, const Request& request, bool is_ending_work,
                                   const Fill& fill) {
  if (auto fits = check_batch_size(request.task_ids_size(), "task_ids"); !fits) {
    return refuse(*state.context, state.name, fits.failure());
  }
  change_batch batch(request.task_ids_size());
  for (int i = 0; i < request.task_ids_size(); ++i) {
    if (request.task_ids(i) == 0) {
      batch.refuse_item(i, missing_id());
    } else {
      fill(batch.add_command(i), request.task_ids(i));
    }
  }
  return batch.submit<Response>(state.self, *state.context, state.writer, request.ByteSizeLong(), is_ending_work);
}

}  // namespace

caf::result<v1::CreateTasksResponse> task_manager_state::on_create(v1::CreateTasksRequest& request) {
  if (auto fits = check_batch_size(request.specs_size(), "specs"); !fits) {
    return refuse(*context, name, fits.failure());
  }
  const std::uint64_t bytes = request.ByteSizeLong();
  change_batch batch(request.specs_size());
  for (int i = 0; i < request.specs_size(); ++i) {
    auto& spec = *request.mutable_specs(i);
    if (auto normal = core::normalize_spec(spec, context->limits, "spec."); !normal) {
      batch.refuse_item(i, normal.failure());
    } else {
      batch.add_command(i).mutable_create_task()->mutable_spec()->Swap(&spec);
    }
  }
  return batch.submit<v1::CreateTasksResponse>(self, *context, writer, bytes);
}

caf::result<v1::UpdateTaskStatusesResponse> task_manager_state::on_update(v1::UpdateTaskStatusesRequest& request) {
  if (auto fits = check_batch_size(request.updates_size(), "updates"); !fits) {
    return refuse(*context, name, fits.failure());
  }
  const std::uint64_t bytes = request.ByteSizeLong();
  change_batch batch(request.updates_size());
  for (int i = 0; i < request.updates_size(); ++i) {
    auto& update = *request.mutable_updates(i);
    if (update.task_id() == 0) {
      batch.refuse_item(i, missing_id());
      continue;
    }
    if (!is_settable(update.state())) {
      batch.refuse_item(
          i, {errc::invalid_argument, "state can be set to queued, running, completed, failed or canceled", "state"});
      continue;
    }
    auto& change = *batch.add_command(i).mutable_update_task_status();
    change.set_task_id(update.task_id());
    change.set_state(update.state());
    change.set_attempt(update.attempt());
    change.set_allocated_message(update.release_message());
    change.set_allocated_result(update.release_result());
    change.set_allocated_result_content_type(update.release_result_content_type());
    change.set_has_result(update.has_result());
    change.set_has_progress(update.has_progress());
    change.set_progress_ppm(update.progress_ppm());
    change.set_allocated_progress_message(update.release_progress_message());
  }
  return batch.submit<v1::UpdateTaskStatusesResponse>(self, *context, writer, bytes, true);
}

caf::result<v1::CancelTasksResponse> task_manager_state::on_cancel(const v1::CancelTasksRequest& request) {
  if (request.grace_ms() < 0) {
    return refuse(*context, name, {errc::invalid_argument, "grace_ms must not be negative", "grace_ms"});
  }
  return change_by_id<v1::CancelTasksResponse>(*this, request, true, [&](v1::Command& command, std::uint64_t id) {
    command.mutable_cancel_task()->set_task_id(id);
    command.mutable_cancel_task()->set_message(request.message());
    command.mutable_cancel_task()->set_grace_ms(request.grace_ms());
  });
}

caf::result<v1::RetryTasksResponse> task_manager_state::on_retry(const v1::RetryTasksRequest& request) {
  return change_by_id<v1::RetryTasksResponse>(*this, request, false, [](v1::Command& command, std::uint64_t id) {
    command.mutable_retry_task()->set_task_id(id);
  });
}

caf::result<v1::PurgeTasksResponse> task_manager_state::on_purge(const v1::PurgeTasksRequest& request) {
  return change_by_id<v1::PurgeTasksResponse>(*this, request, true, [](v1::Command& command, std::uint64_t id) {
    command.mutable_purge_task()->set_task_id(id);
  });
}

caf::result<v1::GetTasksResponse> task_manager_state::on_get(const v1::GetTasksRequest& request) {
  if (auto fits = check_batch_size(request.task_ids_size(), "task_ids"); !fits) {
    return refuse(*context, name, fits.failure());
  }
  const auto snapshot = context->store->read();
  // Room for one task with payload and result of the largest size.
  const std::uint64_t bytes_max = message_bytes_max(context->limits) + context->limits.payload_bytes_max;
  std::uint64_t bytes = 0;
  v1::GetTasksResponse response;
  for (const std::uint64_t id : request.task_ids()) {
    auto& item = *response.add_items();
    if (bytes >= bytes_max) {
      *item.mutable_status() =
          to_status({errc::resource_exhausted, "the answer is full: ask for fewer tasks at a time", "task_ids"});
      continue;
    }
    auto task = core::get_task(*snapshot, {id}, request.with_payload(), request.with_result());
    if (!task) {
      *item.mutable_status() = to_status(task.failure());
      continue;
    }
    bytes += task->ByteSizeLong();
    item.mutable_task()->Swap(&*task);
  }
  return response;
}

caf::result<v1::ListTasksResponse> task_manager_state::on_list(const v1::ListTasksRequest& request) {
  return to_caf(core::list_tasks(*context->store->read(), request));
}

caf::result<v1::GetTaskLogsResponse> task_manager_state::on_logs(const v1::GetTaskLogsRequest& request) {
  return to_caf(core::get_task_logs(*context->store->read(), request));
}

caf::result<v1::ExplainTaskResponse> task_manager_state::on_explain(const v1::ExplainTaskRequest& request) {
  const auto liveness = [this](worker_id worker) -> core::worker_liveness {
    const auto session = context->sessions->find(worker);
    if (!session) return {};
    return {.is_connected = session->actor != nullptr,
            .slots_free = session->slots > session->used ? session->slots - session->used : 0};
  };
  return to_caf(core::explain_task(*context->store->read(), {request.task_id()}, context->now_unix_ms(), liveness));
}

task_manager_actor::behavior_type task_manager(task_manager_actor::stateful_pointer<task_manager_state> self,
                                               service_context_ptr context, ledger_actor writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  return {
      guarded(self, [&state](v1::CreateTasksRequest& request) { return state.on_create(request); }),
      guarded(self, [&state](const v1::GetTasksRequest& request) { return state.on_get(request); }),
      guarded(self, [&state](const v1::ListTasksRequest& request) { return state.on_list(request); }),
      guarded(self, [&state](v1::UpdateTaskStatusesRequest& request) { return state.on_update(request); }),
      guarded(self, [&state](const v1::CancelTasksRequest& request) { return state.on_cancel(request); }),
      guarded(self, [&state](const v1::RetryTasksRequest& request) { return state.on_retry(request); }),
      guarded(self, [&state](const v1::PurgeTasksRequest& request) { return state.on_purge(request); }),
      guarded(self, [&state](const v1::GetTaskLogsRequest& request) { return state.on_logs(request); }),
      guarded(self, [&state](const v1::ExplainTaskRequest& request) { return state.on_explain(request); }),
  };
}

}  // namespace hive
