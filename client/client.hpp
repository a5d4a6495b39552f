#pragma once

#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "client/event_bus.hpp"
#include "client/types.hpp"
#include "config/config.hpp"
#include "hive/v1/cluster.pb.h"

namespace hive {

/// The calls of `client` as futures, same names. Every future becomes ready within the total timeout. Calls
/// beyond the window (config inflight_max) wait in a bounded queue; beyond that they fail with resource_exhausted.
class async_client {
 public:
  template <class T>
  using future = std::future<result<T>>;

  explicit async_client(std::shared_ptr<channel> connection);

  future<task_change> create_task(v1::TaskSpec spec);
  future<std::vector<result<task_change>>> create_tasks(std::vector<v1::TaskSpec> specs);
  future<v1::Task> get_task(task_id id, task_parts parts = {});
  future<std::vector<result<v1::Task>>> get_tasks(std::vector<task_id> ids, task_parts parts = {});
  future<task_change> update_task_status(v1::TaskStatusUpdate update);
  future<v1::ListTasksResponse> list_tasks(v1::ListTasksRequest request);
  future<v1::ListTasksResponse> get_tasks_by_status(v1::TaskState state, const page_request& page = {});
  future<v1::ListTasksResponse> get_queued_tasks(const page_request& page = {});
  future<v1::ListTasksResponse> get_pending_tasks(const page_request& page = {});
  future<task_change> cancel_task(task_id id, std::string message = {}, milliseconds grace = {});
  future<task_change> retry_task(task_id id);
  future<task_change> purge_task(task_id id);
  future<v1::GetTaskLogsResponse> get_task_logs(task_id id, std::uint64_t offset = 0, std::uint32_t limit_bytes = 0);
  future<v1::ExplainTaskResponse> explain_task(task_id id);
  future<v1::Task> wait_task(task_id id, milliseconds timeout);

  future<v1::RegisterWorkerResponse> register_worker(v1::WorkerSpec spec);
  future<v1::HeartbeatResponse> update_worker_heartbeat(worker_id id);
  future<v1::HeartbeatResponse> heartbeat(v1::HeartbeatRequest request);
  future<v1::ListWorkersResponse> get_active_workers(std::uint32_t limit = 0, worker_id after = {});
  future<v1::ListWorkersResponse> list_workers(v1::ListWorkersRequest request);
  future<v1::Worker> get_worker(worker_id id);
  future<v1::Worker> get_worker(std::string name);
  future<v1::WorkerState> drain_worker(worker_id id, bool undrain = false);
  future<std::uint32_t> deregister_worker(worker_id id);

  future<v1::CreatePlanResponse> create_planned_subtasks_from_plan(task_id parent, v1::PlanDocument document,
                                                                   std::string idempotency_key = {});
  future<v1::CreatePlanResponse> submit_plan(v1::PlanDocument document, plan_options options = {});
  future<v1::GetPlanStatusResponse> get_execution_plan_status(plan_id id, bool with_steps = true,
                                                              std::uint32_t steps_offset = 0,
                                                              std::uint32_t steps_limit = 0);
  future<v1::CheckDependenciesResponse> check_subtask_dependencies(task_id step);
  future<v1::GetNextStepResponse> get_next_planned_subtask(plan_id id);
  future<v1::ListPlansResponse> list_plans(v1::ListPlansRequest request = {});
  future<v1::PlanState> pause_plan(plan_id id, std::string message = {});
  future<v1::PlanState> resume_plan(plan_id id, std::string message = {});
  future<v1::PlanState> cancel_plan(plan_id id, std::string message = {});
  future<v1::PlanState> retry_plan(plan_id id, std::string message = {});
  future<v1::Plan> wait_plan(plan_id id, milliseconds timeout);

  future<event_seq> publish(v1::TaskEvent event);
  future<event_seq> publish(v1::WorkflowEvent event);
  future<v1::ReadEventsResponse> read_events(v1::ReadEventsRequest request);
  future<void> read_barrier();
  future<v1::StatusResponse> status();
  future<v1::CheckResponse> check();
  future<v1::ClusterStatusResponse> cluster_status();
  future<v1::ChangeClusterResponse> change_cluster(v1::ChangeClusterRequest request, milliseconds timeout);

 private:
  std::shared_ptr<channel> channel_;
};

/// Called on the caller's thread while a backup is fetched: the bytes that have come, of all.
using backup_progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

/// A connection to hive. Thread-safe: share one among all threads; calls that are in flight at the same time
/// travel together. Connects by itself and again after a loss; a call waits for that within its timeout. In a cluster
/// it finds the node that leads and follows it. With client_config::prefer "any" it stays at the first node that
/// answers: reads and subscriptions work there, changes fail with not_leader (the error's field is the leader's
/// HOST:PORT) unless that node leads.
///
/// Every call ends within client_config::total_timeout_ms. Reads, creates (by idempotency key; one is generated
/// when the caller gave none) and changes that can be repeated are retried until then, also while the node says
/// resource_exhausted. retry_task and publish are sent once: if the connection breaks before the answer they fail
/// with unavailable, and may or may not have happened.
///
/// Errors common to all: invalid_argument (with the field), unavailable (no connection), deadline_exceeded,
/// resource_exhausted, failed_precondition (refused by the state of things, or another protocol version).
class client {
 public:
  explicit client(std::shared_ptr<channel> connection);
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  [[nodiscard]] async_client async();

  // ---- tasks: each change is durable when the call returns -----------------------------------

  result<task_change> create_task(v1::TaskSpec spec);
  /// Any number of tasks, in as few messages as fit.
  batch_result<task_change> create_tasks(std::vector<v1::TaskSpec> specs);
  result<v1::Task> get_task(task_id id, task_parts parts = {});
  batch_result<v1::Task> get_tasks(std::vector<task_id> ids, task_parts parts = {});
  /// Drives a task by hand: queued -> running -> completed or failed. If an answer is lost, the update is sent again;
  /// if that is refused because the task is in the wanted state already, set by a client and at the expected attempt,
  /// the answer is success with is_replay. Name the attempt (to start a task: its attempt before, from get_task) to
  /// tell your own update from another client's; attempt 0 takes any for yours, as does starting a task for the first
  /// time.
  result<task_change> update_task_status(v1::TaskStatusUpdate update);
  result<task_change> update_task_status(task_id id, v1::TaskState state, std::string message = {});
  result<v1::ListTasksResponse> list_tasks(v1::ListTasksRequest request);
  result<v1::ListTasksResponse> get_tasks_by_status(v1::TaskState state, const page_request& page = {});
  result<v1::ListTasksResponse> get_queued_tasks(const page_request& page = {});
  /// Scheduled, blocked or queued.
  result<v1::ListTasksResponse> get_pending_tasks(const page_request& page = {});
  /// Queued tasks end at once, running ones when their handler confirms or `grace` (0: the node's setting) ends.
  result<task_change> cancel_task(task_id id, std::string message = {}, milliseconds grace = {});
  result<task_change> retry_task(task_id id);
  /// Removes a final task before its retention ends.
  result<task_change> purge_task(task_id id);
  result<v1::GetTaskLogsResponse> get_task_logs(task_id id, std::uint64_t offset = 0, std::uint32_t limit_bytes = 0);
  /// Why is it not running yet?
  result<v1::ExplainTaskResponse> explain_task(task_id id);
  /// Blocks until the task is final and answers it with its result; deadline_exceeded after `timeout`.
  result<v1::Task> wait_task(task_id id, milliseconds timeout);

  // ---- workers ---------------------------------------------------------------------------------

  /// Registers a worker by hand: nothing is pushed to it, and only heartbeats keep it active. A process that
  /// executes tasks uses hive::worker (client/worker.hpp) instead.
  result<v1::RegisterWorkerResponse> register_worker(v1::WorkerSpec spec);
  result<v1::HeartbeatResponse> update_worker_heartbeat(worker_id id);
  result<v1::HeartbeatResponse> heartbeat(v1::HeartbeatRequest request);
  result<v1::ListWorkersResponse> get_active_workers(std::uint32_t limit = 0, worker_id after = {});
  result<v1::ListWorkersResponse> list_workers(v1::ListWorkersRequest request);
  result<v1::Worker> get_worker(worker_id id);
  result<v1::Worker> get_worker(std::string name);
  result<v1::WorkerState> drain_worker(worker_id id, bool undrain = false);
  /// Answers how many of its tasks were queued again.
  result<std::uint32_t> deregister_worker(worker_id id);

  // ---- plans -----------------------------------------------------------------------------------

  /// Makes an existing task the parent of a plan. Large documents are sent in parts.
  result<v1::CreatePlanResponse> create_planned_subtasks_from_plan(task_id parent, v1::PlanDocument document,
                                                                   std::string idempotency_key = {});
  /// Creates the parent as well.
  result<v1::CreatePlanResponse> submit_plan(v1::PlanDocument document, plan_options options = {});
  result<v1::GetPlanStatusResponse> get_execution_plan_status(plan_id id, bool with_steps = true,
                                                              std::uint32_t steps_offset = 0,
                                                              std::uint32_t steps_limit = 0);
  result<v1::CheckDependenciesResponse> check_subtask_dependencies(task_id step);
  /// The ready step with the highest priority; `step` is absent if none is ready now.
  result<v1::GetNextStepResponse> get_next_planned_subtask(plan_id id);
  result<v1::ListPlansResponse> list_plans(v1::ListPlansRequest request = {});
  result<v1::PlanState> pause_plan(plan_id id, std::string message = {});
  result<v1::PlanState> resume_plan(plan_id id, std::string message = {});
  result<v1::PlanState> cancel_plan(plan_id id, std::string message = {});
  /// Restarts the failed steps of a failed or canceled plan; completed steps keep their results.
  result<v1::PlanState> retry_plan(plan_id id, std::string message = {});
  /// Blocks until the plan is final; deadline_exceeded after `timeout`.
  result<v1::Plan> wait_plan(plan_id id, milliseconds timeout);

  // ---- events and node -------------------------------------------------------------------------

  [[nodiscard]] std::shared_ptr<event_bus> get_async_event_bus();
  result<event_seq> publish(v1::TaskEvent event);
  result<event_seq> publish(v1::WorkflowEvent event);
  result<subscription> subscribe(subscribe_options options);
  result<subscription> subscribe(subscribe_options options, event_callback on_event,
                                 subscription_end_callback on_end = {});
  result<v1::ReadEventsResponse> read_events(v1::ReadEventsRequest request);
  /// Reads that follow show everything that was acknowledged, to anyone, before this call; for as long as the
  /// connection holds. With client_config::reads "linearizable" every read does this by itself.
  result<void> read_barrier();
  result<v1::StatusResponse> status();
  /// Proves the node's tables consistent; takes seconds on a large node, so its timeout is ten minutes.
  result<v1::CheckResponse> check();
  /// The cluster as the connected node knows it; a node that stands alone says so in `role`.
  result<v1::ClusterStatusResponse> cluster_status();
  /// Changes the members, or who leads; answered when it is done, which may take as long as a copy of the state takes
  /// to travel. Sent once: after unavailable or deadline_exceeded look at cluster_status. not_leader from a node that
  /// does not lead (the error's field is the leader's HOST:PORT), permission_denied without the role operator.
  result<v1::ChangeClusterResponse> change_cluster(v1::ChangeClusterRequest request, milliseconds timeout);

  /// Writes a consistent copy of the node's whole state to `file`: everything that was acknowledged before the call is
  /// in it. The node serves meanwhile. The bytes go to FILE.part, which gets its name (and replaces what has it) once
  /// it is complete and on disk. Answers the size. Blocks, for the copying and the way, however long they take.
  /// resource_exhausted: there are too many copies, or a disk is full; not_found: the folder does not exist, or the
  /// copy was lost again and again; invalid_argument: `file` is there and no regular file; already_exists: FILE.part is
  /// there. What is wrong with the file on this side has the field "file".
  result<std::uint64_t> backup(const std::filesystem::path& file, const backup_progress& on_progress = {});

  /// Waits until the link has said hello to the node that it is for and answers what the node said. unavailable after
  /// `timeout` with the reason of the last try; failed_precondition at once for another protocol version.
  result<v1::HelloResponse> wait_connected(milliseconds timeout);
  /// HOST:PORT of the node that it is connected to now; empty: none.
  [[nodiscard]] std::string endpoint() const;

 private:
  std::shared_ptr<channel> channel_;
  std::shared_ptr<event_bus> event_bus_;
};

/// Checks the settings and starts to connect; does not wait for it. invalid_argument names the setting.
result<std::shared_ptr<client>> connect(const config::client_config& settings);

/// The client of this process: settings from the file that HIVE_CONFIG names or ./hive.toml if there is one, then
/// the environment (HIVE_ENDPOINT, ...). Throws std::invalid_argument if the settings are wrong.
std::shared_ptr<client> get_client();

/// The event bus of get_client().
std::shared_ptr<event_bus> get_async_event_bus();

}  // namespace hive
