#include <utility>

#include "client/client.hpp"
#include "client/lanes.hpp"
#include "client/plan_upload.hpp"
#include "client/text_rules.hpp"
#include "client/waiter.hpp"
#include "hive/v1/command.pb.h"

namespace hive {
namespace {

// Calls that walk whole tables.
constexpr milliseconds check_timeout{600'000};

template <class T>
struct answer {
  std::shared_ptr<std::promise<result<T>>> promise = std::make_shared<std::promise<result<T>>>();
  std::future<result<T>> future = promise->get_future();
};

/// A call whose answer is the response itself.
template <class Response, class Request>
std::future<result<Response>> ask(channel& owner, front to, Request request, repeat may_repeat = repeat::always,
                                  milliseconds timeout = {}) {
  answer<Response> made;
  owner.start<Response>(
      to, std::move(request), may_repeat,
      [promise = made.promise](result<Response> reply) { promise->set_value(std::move(reply)); }, timeout);
  return std::move(made.future);
}

/// A call whose answer is `pick(response)`.
template <class Response, class Value, class Request, class Pick>
std::future<result<Value>> ask_for(channel& owner, front to, Request request, Pick pick,
                                   repeat may_repeat = repeat::always) {
  answer<Value> made;
  owner.start<Response>(to, std::move(request), may_repeat, [promise = made.promise, pick](result<Response> reply) {
    if (reply)
      promise->set_value(pick(*reply));
    else
      promise->set_value(reply.failure());
  });
  return std::move(made.future);
}

task_change to_change(const v1::TaskResultItem& item) {
  return {{item.task_id()}, item.state(), item.is_replay(), {item.attempt()}};
}

/// Settles a promise from one item of a batch.
auto settle(const answer<task_change>& made) {
  return [promise = made.promise](const result<v1::TaskResultItem>& reply) {
    if (reply)
      promise->set_value(to_change(*reply));
    else
      promise->set_value(reply.failure());
  };
}

/// Collects the items of a bulk call, in order.
template <class Value>
struct bulk {
  explicit bulk(std::size_t size) : items(size), left(size) {}

  void set(std::size_t i, result<Value> item) {
    {
      std::lock_guard lock(mutex);
      items[i].emplace(std::move(item));
      if (--left > 0) return;
    }
    deliver();
  }
  void deliver() {
    std::vector<result<Value>> all;
    all.reserve(items.size());
    for (auto& item : items) all.push_back(std::move(*item));
    made.promise->set_value(std::move(all));
  }

  std::mutex mutex;
  std::vector<std::optional<result<Value>>> items;
  std::size_t left;
  answer<std::vector<result<Value>>> made;
};

std::future<result<v1::PlanState>> control(channel& owner, plan_id id, v1::ControlPlan::Action action,
                                           std::string message, repeat may_repeat) {
  v1::ControlPlanRequest request;
  request.set_plan_id(id.value);
  request.set_action(static_cast<std::uint32_t>(action));
  request.set_message(std::move(message));
  return ask_for<v1::ControlPlanResponse, v1::PlanState>(
      owner, front::plan_supervisor, std::move(request),
      [](const v1::ControlPlanResponse& reply) { return reply.state(); }, may_repeat);
}

v1::ListTasksRequest make_list(const page_request& page) {
  v1::ListTasksRequest request;
  request.set_limit(page.limit);
  request.set_page_token(page.token);
  request.set_newest_first(page.newest_first);
  return request;
}

result<v1::Task> to_task(result<v1::GetTaskItem> reply) {
  if (!reply) return reply.failure();
  return std::move(*reply->mutable_task());
}

/// A change of one task by a request that holds a list of them.
template <class Request, class Response>
std::future<result<task_change>> change_task(channel& owner, task_id id, repeat may_repeat) {
  Request request;
  request.add_task_ids(id.value);
  const auto pick = [](const Response& reply) -> result<task_change> {
    if (reply.items_size() != 1) return error{errc::internal, "no item", {}};
    const auto& item = reply.items(0);
    if (!is_ok(item.status())) return to_error(item.status());
    return to_change(item);
  };
  answer<task_change> made;
  owner.start<Response>(front::task_manager, std::move(request), may_repeat,
                        [promise = made.promise, pick](const result<Response>& reply) {
                          promise->set_value(reply ? pick(*reply) : result<task_change>{reply.failure()});
                        });
  return std::move(made.future);
}

}  // namespace

async_client::async_client(std::shared_ptr<channel> connection) : channel_(std::move(connection)) {}

async_client::future<task_change> async_client::create_task(v1::TaskSpec spec) {
  if (spec.idempotency_key().empty()) spec.set_idempotency_key(unique_key());
  answer<task_change> made;
  if (auto checked = check_texts(spec); !checked)
    made.promise->set_value(checked.failure());
  else
    channel_->batched().create->add(std::move(spec), settle(made));
  return std::move(made.future);
}

async_client::future<std::vector<result<task_change>>> async_client::create_tasks(std::vector<v1::TaskSpec> specs) {
  auto all = std::make_shared<bulk<task_change>>(specs.size());
  auto ready = std::move(all->made.future);
  if (specs.empty()) {
    all->deliver();
    return ready;
  }
  const auto deadline = channel_->total_deadline();
  std::vector<batcher<create_policy>::entry> entries;
  entries.reserve(specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    if (auto checked = check_texts(specs[i]); !checked) {
      all->set(i, checked.failure());
      continue;
    }
    if (specs[i].idempotency_key().empty()) specs[i].set_idempotency_key(unique_key());
    entries.push_back({std::move(specs[i]),
                       [all, i](const result<v1::TaskResultItem>& reply) {
                         all->set(i, reply ? result<task_change>(to_change(*reply)) : reply.failure());
                       },
                       deadline});
  }
  if (!entries.empty()) channel_->batched().create->add(std::move(entries));
  return ready;
}

async_client::future<v1::Task> async_client::get_task(task_id id, task_parts parts) {
  answer<v1::Task> made;
  channel_->batched().get->add(
      {id.value, parts.with_payload, parts.with_result},
      [promise = made.promise](result<v1::GetTaskItem> reply) { promise->set_value(to_task(std::move(reply))); });
  return std::move(made.future);
}

async_client::future<std::vector<result<v1::Task>>> async_client::get_tasks(std::vector<task_id> ids,
                                                                            task_parts parts) {
  auto all = std::make_shared<bulk<v1::Task>>(ids.size());
  auto ready = std::move(all->made.future);
  if (ids.empty()) {
    all->deliver();
    return ready;
  }
  const auto deadline = channel_->total_deadline();
  std::vector<batcher<get_policy>::entry> entries;
  entries.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    entries.push_back({{ids[i].value, parts.with_payload, parts.with_result},
                       [all, i](result<v1::GetTaskItem> reply) { all->set(i, to_task(std::move(reply))); },
                       deadline});
  }
  channel_->batched().get->add(std::move(entries));
  return ready;
}

async_client::future<task_change> async_client::update_task_status(v1::TaskStatusUpdate update) {
  answer<task_change> made;
  channel_->batched().update->add(std::move(update), settle(made));
  return std::move(made.future);
}

async_client::future<v1::ListTasksResponse> async_client::list_tasks(v1::ListTasksRequest request) {
  return ask<v1::ListTasksResponse>(*channel_, front::task_manager, std::move(request));
}

async_client::future<v1::ListTasksResponse> async_client::get_tasks_by_status(v1::TaskState state,
                                                                              const page_request& page) {
  auto request = make_list(page);
  request.add_states(state);
  return list_tasks(std::move(request));
}

async_client::future<v1::ListTasksResponse> async_client::get_queued_tasks(const page_request& page) {
  return get_tasks_by_status(v1::TASK_STATE_QUEUED, page);
}

async_client::future<v1::ListTasksResponse> async_client::get_pending_tasks(const page_request& page) {
  auto request = make_list(page);
  for (auto state : {v1::TASK_STATE_SCHEDULED, v1::TASK_STATE_BLOCKED, v1::TASK_STATE_QUEUED})
    request.add_states(state);
  return list_tasks(std::move(request));
}

async_client::future<task_change> async_client::cancel_task(task_id id, std::string message, milliseconds grace) {
  answer<task_change> made;
  channel_->batched().cancel->add({id.value, std::move(message), grace.count()}, settle(made));
  return std::move(made.future);
}

async_client::future<task_change> async_client::retry_task(task_id id) {
  return change_task<v1::RetryTasksRequest, v1::RetryTasksResponse>(*channel_, id, repeat::never);
}

async_client::future<task_change> async_client::purge_task(task_id id) {
  return change_task<v1::PurgeTasksRequest, v1::PurgeTasksResponse>(*channel_, id, repeat::always);
}

async_client::future<v1::GetTaskLogsResponse> async_client::get_task_logs(task_id id, std::uint64_t offset,
                                                                          std::uint32_t limit_bytes) {
  v1::GetTaskLogsRequest request;
  request.set_task_id(id.value);
  request.set_offset(offset);
  request.set_limit_bytes(limit_bytes);
  return ask<v1::GetTaskLogsResponse>(*channel_, front::task_manager, std::move(request));
}

async_client::future<v1::ExplainTaskResponse> async_client::explain_task(task_id id) {
  v1::ExplainTaskRequest request;
  request.set_task_id(id.value);
  return ask<v1::ExplainTaskResponse>(*channel_, front::task_manager, std::move(request));
}

async_client::future<v1::Task> async_client::wait_task(task_id id, milliseconds timeout) {
  answer<v1::Task> made;
  wait_for_task(channel_, id, timeout,
                [promise = made.promise](result<v1::Task> task) { promise->set_value(std::move(task)); });
  return std::move(made.future);
}

async_client::future<v1::RegisterWorkerResponse> async_client::register_worker(v1::WorkerSpec spec) {
  if (auto checked = check_texts(spec); !checked) {
    answer<v1::RegisterWorkerResponse> refused;
    refused.promise->set_value(checked.failure());
    return std::move(refused.future);
  }
  v1::RegisterWorkerRequest request;
  if (spec.incarnation() == 0) spec.set_incarnation(channel_->connection().shared().incarnation());
  *request.mutable_spec() = std::move(spec);
  return ask<v1::RegisterWorkerResponse>(*channel_, front::worker_registry, std::move(request));
}

async_client::future<v1::HeartbeatResponse> async_client::update_worker_heartbeat(worker_id id) {
  v1::HeartbeatRequest request;
  request.set_worker_id(id.value);
  return heartbeat(std::move(request));
}

async_client::future<v1::HeartbeatResponse> async_client::heartbeat(v1::HeartbeatRequest request) {
  return ask<v1::HeartbeatResponse>(*channel_, front::worker_registry, std::move(request));
}

async_client::future<v1::ListWorkersResponse> async_client::get_active_workers(std::uint32_t limit, worker_id after) {
  v1::ListWorkersRequest request;
  request.set_active_only(true);
  request.set_limit(limit);
  request.set_after_id(after.value);
  return list_workers(std::move(request));
}

async_client::future<v1::ListWorkersResponse> async_client::list_workers(v1::ListWorkersRequest request) {
  return ask<v1::ListWorkersResponse>(*channel_, front::worker_registry, std::move(request));
}

namespace {
v1::Worker to_worker(v1::GetWorkerResponse& reply) { return std::move(*reply.mutable_worker()); }
}  // namespace

async_client::future<v1::Worker> async_client::get_worker(worker_id id) {
  v1::GetWorkerRequest request;
  request.set_worker_id(id.value);
  return ask_for<v1::GetWorkerResponse, v1::Worker>(*channel_, front::worker_registry, std::move(request), to_worker);
}

async_client::future<v1::Worker> async_client::get_worker(std::string name) {
  v1::GetWorkerRequest request;
  request.set_name(std::move(name));
  return ask_for<v1::GetWorkerResponse, v1::Worker>(*channel_, front::worker_registry, std::move(request), to_worker);
}

async_client::future<v1::WorkerState> async_client::drain_worker(worker_id id, bool undrain) {
  v1::DrainWorkerRequest request;
  request.set_worker_id(id.value);
  request.set_undrain(undrain);
  return ask_for<v1::DrainWorkerResponse, v1::WorkerState>(
      *channel_, front::worker_registry, std::move(request),
      [](const v1::DrainWorkerResponse& reply) { return reply.state(); });
}

async_client::future<std::uint32_t> async_client::deregister_worker(worker_id id) {
  v1::DeregisterWorkerRequest request;
  request.set_worker_id(id.value);
  return ask_for<v1::DeregisterWorkerResponse, std::uint32_t>(
      *channel_, front::worker_registry, std::move(request),
      [](const v1::DeregisterWorkerResponse& reply) { return reply.tasks_requeued(); });
}

async_client::future<v1::CreatePlanResponse> async_client::create_planned_subtasks_from_plan(
    task_id parent, v1::PlanDocument document, std::string idempotency_key) {
  v1::CreatePlanRequest request;
  request.set_parent_task_id(parent.value);
  *request.mutable_document() = std::move(document);
  request.set_idempotency_key(idempotency_key.empty() ? unique_key() : std::move(idempotency_key));
  answer<v1::CreatePlanResponse> made;
  upload_plan(channel_, std::move(request),
              [promise = made.promise](result<v1::CreatePlanResponse> reply) { promise->set_value(std::move(reply)); });
  return std::move(made.future);
}

async_client::future<v1::CreatePlanResponse> async_client::submit_plan(v1::PlanDocument document,
                                                                       plan_options options) {
  v1::CreatePlanRequest request;
  *request.mutable_parent_spec() = std::move(options.parent_spec);
  *request.mutable_document() = std::move(document);
  request.set_idempotency_key(options.idempotency_key.empty() ? unique_key() : std::move(options.idempotency_key));
  answer<v1::CreatePlanResponse> made;
  upload_plan(channel_, std::move(request),
              [promise = made.promise](result<v1::CreatePlanResponse> reply) { promise->set_value(std::move(reply)); });
  return std::move(made.future);
}

async_client::future<v1::GetPlanStatusResponse> async_client::get_execution_plan_status(plan_id id, bool with_steps,
                                                                                        std::uint32_t steps_offset,
                                                                                        std::uint32_t steps_limit) {
  v1::GetPlanStatusRequest request;
  request.set_plan_id(id.value);
  request.set_with_steps(with_steps);
  request.set_steps_offset(steps_offset);
  request.set_steps_limit(steps_limit);
  return ask<v1::GetPlanStatusResponse>(*channel_, front::plan_supervisor, std::move(request));
}

async_client::future<v1::CheckDependenciesResponse> async_client::check_subtask_dependencies(task_id step) {
  v1::CheckDependenciesRequest request;
  request.set_task_id(step.value);
  return ask<v1::CheckDependenciesResponse>(*channel_, front::plan_supervisor, std::move(request));
}

async_client::future<v1::GetNextStepResponse> async_client::get_next_planned_subtask(plan_id id) {
  v1::GetNextStepRequest request;
  request.set_plan_id(id.value);
  return ask<v1::GetNextStepResponse>(*channel_, front::plan_supervisor, std::move(request));
}

async_client::future<v1::ListPlansResponse> async_client::list_plans(v1::ListPlansRequest request) {
  return ask<v1::ListPlansResponse>(*channel_, front::plan_supervisor, std::move(request));
}

async_client::future<v1::PlanState> async_client::pause_plan(plan_id id, std::string message) {
  return control(*channel_, id, v1::ControlPlan::ACTION_PAUSE, std::move(message), repeat::always);
}
async_client::future<v1::PlanState> async_client::resume_plan(plan_id id, std::string message) {
  return control(*channel_, id, v1::ControlPlan::ACTION_RESUME, std::move(message), repeat::always);
}
async_client::future<v1::PlanState> async_client::cancel_plan(plan_id id, std::string message) {
  return control(*channel_, id, v1::ControlPlan::ACTION_CANCEL, std::move(message), repeat::always);
}
async_client::future<v1::PlanState> async_client::retry_plan(plan_id id, std::string message) {
  return control(*channel_, id, v1::ControlPlan::ACTION_RETRY, std::move(message), repeat::never);
}

async_client::future<v1::Plan> async_client::wait_plan(plan_id id, milliseconds timeout) {
  answer<v1::Plan> made;
  wait_for_plan(channel_, id, timeout,
                [promise = made.promise](result<v1::Plan> plan) { promise->set_value(std::move(plan)); });
  return std::move(made.future);
}

async_client::future<event_seq> async_client::publish(v1::TaskEvent event) {
  return event_bus(channel_).publish_async(std::move(event));
}
async_client::future<event_seq> async_client::publish(v1::WorkflowEvent event) {
  return event_bus(channel_).publish_async(std::move(event));
}

async_client::future<v1::ReadEventsResponse> async_client::read_events(v1::ReadEventsRequest request) {
  return ask<v1::ReadEventsResponse>(*channel_, front::event_bus, std::move(request));
}

async_client::future<void> async_client::read_barrier() {
  answer<void> made;
  channel_->start<v1::ReadBarrierResponse>(front::cluster_manager, v1::ReadBarrierRequest{}, repeat::always,
                                           [promise = made.promise](const result<v1::ReadBarrierResponse>& reply) {
                                             promise->set_value(reply ? result<void>{} : result<void>{reply.failure()});
                                           });
  return std::move(made.future);
}

async_client::future<v1::StatusResponse> async_client::status() {
  return ask<v1::StatusResponse>(*channel_, front::node, v1::StatusRequest{});
}

async_client::future<v1::CheckResponse> async_client::check() {
  return ask<v1::CheckResponse>(*channel_, front::node, v1::CheckRequest{}, repeat::always, check_timeout);
}

async_client::future<v1::ClusterStatusResponse> async_client::cluster_status() {
  return ask<v1::ClusterStatusResponse>(*channel_, front::cluster_manager, v1::ClusterStatusRequest{});
}

async_client::future<v1::ChangeClusterResponse> async_client::change_cluster(v1::ChangeClusterRequest request,
                                                                             milliseconds timeout) {
  return ask<v1::ChangeClusterResponse>(*channel_, front::cluster_manager, std::move(request), repeat::never, timeout);
}

}  // namespace hive
