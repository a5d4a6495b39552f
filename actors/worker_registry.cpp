#include "actors/worker_registry.hpp"

#include <algorithm>

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"
#include "core/keys.hpp"
#include "core/plan_validator.hpp"
#include "core/queries.hpp"

namespace hive {
namespace {

/// A worker that is registered by hand has no connection to watch.
constexpr auto hand_silence_max = std::chrono::seconds(30);
constexpr std::uint32_t restore_page = 1000;
constexpr auto failover_allowance = std::chrono::seconds(3);

/// Fine enough that a lost worker is found soon after its grace, coarse enough to cost nothing.
caf::timespan tick_interval(const service_context& context) {
  return std::chrono::milliseconds(std::clamp<std::int64_t>(context.config.workers.grace_ms / 8, 10, 250));
}

bool is_held(const core::table_reader& tables, std::uint64_t worker, const v1::TaskAttempt& task) {
  const auto stored = tables.get(core::table::task_status, core::key().u64(task.task_id()));
  v1::TaskStatus status;
  if (!stored || !status.ParseFromArray(stored->data(), static_cast<int>(stored->size()))) return false;
  const bool is_leased = status.state() == v1::TASK_STATE_LEASED || status.state() == v1::TASK_STATE_RUNNING;
  return is_leased && status.worker_id() == worker && status.attempt() == task.attempt();
}

caf::message describe_registration(const service_context& context, v1::Outcome&& outcome) {
  v1::RegisterWorkerResponse response;
  *response.mutable_worker() = std::move(*outcome.mutable_worker());
  response.mutable_worker()->set_last_heartbeat_unix_ms(context.now_unix_ms());
  response.mutable_worker()->set_slots_used(static_cast<std::uint32_t>(outcome.kept_size()));
  response.mutable_kept()->Swap(outcome.mutable_kept());
  response.set_heartbeat_interval_ms(context.config.workers.heartbeat_interval_ms);
  response.set_grace_ms(context.config.workers.grace_ms);
  return caf::make_message(std::move(response));
}

}  // namespace

caf::timespan worker_registry_state::silence_max(const live_worker& live) const {
  const caf::timespan grace = std::chrono::milliseconds(context->config.workers.grace_ms);
  return live.is_executor ? grace : std::max<caf::timespan>(grace, hand_silence_max);
}

caf::result<v1::RegisterWorkerResponse> worker_registry_state::on_register(v1::RegisterWorkerRequest& request) {
  if (auto normal = core::normalize_worker(*request.mutable_spec(), context->limits); !normal) {
    return refuse(*context, name, normal.failure());
  }
  if (static_cast<std::uint32_t>(request.running_size()) > context->limits.slots_max) {
    return refuse(*context, name,
                  {errc::invalid_argument, "more running tasks than a worker can have slots", "running"});
  }
  auto work = std::make_shared<ledger_request>();
  auto& command = *work->commands.emplace_back().mutable_register_worker();
  const std::uint64_t bytes = request.ByteSizeLong();
  command.mutable_spec()->Swap(request.mutable_spec());
  command.mutable_running()->Swap(request.mutable_running());
  if (request.is_executor()) work->session_actor = self->current_sender();
  if (request.is_executor() && !work->session_actor) {
    return refuse(*context, name, {errc::invalid_argument, "an executor must register from its actor", "is_executor"});
  }
  if (auto admitted = admit(*context, *work, bytes, true); !admitted) {
    return refuse(*context, name, admitted.failure());
  }
  work->respond = [shared = context, me = caf::actor_cast<caf::actor>(self->address()),
                   actor = work->session_actor](std::vector<v1::Outcome>&& outcomes) {
    v1::Outcome& outcome = outcomes.front();
    if (!is_ok(outcome.status())) return caf::make_message(make_error(to_error(outcome.status())));
    outcome.mutable_worker()->set_is_connected(actor != nullptr);
    // Sent before the answer, so that the worker's first heartbeat finds its session.
    caf::anon_send(me, session_opened_ptr(std::make_shared<session_opened>(session_opened{outcome.worker(), actor})));
    return describe_registration(*shared, std::move(outcome));
  };
  return delegate_to<v1::RegisterWorkerResponse>(self, writer, std::move(work));
}

void worker_registry_state::on_opened(const session_opened& opened) {
  const worker_id worker{opened.worker.id()};
  if (const auto before = workers.find(worker); before != workers.end() && before->second.actor) {
    const auto older = before->second.actor;
    self->demonitor(caf::actor_cast<caf::actor_addr>(older));
    by_actor.erase(caf::actor_cast<caf::actor_addr>(older));
    if (older != opened.actor) {
      v1::SessionEnded ended;
      ended.set_why("a newer session of this worker was opened; do two processes use its name?");
      config::logger(name)->warn("a connected worker is replaced by a newer session worker={} name={} session={}",
                                 to_string(worker), opened.worker.spec().name(), opened.worker.session());
      self->send(caf::actor_cast<worker_session_actor>(older), std::move(ended));
    }
  }
  live_worker live;
  live.session = {opened.worker.session()};
  live.actor = opened.actor;
  live.state = opened.worker.state();
  live.is_executor = opened.actor != nullptr;
  live.last_heartbeat_unix_ms = context->now_unix_ms();
  live.expires_at = self->clock().now() + silence_max(live);
  workers[worker] = live;
  if (live.actor) {
    by_actor[caf::actor_cast<caf::actor_addr>(live.actor)] = worker;
    self->monitor(caf::actor_cast<caf::actor>(live.actor));
  }
  config::logger(name)->info("worker registered worker={} name={} session={} slots={}", to_string(worker),
                             opened.worker.spec().name(), opened.worker.session(), opened.worker.spec().slots());
}

void worker_registry_state::disconnect(worker_id worker, live_worker& live) {
  if (!live.actor) return;
  self->demonitor(caf::actor_cast<caf::actor_addr>(live.actor));
  by_actor.erase(caf::actor_cast<caf::actor_addr>(live.actor));
  live.actor = nullptr;
  context->sessions->close(worker, live.session);
  self->send(writer, session_closed{worker, live.session});
}

void worker_registry_state::on_down(const caf::down_msg& down) {
  const auto found = by_actor.find(down.source);
  if (found == by_actor.end()) return;
  const worker_id worker = found->second;
  auto& live = workers.at(worker);
  disconnect(worker, live);
  live.expires_at = self->clock().now() + silence_max(live);
  config::logger(name)->info("connection of a worker is gone worker={} session={}", to_string(worker),
                             live.session.value);
}

caf::error worker_registry_state::session_over(std::uint64_t worker, std::uint64_t session) {
  v1::SessionEnded ended;
  ended.set_why("session " + std::to_string(session) + " of " + to_string(worker_id{worker}) +
                " is over: register anew");
  const error failure{errc::failed_precondition, ended.why(), "session"};
  if (const auto& sender = self->current_sender(); sender && session != 0) {
    self->send(caf::actor_cast<worker_session_actor>(sender), std::move(ended));
  }
  return refuse(*context, name, failure);
}

caf::result<v1::HeartbeatResponse> worker_registry_state::on_heartbeat(const v1::HeartbeatRequest& request) {
  const auto found = workers.find({request.worker_id()});
  if (found == workers.end()) {
    auto stored = core::get_worker(*context->store->read(), {request.worker_id()});
    if (!stored) return refuse(*context, name, stored.failure());
    return session_over(request.worker_id(), request.session());
  }
  auto& live = found->second;
  const bool is_other = request.session() != 0 && request.session() != live.session.value;
  const bool must_register = live.is_executor && !live.actor;
  if (is_other || must_register || (live.is_restored && request.session() != 0)) {
    return session_over(request.worker_id(), request.session());
  }
  if (static_cast<std::uint32_t>(request.running_size()) > context->limits.slots_max) {
    return refuse(*context, name,
                  {errc::invalid_argument, "more running tasks than a worker can have slots", "running"});
  }
  live.is_restored = false;
  live.last_heartbeat_unix_ms = context->now_unix_ms();
  live.expires_at = self->clock().now() + silence_max(live);
  v1::HeartbeatResponse response;
  response.set_state(live.state);
  if (request.running_size() > 0) {
    const auto snapshot = context->store->read();
    for (const auto& task : request.running()) {
      if (!is_held(*snapshot, request.worker_id(), task)) *response.add_cancel() = task;
    }
  }
  return response;
}

caf::result<v1::DrainWorkerResponse> worker_registry_state::on_drain(const v1::DrainWorkerRequest& request) {
  auto work = std::make_shared<ledger_request>();
  auto& command = *work->commands.emplace_back().mutable_drain_worker();
  command.set_worker_id(request.worker_id());
  command.set_undrain(request.undrain());
  if (auto admitted = admit(*context, *work, request.ByteSizeLong(), true); !admitted) {
    return refuse(*context, name, admitted.failure());
  }
  auto promise = self->make_response_promise<v1::DrainWorkerResponse>();
  self->request(writer, caf::infinite, std::move(work))
      .then(
          [this, promise, worker = worker_id{request.worker_id()},
           undrain = request.undrain()](ledger_reply_ptr& reply) mutable {
            const auto& status = reply->outcomes.front().status();
            if (!is_ok(status)) {
              promise.deliver(make_error(to_error(status)));
              return;
            }
            v1::DrainWorkerResponse response;
            response.set_state(undrain ? v1::WORKER_STATE_ACTIVE : v1::WORKER_STATE_DRAINING);
            if (const auto found = workers.find(worker); found != workers.end()) {
              found->second.state = response.state();
              v1::DrainNotice notice;
              notice.set_undrain(undrain);
              if (found->second.actor) {
                self->send(caf::actor_cast<worker_session_actor>(found->second.actor), std::move(notice));
              }
            }
            promise.deliver(std::move(response));
          },
          [promise](caf::error& failure) mutable { promise.deliver(std::move(failure)); });
  return promise;
}

caf::result<v1::DeregisterWorkerResponse> worker_registry_state::on_deregister(
    const v1::DeregisterWorkerRequest& request) {
  auto work = std::make_shared<ledger_request>();
  auto& command = *work->commands.emplace_back().mutable_end_worker();
  command.set_worker_id(request.worker_id());
  command.set_session(request.session());
  if (auto admitted = admit(*context, *work, request.ByteSizeLong(), true); !admitted) {
    return refuse(*context, name, admitted.failure());
  }
  auto promise = self->make_response_promise<v1::DeregisterWorkerResponse>();
  self->request(writer, caf::infinite, std::move(work))
      .then(
          [this, promise, worker = worker_id{request.worker_id()}](ledger_reply_ptr& reply) mutable {
            const auto& outcome = reply->outcomes.front();
            if (!is_ok(outcome.status())) {
              promise.deliver(make_error(to_error(outcome.status())));
              return;
            }
            forget(worker, {});
            v1::DeregisterWorkerResponse response;
            response.set_tasks_requeued(outcome.count());
            promise.deliver(std::move(response));
          },
          [promise](caf::error& failure) mutable { promise.deliver(std::move(failure)); });
  return promise;
}

void worker_registry_state::forget(worker_id worker, const std::string& why) {
  const auto found = workers.find(worker);
  if (found == workers.end()) return;
  if (found->second.actor && !why.empty()) {
    v1::SessionEnded ended;
    ended.set_why(why);
    self->send(caf::actor_cast<worker_session_actor>(found->second.actor), std::move(ended));
  }
  disconnect(worker, found->second);
  workers.erase(found);
}

void worker_registry_state::on_tick() {
  const auto now = self->clock().now();
  const auto interval = tick_interval(*context);
  self->delayed_send(self, interval, caf::tick_atom::value);
  // This process was stopped or starved: silence proves nothing, so everybody gets the time that was lost.
  const auto stall = now - last_tick;
  const bool is_stalled = stall > 4 * interval;
  last_tick = now;
  std::vector<worker_id> lost;
  for (auto& [worker, live] : workers) {
    if (is_stalled) live.expires_at += stall;
    if (live.is_ending || now < live.expires_at) continue;
    if (live.actor) {
      const auto session = context->sessions->find(worker);
      if (session && session->last_seen + silence_max(live) > now) continue;  // it still reports
    }
    lost.push_back(worker);
  }
  for (const worker_id worker : lost) declare_lost(worker);
}

void worker_registry_state::declare_lost(worker_id worker) {
  auto& live = workers.at(worker);
  live.is_ending = true;
  const session_number session = live.session;
  auto work = std::make_shared<ledger_request>();
  auto& command = *work->commands.emplace_back().mutable_end_worker();
  command.set_worker_id(worker.value);
  command.set_session(session.value);
  command.set_is_lost(true);
  self->request(writer, caf::infinite, std::move(work))
      .then(
          [this, worker, session](ledger_reply_ptr& reply) {
            const auto found = workers.find(worker);
            if (found == workers.end() || found->second.session != session) return;  // it came back meanwhile
            const auto& outcome = reply->outcomes.front();
            config::logger(name)->warn("worker lost worker={} session={} tasks_requeued={}", to_string(worker),
                                       session.value, outcome.count());
            forget(worker, "nothing was heard of this worker for its grace period");
          },
          [this, worker, session](caf::error& failure) {
            config::logger(name)->error("cannot end worker={}: {}", to_string(worker), to_string(to_error(failure)));
            const auto found = workers.find(worker);
            if (found != workers.end() && found->second.session == session) found->second.is_ending = false;
          });
}

void worker_registry_state::overlay(v1::Worker& worker) const {
  const auto found = workers.find({worker.id()});
  if (found == workers.end()) return;
  worker.set_last_heartbeat_unix_ms(found->second.last_heartbeat_unix_ms);
  worker.set_is_connected(found->second.actor != nullptr);
}

caf::result<v1::ListWorkersResponse> worker_registry_state::on_list(const v1::ListWorkersRequest& request) {
  const auto snapshot = context->store->read();
  auto response = core::list_workers(*snapshot, request);
  if (!response) return make_error(response.failure());
  for (auto& worker : *response->mutable_workers()) overlay(worker);
  return std::move(*response);
}

caf::result<v1::GetWorkerResponse> worker_registry_state::on_get(const v1::GetWorkerRequest& request) {
  const auto snapshot = context->store->read();
  auto worker = request.worker_id() != 0 ? core::get_worker(*snapshot, {request.worker_id()})
                                         : core::get_worker_by_name(*snapshot, request.name());
  if (!worker) return make_error(worker.failure());
  overlay(*worker);
  v1::GetWorkerResponse response;
  response.mutable_worker()->Swap(&*worker);
  return response;
}

void worker_registry_state::on_leadership(leadership_changed changed) {
  if (changed.is_leader) {
    workers.clear();
    last_tick = self->clock().now();
    return restore();
  }
  while (!workers.empty()) forget(workers.begin()->first, "this node leads the cluster no more");
}

void worker_registry_state::restore() {
  const auto snapshot = context->store->read();
  const auto now = self->clock().now();
  v1::ListWorkersRequest request;
  request.set_limit(restore_page);
  do {
    auto page = core::list_workers(*snapshot, request);
    if (!page) {
      config::logger(name)->error("cannot read the workers: {}", to_string(page.failure()));
      return;
    }
    for (const auto& worker : page->workers()) {
      if (worker.state() != v1::WORKER_STATE_ACTIVE && worker.state() != v1::WORKER_STATE_DRAINING) continue;
      live_worker live;
      live.session = {worker.session()};
      live.state = worker.state();
      live.is_restored = true;
      // The tables do not say who was registered by hand. Who holds tasks is awaited for the grace period only; the
      // others cost nothing while they are awaited for longer.
      live.is_executor = false;
      caf::timespan grace = std::chrono::milliseconds(context->config.workers.grace_ms);
      // They have to find the new leader first.
      if (context->cluster) grace += failover_allowance;
      live.expires_at = now + (worker.slots_used() + worker.tasks_ahead() > 0 ? grace : silence_max(live));
      workers[{worker.id()}] = live;
    }
    request.set_after_id(page->next_after_id());
  } while (request.after_id() != 0);
}

worker_registry_service::behavior_type worker_registry(
    worker_registry_service::stateful_pointer<worker_registry_state> self, service_context_ptr context,
    ledger_actor writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  state.last_tick = self->clock().now();
  if (!state.context->cluster) state.restore();
  self->set_down_handler([&state](caf::scheduled_actor*, caf::down_msg& down) { state.on_down(down); });
  self->delayed_send(self, tick_interval(*state.context), caf::tick_atom::value);
  return {
      guarded(self, [&state](v1::RegisterWorkerRequest& request) { return state.on_register(request); }),
      guarded(self, [&state](const v1::HeartbeatRequest& request) { return state.on_heartbeat(request); }),
      guarded(self, [&state](const v1::DrainWorkerRequest& request) { return state.on_drain(request); }),
      guarded(self, [&state](const v1::DeregisterWorkerRequest& request) { return state.on_deregister(request); }),
      guarded(self, [&state](const v1::ListWorkersRequest& request) { return state.on_list(request); }),
      guarded(self, [&state](const v1::GetWorkerRequest& request) { return state.on_get(request); }),
      guarded(self, [&state](const session_opened_ptr& opened) { state.on_opened(*opened); }),
      guarded(self, [&state](leadership_changed changed) { state.on_leadership(changed); }),
      guarded(self, [&state](caf::tick_atom) { state.on_tick(); }),
  };
}

}  // namespace hive
