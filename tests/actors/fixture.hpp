#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>
#include <catch2/catch.hpp>

#include "actors/message_types.hpp"
#include "actors/node_runtime.hpp"
#include "actors/system_config.hpp"
#include "core/check.hpp"
#include "tests/actors/memory_store.hpp"

namespace hive::test {

/// What a session actor was sent.
struct session_inbox {
  std::vector<v1::TaskAssignment> assignments;
  std::vector<int> messages;  // assignments in each message
  std::vector<v1::CancelAssignments> cancellations;
  int drain_notices = 0;
  int endings = 0;
};

/// Something to do in the context of an actor, so that the other side sees that actor as the sender.
using actor_task = std::function<void(caf::event_based_actor*)>;

inline caf::behavior recording_session(caf::event_based_actor* self, std::shared_ptr<session_inbox> inbox) {
  return {
      [inbox](const v1::AssignTasks& message) {
        inbox->messages.push_back(message.assignments_size());
        for (const auto& value : message.assignments()) inbox->assignments.push_back(value);
      },
      [inbox](const v1::CancelAssignments& message) { inbox->cancellations.push_back(message); },
      [inbox](const v1::DrainNotice&) { ++inbox->drain_notices; },
      [inbox](const v1::SessionEnded&) { ++inbox->endings; },
      [self](const actor_task& task) { task(self); },
  };
}

/// A system on CAF's test coordinator: messages are stepped and time moves by hand.
struct system_fixture {
  system_fixture()
      : system(settings), coordinator(dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler())) {}

  void settle() { coordinator.run(); }
  /// In small steps, as timers set off timers.
  void advance(std::chrono::milliseconds time) {
    constexpr auto step = std::chrono::milliseconds(10);
    for (auto passed = std::chrono::milliseconds(0); passed < time; passed += step) {
      coordinator.clock().advance_time(std::min(step, time - passed));
      settle();
    }
  }
  [[nodiscard]] std::int64_t now_unix_ms() const {
    constexpr std::int64_t start = 1'700'000'000'000;
    return start +
           std::chrono::duration_cast<std::chrono::milliseconds>(coordinator.clock().now().time_since_epoch()).count();
  }

  /// Asks and waits; `sender` is whom the other side sees.
  template <class Response, class Handle, class Request>
  result<Response> ask(const Handle& receiver, Request request) {
    result<Response> answer = error{errc::internal, "no answer", {}};
    caf::scoped_actor self{system, true};
    auto pending = self->request(receiver, caf::infinite, std::move(request));
    settle();
    pending.receive([&](Response& response) { answer = std::move(response); },
                    [&](const caf::error& failure) { answer = to_error(failure); });
    return answer;
  }

  test_system_config settings;
  caf::actor_system system;
  caf::scheduler::test_coordinator& coordinator;
};

/// A whole node over a store in memory, without network.
struct node_fixture : system_fixture {
  node_fixture() {
    context = std::make_shared<service_context>();
    context->store = &store;
    context->version = "test";
    context->now_unix_ms = [this] { return now_unix_ms(); };
    context->config.workers.grace_ms = 2000;
    context->work_admission = std::make_shared<admission>(1000, 1 << 20);
    context->sessions = std::make_shared<session_table>();
  }
  ~node_fixture() {
    for (const auto& session : sessions) caf::anon_send_exit(session, caf::exit_reason::kill);
    sessions.clear();
    if (runtime) runtime->end_actors();
    settle();
    runtime.reset();
  }

  void start() {
    auto started = node_runtime::start(system, context, false);
    REQUIRE(started);
    runtime = std::move(*started);
    settle();
  }
  /// As after a crash: the tables stay, everything else is new.
  void restart() {
    runtime->end_actors();
    settle();
    context->is_stopping = false;
    start();
  }

  [[nodiscard]] task_manager_actor tasks() const { return of<task_manager_actor>(runtime->directory().task_manager); }
  [[nodiscard]] worker_registry_actor registry() const {
    return of<worker_registry_actor>(runtime->directory().worker_registry);
  }
  [[nodiscard]] dispatcher_actor dispatch() const { return of<dispatcher_actor>(runtime->directory().dispatcher); }
  template <class Handle>
  static Handle of(const caf::strong_actor_ptr& pointer) {
    return caf::actor_cast<Handle>(pointer);
  }

  v1::CreateTasksResponse create(int count, const std::string& type = "noop") {
    v1::CreateTasksRequest request;
    for (int i = 0; i < count; ++i) {
      request.add_specs()->set_type(type);
      request.mutable_specs(i)->set_title("task " + std::to_string(i));
    }
    auto response = ask<v1::CreateTasksResponse>(tasks(), request);
    REQUIRE(response);
    return *response;
  }
  v1::Task get(std::uint64_t id) {
    v1::GetTasksRequest request;
    request.add_task_ids(id);
    auto response = ask<v1::GetTasksResponse>(tasks(), request);
    REQUIRE(response);
    REQUIRE(is_ok(response->items(0).status()));
    return response->items(0).task();
  }

  /// A worker process: its session actor and what it was sent.
  struct connected_worker {
    caf::actor actor;
    std::shared_ptr<session_inbox> inbox = std::make_shared<session_inbox>();
    v1::RegisterWorkerResponse registration;

    [[nodiscard]] std::uint64_t id() const { return registration.worker().id(); }
    [[nodiscard]] std::uint64_t session() const { return registration.worker().session(); }
  };
  connected_worker connect_worker(const std::string& name, std::uint32_t slots, std::uint64_t incarnation = 1) {
    connected_worker made;
    made.actor = system.spawn(recording_session, made.inbox);
    sessions.push_back(made.actor);
    v1::RegisterWorkerRequest request;
    request.set_is_executor(true);
    request.mutable_spec()->set_name(name);
    request.mutable_spec()->set_slots(slots);
    request.mutable_spec()->set_incarnation(incarnation);
    auto response = ask_as<v1::RegisterWorkerResponse>(made.actor, registry(), request);
    REQUIRE(response);
    made.registration = *response;
    return made;
  }
  /// As ask, but the receiver sees `sender` as the sender.
  template <class Response, class Handle, class Request>
  result<Response> ask_as(const caf::actor& sender, const Handle& receiver, const Request& request) {
    auto answer = std::make_shared<result<Response>>(error{errc::internal, "no answer", {}});
    caf::anon_send(sender, actor_task([answer, receiver, request](caf::event_based_actor* self) {
                     self->request(receiver, caf::infinite, request)
                         .then([answer](const Response& response) { *answer = response; },
                               [answer](const caf::error& failure) { *answer = to_error(failure); });
                   }));
    settle();
    return *answer;
  }
  result<v1::HeartbeatResponse> heartbeat(const connected_worker& from) {
    v1::HeartbeatRequest request;
    request.set_worker_id(from.id());
    request.set_session(from.session());
    return ask_as<v1::HeartbeatResponse>(from.actor, registry(), request);
  }
  result<v1::ReportTasksResponse> complete(const connected_worker& from, std::uint64_t task, std::uint32_t attempt) {
    v1::ReportTasksRequest request;
    request.set_worker_id(from.id());
    request.set_session(from.session());
    auto& report = *request.add_reports();
    report.set_task_id(task);
    report.set_attempt(attempt);
    report.mutable_completed();
    return ask_as<v1::ReportTasksResponse>(from.actor, dispatch(), request);
  }
  void disconnect(const connected_worker& gone) {
    caf::anon_send_exit(gone.actor, caf::exit_reason::kill);
    settle();
  }
  /// The tables prove each other consistent.
  void check_tables() {
    const auto found = core::check(*store.read());
    for (const auto& violation : found.violations()) UNSCOPED_INFO(violation);
    CHECK(found.violations_size() == 0);
  }

  memory_store store;
  service_context_ptr context;
  std::unique_ptr<node_runtime> runtime;
  std::vector<caf::actor> sessions;
};

}  // namespace hive::test

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::test::actor_task)
