#include "actors/node_runtime.hpp"

#include <thread>

#include <caf/actor_cast.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include "actors/basp_mending.hpp"
#include "actors/cluster_manager.hpp"
#include "actors/copy_keeper.hpp"
#include "actors/dispatcher.hpp"
#include "actors/event_bus.hpp"
#include "actors/front_actor.hpp"
#include "actors/ledger.hpp"
#include "actors/member_store.hpp"
#include "actors/node.hpp"
#include "actors/plan_supervisor.hpp"
#include "actors/replicator.hpp"
#include "actors/task_manager.hpp"
#include "actors/timekeeper.hpp"
#include "actors/worker_registry.hpp"

namespace hive {
namespace {

template <class Handle>
caf::strong_actor_ptr to_pointer(const Handle& handle) {
  return caf::actor_cast<caf::strong_actor_ptr>(handle);
}

/// A front actor with the node's usual mailbox; `make(self)` gives its behavior.
template <class Interface, class State, class Make>
Interface spawn_front(caf::actor_system& system, const service_context_ptr& context, Make make) {
  using actor_type = front<Interface, State>;
  return system.spawn<actor_type>(context, front_mailbox_max, typename actor_type::behavior_function(std::move(make)));
}

/// A front for its counted mailbox; `is_threaded` gives it a thread of its own.
template <class Interface, class State, class Make>
Interface spawn_writer(caf::actor_system& system, const service_context_ptr& context, bool is_threaded, Make make) {
  using actor_type = front<Interface, State>;
  const typename actor_type::behavior_function behavior = std::move(make);
  return is_threaded ? system.spawn<actor_type, caf::detached>(context, ledger_mailbox_max, behavior)
                     : system.spawn<actor_type>(context, ledger_mailbox_max, behavior);
}

}  // namespace

result<std::unique_ptr<node_runtime>> node_runtime::start(caf::actor_system& system, service_context_ptr context,
                                                          bool is_threaded) {
  const bool is_member = context->cluster != nullptr;
  std::unique_ptr<node_runtime> runtime(new node_runtime(system, std::move(context)));
  if (auto started = is_member ? runtime->start_member(is_threaded) : runtime->start_ledger(is_threaded); !started)
    return started.failure();
  runtime->spawn_all();
  if (is_threaded && system.has_middleman()) runtime->actors_.push_back(start_forgetting_processes(system));
  return runtime;
}

result<void> node_runtime::start_ledger(bool is_threaded) {
  if (auto alone = check_standalone(*context_->store); !alone) return alone;
  auto writer = std::make_shared<batch_writer>(context_);
  if (auto loaded = writer->load(); !loaded) return loaded;
  copies_ = spawn_copy_keeper(system_, context_, is_threaded);
  writer_ = spawn_writer<ledger_actor, ledger_state>(
      system_, context_, is_threaded,
      [context = context_, writer](auto* self) { return ledger(self, context, writer); });
  return {};
}

result<void> node_runtime::start_member(bool is_threaded) {
  if (auto prepared = prepare_member(*context_->store, context_->config); !prepared) return prepared;
  copies_ = spawn_copy_keeper(system_, context_, is_threaded);
  member_ = spawn_writer<replicator_actor, replicator_state>(
      system_, context_, is_threaded,
      [context = context_, copies = copies_](auto* self) { return replicator(self, context, copies); });
  writer_ = member_;
  return {};
}

void node_runtime::spawn_all() {
  const auto context = context_;
  const auto ledger_handle = writer_;
  const auto bus = spawn_front<event_bus_inner, event_bus_state>(
      system_, context, [context, ledger_handle](auto* self) { return event_bus(self, context, ledger_handle); });
  const auto plans = spawn_front<plan_supervisor_service, plan_supervisor_state>(
      system_, context, [context, ledger_handle](auto* self) { return plan_supervisor(self, context, ledger_handle); });
  const auto tasks = spawn_front<task_manager_actor, task_manager_state>(
      system_, context, [context, ledger_handle](auto* self) { return task_manager(self, context, ledger_handle); });
  const auto registry = spawn_front<worker_registry_service, worker_registry_state>(
      system_, context, [context, ledger_handle](auto* self) { return worker_registry(self, context, ledger_handle); });
  const auto dispatch = spawn_front<dispatcher_actor, dispatcher_state>(
      system_, context, [context, ledger_handle](auto* self) { return dispatcher(self, context, ledger_handle); });
  const auto manager = spawn_front<cluster_manager_service, cluster_manager_state>(
      system_, context, [context, member = member_, copies = copies_](auto* self) {
        return cluster_manager(self, context, member, copies);
      });
  const auto clockwork = system_.spawn(timekeeper, context, ledger_handle);

  directory_.task_manager = to_pointer(tasks);
  directory_.worker_registry = to_pointer(registry);
  directory_.dispatcher = to_pointer(dispatch);
  directory_.plan_supervisor = to_pointer(plans);
  directory_.event_bus = to_pointer(bus);
  directory_.cluster_manager = to_pointer(manager);
  node_ = spawn_front<node_actor, node_state>(
      system_, context, [context, directory = directory_](auto* self) { return node(self, context, directory); });

  auto sinks = std::make_shared<ledger_sinks>();
  sinks->timekeeper = to_pointer(clockwork);
  sinks->worker_registry = directory_.worker_registry;
  sinks->effect_readers.push_back(directory_.event_bus);
  actors_ = {
      caf::actor_cast<caf::actor>(node_), caf::actor_cast<caf::actor>(clockwork), caf::actor_cast<caf::actor>(tasks),
      caf::actor_cast<caf::actor>(plans), caf::actor_cast<caf::actor>(registry),  caf::actor_cast<caf::actor>(dispatch),
      caf::actor_cast<caf::actor>(bus),   caf::actor_cast<caf::actor>(manager),   caf::actor_cast<caf::actor>(writer_)};
  if (copies_) actors_.push_back(caf::actor_cast<caf::actor>(copies_));
  caf::anon_send(writer_, ledger_sinks_ptr(std::move(sinks)));
}

void report_mailboxes(const service_context& context) {
  if (context.probe == nullptr) return;
  for (const auto& [actor, waiting] : context.mailboxes.depths()) context.probe->mailbox_depth(actor, waiting);
}

void node_runtime::end_actors() {
  context_->is_stopping = true;
  for (const auto& handle : actors_) caf::anon_send_exit(handle, caf::exit_reason::user_shutdown);
  actors_.clear();
  context_->sessions->clear();
  directory_ = {};
  node_ = nullptr;
  writer_ = nullptr;
  member_ = nullptr;
  copies_ = nullptr;
}

void node_runtime::stop(std::chrono::milliseconds patience) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  context_->is_stopping = true;
  // What was admitted is written and answered; nothing new comes in.
  while (context_->work_admission->commands() > 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const auto ending = actors_;
  caf::scoped_actor self{system_};
  for (const auto& handle : ending) self->monitor(handle);
  end_actors();
  std::size_t left = ending.size();
  bool is_late = false;
  while (left > 0 && !is_late) {
    self->receive([&](const caf::down_msg&) { --left; },
                  caf::after(std::max<caf::timespan>(deadline - std::chrono::steady_clock::now(),
                                                     std::chrono::milliseconds(100))) >>
                      [&] { is_late = true; });
  }
}

}  // namespace hive
