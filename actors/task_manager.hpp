#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Tasks: changes become commands for the ledger, which answers the caller; reads come from a snapshot and never
/// wait for writes.
struct task_manager_state {
  static inline const char* const name = "task_manager";
  using pointer = task_manager_actor::stateful_pointer<task_manager_state>;

  /// A few tasks to create: what somebody waits for on an idle system. See front::subtype.
  static bool is_brief(const caf::type_erased_tuple& content) {
    return content.match_elements<v1::CreateTasksRequest>() &&
           content.get_as<v1::CreateTasksRequest>(0).specs_size() <= brief_items_max;
  }

  caf::result<v1::CreateTasksResponse> on_create(v1::CreateTasksRequest& request);
  caf::result<v1::UpdateTaskStatusesResponse> on_update(v1::UpdateTaskStatusesRequest& request);
  caf::result<v1::CancelTasksResponse> on_cancel(const v1::CancelTasksRequest& request);
  caf::result<v1::RetryTasksResponse> on_retry(const v1::RetryTasksRequest& request);
  caf::result<v1::PurgeTasksResponse> on_purge(const v1::PurgeTasksRequest& request);
  caf::result<v1::GetTasksResponse> on_get(const v1::GetTasksRequest& request);
  caf::result<v1::ListTasksResponse> on_list(const v1::ListTasksRequest& request);
  caf::result<v1::GetTaskLogsResponse> on_logs(const v1::GetTaskLogsRequest& request);
  caf::result<v1::ExplainTaskResponse> on_explain(const v1::ExplainTaskRequest& request);

  pointer self = nullptr;
  service_context_ptr context;
  ledger_actor writer;
};

task_manager_actor::behavior_type task_manager(task_manager_actor::stateful_pointer<task_manager_state> self,
                                               service_context_ptr context, ledger_actor writer);

}  // namespace hive
