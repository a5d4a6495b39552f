#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "core/table.hpp"
#include "hive/v1/api.pb.h"
#include "hive/v1/command.pb.h"

namespace hive::core {

/// Read-only views for the facades. All take one snapshot, keep no state and are safe to call from any
/// thread that owns its reader. Staged plans and their steps are invisible to all of them; so is a plan that is
/// being purged. A record that cannot be parsed is thrown as table_error data_loss, as the reader's own failures are.
/// Pages end early at 512 KiB, so that an answer fits a message.

result<v1::Task> get_task(const table_reader& tables, task_id id, bool with_payload, bool with_result);

/// Filters, pages, order by id (queued: priority, then id, as dispatch would). Looks at no more than
/// 100,000 entries a call; a page may then be short and still carry a token. invalid_argument for a bad
/// token, limit, state or label; not_found for an unknown plan. A worker's tasks are those that it holds. Queued tasks
/// of one plan or worker, and with newest_first, come by id. A token is good for the same filter and order only.
result<v1::ListTasksResponse> list_tasks(const table_reader& tables, const v1::ListTasksRequest& request);

/// Chunks from `offset` on, the first and last cut to what was asked for; limit_bytes is 1 to 512 KiB.
result<v1::GetTaskLogsResponse> get_task_logs(const table_reader& tables, const v1::GetTaskLogsRequest& request);

/// Counts cost O(unfinished steps + leases). At most 1,000 names of the critical path, the latest ones; at most 10,000
/// needs a step.
result<v1::GetPlanStatusResponse> get_plan_status(const table_reader& tables, const v1::GetPlanStatusRequest& request);
/// Without critical paths. Looks at no more than 100,000 plans a call; a page may then be short.
result<v1::ListPlansResponse> list_plans(const table_reader& tables, const v1::ListPlansRequest& request);
/// Nothing while the plan is paused or ends. O(queued tasks) or O(steps), whichever are fewer.
result<v1::GetNextStepResponse> get_next_step(const table_reader& tables, plan_id plan);
/// Unmet: every need that has not completed. Their views leave out the names of needs.
/// failed_precondition for a task that is no step.
result<v1::CheckDependenciesResponse> check_dependencies(const table_reader& tables, task_id step);

/// Durable part and the number of leases (slots_used, tasks_ahead); worker_registry lays the live part over it.
/// active_only: neither draining, lost nor gone.
result<v1::Worker> get_worker(const table_reader& tables, worker_id id);
result<v1::Worker> get_worker_by_name(const table_reader& tables, std::string_view name);
result<v1::ListWorkersResponse> list_workers(const table_reader& tables, const v1::ListWorkersRequest& request);

/// Events after `after_seq` that pass the filter, at most `limit`. `cursor` moves over the ones that do
/// not pass, too. Looks at no more than 100,000 events a call. failed_precondition with the first available
/// sequence in the message if events after the cursor have been purged.
result<v1::ReadEventsResponse> read_events(const table_reader& tables, const v1::ReadEventsRequest& request);

/// True if the event passes every part of the filter that is set.
bool is_match(const v1::EventFilter& filter, const v1::Event& event);
/// invalid_argument for a filter over the limits (1,000 entries a part) or with a malformed name.
result<void> validate_filter(const v1::EventFilter& filter);

/// Counts only (tasks, plans and workers by state, event range); O(types).
v1::StatusResponse summarize(const table_reader& tables);

/// What explain needs to know of a worker that the tables do not say.
struct worker_liveness {
  bool is_connected = false;
  std::uint32_t slots_free = 0;
};

/// Why the task is where it is, from the durable state and live workers.
result<v1::ExplainTaskResponse> explain_task(const table_reader& tables, task_id id, std::int64_t now_unix_ms,
                                             const std::function<worker_liveness(worker_id)>& liveness);

/// Would this worker be able to take a task of this signature (types, capabilities, labels)?
bool is_match(const v1::Signature& signature, const v1::WorkerSpec& worker);

}  // namespace hive::core
