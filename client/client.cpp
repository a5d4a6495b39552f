#include "client/client.hpp"

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include "client/channel.hpp"

namespace hive {

client::client(std::shared_ptr<channel> connection)
    : channel_(std::move(connection)), event_bus_(std::make_shared<event_bus>(channel_)) {}
client::~client() = default;

async_client client::async() { return async_client(channel_); }
std::shared_ptr<event_bus> client::get_async_event_bus() { return event_bus_; }

result<task_change> client::create_task(v1::TaskSpec spec) { return async().create_task(std::move(spec)).get(); }
batch_result<task_change> client::create_tasks(std::vector<v1::TaskSpec> specs) {
  return async().create_tasks(std::move(specs)).get();
}
result<v1::Task> client::get_task(task_id id, task_parts parts) { return async().get_task(id, parts).get(); }
batch_result<v1::Task> client::get_tasks(std::vector<task_id> ids, task_parts parts) {
  return async().get_tasks(std::move(ids), parts).get();
}
result<task_change> client::update_task_status(v1::TaskStatusUpdate update) {
  return async().update_task_status(std::move(update)).get();
}
result<task_change> client::update_task_status(task_id id, v1::TaskState state, std::string message) {
  v1::TaskStatusUpdate update;
  update.set_task_id(id.value);
  update.set_state(state);
  update.set_message(std::move(message));
  return update_task_status(std::move(update));
}
result<v1::ListTasksResponse> client::list_tasks(v1::ListTasksRequest request) {
  return async().list_tasks(std::move(request)).get();
}
result<v1::ListTasksResponse> client::get_tasks_by_status(v1::TaskState state, const page_request& page) {
  return async().get_tasks_by_status(state, page).get();
}
result<v1::ListTasksResponse> client::get_queued_tasks(const page_request& page) {
  return async().get_queued_tasks(page).get();
}
result<v1::ListTasksResponse> client::get_pending_tasks(const page_request& page) {
  return async().get_pending_tasks(page).get();
}
result<task_change> client::cancel_task(task_id id, std::string message, milliseconds grace) {
  return async().cancel_task(id, std::move(message), grace).get();
}
result<task_change> client::retry_task(task_id id) { return async().retry_task(id).get(); }
result<task_change> client::purge_task(task_id id) { return async().purge_task(id).get(); }
result<v1::GetTaskLogsResponse> client::get_task_logs(task_id id, std::uint64_t offset, std::uint32_t limit_bytes) {
  return async().get_task_logs(id, offset, limit_bytes).get();
}
result<v1::ExplainTaskResponse> client::explain_task(task_id id) { return async().explain_task(id).get(); }
result<v1::Task> client::wait_task(task_id id, milliseconds timeout) { return async().wait_task(id, timeout).get(); }
result<v1::RegisterWorkerResponse> client::register_worker(v1::WorkerSpec spec) {
  return async().register_worker(std::move(spec)).get();
}
result<v1::HeartbeatResponse> client::update_worker_heartbeat(worker_id id) {
  return async().update_worker_heartbeat(id).get();
}
result<v1::HeartbeatResponse> client::heartbeat(v1::HeartbeatRequest request) {
  return async().heartbeat(std::move(request)).get();
}
result<v1::ListWorkersResponse> client::get_active_workers(std::uint32_t limit, worker_id after) {
  return async().get_active_workers(limit, after).get();
}
result<v1::ListWorkersResponse> client::list_workers(v1::ListWorkersRequest request) {
  return async().list_workers(std::move(request)).get();
}
result<v1::Worker> client::get_worker(worker_id id) { return async().get_worker(id).get(); }
result<v1::Worker> client::get_worker(std::string name) { return async().get_worker(std::move(name)).get(); }
result<v1::WorkerState> client::drain_worker(worker_id id, bool undrain) {
  return async().drain_worker(id, undrain).get();
}
result<std::uint32_t> client::deregister_worker(worker_id id) { return async().deregister_worker(id).get(); }
result<v1::CreatePlanResponse> client::create_planned_subtasks_from_plan(task_id parent, v1::PlanDocument document,
                                                                         std::string idempotency_key) {
  return async().create_planned_subtasks_from_plan(parent, std::move(document), std::move(idempotency_key)).get();
}
result<v1::CreatePlanResponse> client::submit_plan(v1::PlanDocument document, plan_options options) {
  return async().submit_plan(std::move(document), std::move(options)).get();
}
result<v1::GetPlanStatusResponse> client::get_execution_plan_status(plan_id id, bool with_steps,
                                                                    std::uint32_t steps_offset,
                                                                    std::uint32_t steps_limit) {
  return async().get_execution_plan_status(id, with_steps, steps_offset, steps_limit).get();
}
result<v1::CheckDependenciesResponse> client::check_subtask_dependencies(task_id step) {
  return async().check_subtask_dependencies(step).get();
}
result<v1::GetNextStepResponse> client::get_next_planned_subtask(plan_id id) {
  return async().get_next_planned_subtask(id).get();
}
result<v1::ListPlansResponse> client::list_plans(v1::ListPlansRequest request) {
  return async().list_plans(std::move(request)).get();
}
result<v1::PlanState> client::pause_plan(plan_id id, std::string message) {
  return async().pause_plan(id, std::move(message)).get();
}
result<v1::PlanState> client::resume_plan(plan_id id, std::string message) {
  return async().resume_plan(id, std::move(message)).get();
}
result<v1::PlanState> client::cancel_plan(plan_id id, std::string message) {
  return async().cancel_plan(id, std::move(message)).get();
}
result<v1::PlanState> client::retry_plan(plan_id id, std::string message) {
  return async().retry_plan(id, std::move(message)).get();
}
result<v1::Plan> client::wait_plan(plan_id id, milliseconds timeout) { return async().wait_plan(id, timeout).get(); }
result<event_seq> client::publish(v1::TaskEvent event) { return async().publish(std::move(event)).get(); }
result<event_seq> client::publish(v1::WorkflowEvent event) { return async().publish(std::move(event)).get(); }
result<v1::ReadEventsResponse> client::read_events(v1::ReadEventsRequest request) {
  return async().read_events(std::move(request)).get();
}
result<void> client::read_barrier() { return async().read_barrier().get(); }
result<v1::StatusResponse> client::status() { return async().status().get(); }
result<v1::CheckResponse> client::check() { return async().check().get(); }
result<v1::ClusterStatusResponse> client::cluster_status() { return async().cluster_status().get(); }
result<v1::ChangeClusterResponse> client::change_cluster(v1::ChangeClusterRequest request, milliseconds timeout) {
  return async().change_cluster(std::move(request), timeout).get();
}

result<subscription> client::subscribe(subscribe_options options) { return event_bus_->subscribe(std::move(options)); }
result<subscription> client::subscribe(subscribe_options options, event_callback on_event,
                                       subscription_end_callback on_end) {
  return event_bus_->subscribe(std::move(options), std::move(on_event), std::move(on_end));
}

namespace {

/// Wakes a thread that waits for the link.
class link_watch : public link_observer {
 public:
  void on_link_up(const link_session_ptr&) override { wake(); }
  void on_link_down(const error&) override { wake(); }

  void wait_until(steady_time due) {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, due, [this] { return std::exchange(is_changed_, false); });
  }

 private:
  void wake() {
    {
      std::lock_guard lock(mutex_);
      is_changed_ = true;
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_changed_ = false;
};

/// The file that HIVE_CONFIG names, else hive.toml in the working folder if there is one, else none.
std::string settings_path() {
  if (const char* named = std::getenv("HIVE_CONFIG"); named != nullptr && *named != '\0') return named;
  std::error_code ignored;
  return std::filesystem::exists("hive.toml", ignored) ? "hive.toml" : "";
}

std::shared_ptr<client> make_process_client() {
  auto settings = config::load_client_config(settings_path(), {});
  if (!settings) throw std::invalid_argument(to_string(settings.failure()));
  auto made = connect(*settings);
  if (!made) throw std::invalid_argument(to_string(made.failure()));
  return *made;
}

}  // namespace

result<v1::HelloResponse> client::wait_connected(milliseconds timeout) {
  const auto due = std::chrono::steady_clock::now() + timeout;
  auto watch = std::make_shared<link_watch>();
  auto& connection = channel_->connection();
  connection.observe(watch);
  while (true) {
    if (const auto session = connection.current()) return session->hello;
    const auto trouble = connection.last_trouble();
    if (trouble.is_refused) return trouble.why;
    if (std::chrono::steady_clock::now() >= due) {
      const std::string why =
          trouble.why.code == errc::none || trouble.why.message.empty() ? "no answer in time" : trouble.why.message;
      return error{errc::unavailable, "no connection to " + connection.endpoints() + ": " + why, {}};
    }
    watch->wait_until(due);
  }
}

std::string client::endpoint() const {
  const auto session = channel_->connection().current();
  return session ? session->endpoint : std::string{};
}

result<std::shared_ptr<client>> connect(const config::client_config& settings) {
  auto opened = channel::open(settings);
  if (!opened) return opened.failure();
  return std::make_shared<client>(*opened);
}

std::shared_ptr<client> get_client() {
  static const std::shared_ptr<client> shared = make_process_client();
  return shared;
}

std::shared_ptr<event_bus> get_async_event_bus() { return get_client()->get_async_event_bus(); }

}  // namespace hive
