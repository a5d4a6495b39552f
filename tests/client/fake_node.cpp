#include "tests/client/fake_node.hpp"

#include <optional>
#include <stdexcept>

#include <caf/event_based_actor.hpp>
#include <caf/io/middleman.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/message_types.hpp"

namespace hive::test {
namespace {

using script_ptr = std::shared_ptr<node_script>;

v1::CreateTasksResponse take_creates(node_script& script, const v1::CreateTasksRequest& request) {
  v1::CreateTasksResponse response;
  for (const auto& spec : request.specs()) {
    auto [entry, is_new] = script.tasks.try_emplace(spec.idempotency_key(), script.tasks.size() + 1);
    auto& item = *response.add_items();
    item.set_task_id(entry->second);
    item.set_state(v1::TASK_STATE_QUEUED);
    item.set_is_replay(!is_new);
  }
  return response;
}

/// As the rules of core: a start makes the next attempt, a final state needs a running task.
v1::TaskResultItem drive(v1::TaskStatus& task, const v1::TaskStatusUpdate& update) {
  v1::TaskResultItem item;
  const bool is_start = update.state() == v1::TASK_STATE_RUNNING;
  const bool is_allowed = task.state() == (is_start ? v1::TASK_STATE_QUEUED : v1::TASK_STATE_RUNNING);
  if (!is_allowed || (update.attempt() != 0 && update.attempt() != task.attempt())) {
    item.mutable_status()->set_code(v1::ERROR_CODE_FAILED_PRECONDITION);
    item.mutable_status()->set_message("the task cannot do that");
    return item;
  }
  task.set_state(update.state());
  task.set_reason(is_start ? v1::REASON_DRIVEN_BY_CLIENT : v1::REASON_UPDATED_BY_CLIENT);
  if (is_start) task.set_attempt(task.attempt() + 1);
  item.set_task_id(update.task_id());
  item.set_state(task.state());
  item.set_attempt(task.attempt());
  return item;
}

/// What a node that does not lead answers to changes; nothing if it leads. The script's mutex is held.
std::optional<caf::error> refuse_change(node_script& script) {
  if (script.leadership.is_leader() && !script.says_not_leader) return {};
  ++script.refusals;
  script.changed.notify_all();
  return make_error(error{errc::not_leader, "this node does not lead",
                          script.says_not_leader ? std::string{} : script.leadership.endpoint()});
}

struct front_state {
  caf::strong_actor_ptr subscriber;
  std::uint64_t subscription = 0;
  std::uint64_t sent = 0;
};

void push_events(caf::stateful_actor<front_state>* self, node_script& script) {
  auto& state = self->state;
  if (!state.subscriber) return;
  v1::EventBatch batch;
  batch.set_subscription_id(state.subscription);
  for (const auto& event : script.log) {
    if (event.seq() > state.sent) *batch.add_events() = event;
  }
  if (batch.events_size() == 0) return;
  state.sent = script.log.back().seq();
  batch.set_cursor(state.sent);
  self->send(caf::actor_cast<caf::actor>(state.subscriber), std::move(batch));
}

caf::behavior make_front(caf::stateful_actor<front_state>* self, const script_ptr& script) {
  return {
      [self, script](const v1::CreateTasksRequest& request) -> caf::result<v1::CreateTasksResponse> {
        auto promise = self->make_response_promise<v1::CreateTasksResponse>();
        std::lock_guard lock(script->mutex);
        if (auto refusal = refuse_change(*script)) {
          promise.deliver(std::move(*refusal));
          return promise;
        }
        script->create_batches.push_back(request.specs_size());
        script->unanswered_max = std::max(script->unanswered_max, ++script->unanswered);
        script->changed.notify_all();
        if (script->creates_to_refuse > 0) {
          --script->creates_to_refuse;
          --script->unanswered;
          promise.deliver(make_error(error{errc::resource_exhausted, "busy", {}}));
          return promise;
        }
        auto response = take_creates(*script, request);
        if (script->creates_to_swallow > 0) {
          --script->creates_to_swallow;
          --script->unanswered;
          script->held.push_back([promise] {});  // an unused promise answers when it is destroyed
          return promise;
        }
        if (script->is_holding) {
          script->held.push_back([promise, response]() mutable { promise.deliver(std::move(response)); });
          return promise;
        }
        --script->unanswered;
        promise.deliver(std::move(response));
        return promise;
      },
      [self, script](const v1::UpdateTaskStatusesRequest& request) -> caf::result<v1::UpdateTaskStatusesResponse> {
        auto promise = self->make_response_promise<v1::UpdateTaskStatusesResponse>();
        std::lock_guard lock(script->mutex);
        script->updates += request.updates_size();
        script->changed.notify_all();
        v1::UpdateTaskStatusesResponse response;
        for (const auto& update : request.updates()) *response.add_items() = drive(script->driven, update);
        if (script->updates_to_swallow > 0) {
          --script->updates_to_swallow;
          script->held.push_back([promise] {});
          return promise;
        }
        promise.deliver(std::move(response));
        return promise;
      },
      [script](const v1::GetTasksRequest& request) {
        std::lock_guard lock(script->mutex);
        script->reads += request.task_ids_size();
        script->answered.emplace_back("get");
        v1::GetTasksResponse response;
        for (const auto id : request.task_ids()) {
          auto& task = *response.add_items()->mutable_task();
          task.set_id(id);
          *task.mutable_status() = script->driven;
        }
        return response;
      },
      [self, script](const v1::PublishEventsRequest& request) -> caf::result<v1::PublishEventsResponse> {
        auto promise = self->make_response_promise<v1::PublishEventsResponse>();
        std::lock_guard lock(script->mutex);
        if (auto refusal = refuse_change(*script)) {
          promise.deliver(std::move(*refusal));
          return promise;
        }
        script->publishes += request.items_size();
        script->changed.notify_all();
        if (script->swallow_publish) {
          script->held.push_back([promise] {});
          return promise;
        }
        v1::PublishEventsResponse response;
        for (int i = 0; i < request.items_size(); ++i) response.add_items()->set_seq(1);
        promise.deliver(std::move(response));
        return promise;
      },
      [self, script](const v1::ReadBarrierRequest&) -> caf::result<v1::ReadBarrierResponse> {
        std::lock_guard lock(script->mutex);
        script->answered.emplace_back("barrier");
        script->changed.notify_all();
        if (script->barriers_to_swallow > 0) {
          --script->barriers_to_swallow;
          auto promise = self->make_response_promise<v1::ReadBarrierResponse>();
          script->held.push_back([promise] {});
          return promise;
        }
        return v1::ReadBarrierResponse{};
      },
      [self, script](const v1::SubscribeRequest& request) -> caf::result<v1::SubscribeResponse> {
        std::lock_guard lock(script->mutex);
        if (script->is_lagging && request.after_seq() > script->log.size()) {
          script->subscribed_after.push_back(request.after_seq());
          script->changed.notify_all();
          return make_error(error{errc::unavailable, "the cursor is beyond the newest event", "after_seq"});
        }
        auto& state = self->state;
        state.subscriber = self->current_sender();
        ++state.subscription;
        state.sent = request.from_now() ? (script->log.empty() ? 0 : script->log.back().seq()) : request.after_seq();
        script->subscribed_after.push_back(state.sent);
        script->changed.notify_all();
        v1::SubscribeResponse response;
        response.set_subscription_id(state.subscription);
        response.set_cursor(state.sent);
        self->send(self, caf::tick_atom::value);
        return response;
      },
      [self, script](caf::tick_atom) {
        std::lock_guard lock(script->mutex);
        push_events(self, *script);
      },
      [script](const v1::AckEvents& ack) {
        std::lock_guard lock(script->mutex);
        script->acknowledged = ack.cursor();
        script->changed.notify_all();
      },
      [](const v1::UnsubscribeRequest&) { return v1::UnsubscribeResponse{}; },
      [self, script](const v1::RegisterWorkerRequest& request) -> caf::result<v1::RegisterWorkerResponse> {
        std::lock_guard lock(script->mutex);
        if (auto refusal = refuse_change(*script)) return std::move(*refusal);
        script->registrations.push_back(request);
        script->worker = self->current_sender();
        script->changed.notify_all();
        v1::RegisterWorkerResponse response;
        *response.mutable_worker()->mutable_spec() = request.spec();
        response.mutable_worker()->set_id(7);
        response.mutable_worker()->set_session(script->registrations.size());
        if (script->keep_running) *response.mutable_kept() = request.running();
        response.set_heartbeat_interval_ms(50);
        return response;
      },
      [script](const v1::HeartbeatRequest&) -> caf::result<v1::HeartbeatResponse> {
        std::lock_guard lock(script->mutex);
        if (auto refusal = refuse_change(*script)) return std::move(*refusal);
        return v1::HeartbeatResponse{};
      },
      [](const v1::DrainWorkerRequest&) { return v1::DrainWorkerResponse{}; },
      [script](const v1::DeregisterWorkerRequest&) {
        std::lock_guard lock(script->mutex);
        script->is_deregistered = true;
        script->changed.notify_all();
        return v1::DeregisterWorkerResponse{};
      },
      [self, script](const v1::ReportTasksRequest& request) -> caf::result<v1::ReportTasksResponse> {
        std::lock_guard lock(script->mutex);
        if (auto refusal = refuse_change(*script)) return std::move(*refusal);
        script->reports.push_back(request);
        script->changed.notify_all();
        if (script->reports_to_swallow > 0) {
          --script->reports_to_swallow;
          auto promise = self->make_response_promise<v1::ReportTasksResponse>();
          script->held.push_back([promise] {});
          return promise;
        }
        v1::ReportTasksResponse response;
        for (const auto& report : request.reports()) {
          auto& item = *response.add_items();
          item.set_task_id(report.task_id());
          if (script->refuse_reports) item.mutable_status()->set_code(v1::ERROR_CODE_FAILED_PRECONDITION);
        }
        return response;
      },
  };
}

node_actor::behavior_type make_node(node_actor::pointer, const caf::actor& front, const script_ptr& script) {
  return {
      [front, script](const v1::HelloRequest&) -> caf::result<v1::HelloResponse, node_directory> {
        v1::HelloResponse response;
        response.set_protocol_version(protocol_version);
        response.mutable_limits()->set_batch_items_max(1000);
        {
          std::lock_guard lock(script->mutex);
          ++script->hellos;
          script->changed.notify_all();
          *response.mutable_leadership() = script->leadership;
        }
        auto pointer = caf::actor_cast<caf::strong_actor_ptr>(front);
        return {response, node_directory{pointer, pointer, pointer, pointer, pointer, pointer}};
      },
      [script](const v1::PingRequest&) {
        v1::PingResponse response;
        std::lock_guard lock(script->mutex);
        ++script->pings;
        script->changed.notify_all();
        *response.mutable_leadership() = script->leadership;
        return response;
      },
      [](const v1::StatusRequest&) {
        v1::StatusResponse response;
        response.set_version("fake");
        return response;
      },
      [](const v1::CheckRequest&) { return v1::CheckResponse{}; },
  };
}

}  // namespace

fake_node::fake_node() : script_(std::make_shared<node_script>()), system_(config_) {
  harden(system_);
  front_ = system_.spawn(make_front, script_);
  node_ = system_.spawn(make_node, front_, script_);
  script_->leadership.set_is_leader(true);
  auto port = system_.middleman().publish(node_, 0, "127.0.0.1");
  if (!port) throw std::runtime_error("cannot publish");
  port_ = *port;
  relay_ = std::make_unique<tcp_relay>(port_);
}

fake_node::~fake_node() {
  relay_.reset();
  release_held();
  script_->worker = nullptr;
  system_.middleman().unpublish(node_, port_);
  caf::anon_send_exit(front_, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(node_, caf::exit_reason::user_shutdown);
}

config::client_config fake_node::client_settings() const {
  config::client_config settings;
  settings.endpoint = endpoint();
  settings.request_timeout_ms = 5'000;
  settings.total_timeout_ms = 20'000;
  return settings;
}

std::string fake_node::endpoint() const { return "127.0.0.1:" + std::to_string(relay_->port()); }

void fake_node::know_leader(const std::string& leader, const std::vector<std::string>& members) {
  std::lock_guard lock(script_->mutex);
  script_->leadership.Clear();
  script_->leadership.set_node_id(1);
  script_->leadership.set_is_leader(leader == endpoint());
  script_->leadership.set_endpoint(leader);
  for (const auto& one : members) script_->leadership.add_endpoints(one);
}

void fake_node::release_held() {
  std::vector<std::function<void()>> held;
  {
    std::lock_guard lock(script_->mutex);
    held.swap(script_->held);
    script_->unanswered -= static_cast<int>(held.size());
    script_->is_holding = false;
  }
  for (auto& one : held) one();
}

void fake_node::assign(const v1::TaskAssignment& assignment) {
  v1::AssignTasks message;
  *message.add_assignments() = assignment;
  std::lock_guard lock(script_->mutex);
  caf::anon_send(caf::actor_cast<caf::actor>(script_->worker), std::move(message));
}

void fake_node::append_event(std::uint64_t task) {
  {
    std::lock_guard lock(script_->mutex);
    v1::Event event;
    event.set_seq(script_->log.size() + 1);
    event.mutable_task()->set_task_id(task);
    script_->log.push_back(event);
  }
  caf::anon_send(front_, caf::tick_atom::value);
}

}  // namespace hive::test
