#pragma once

#include <chrono>
#include <map>

#include <caf/actor_addr.hpp>
#include <caf/actor_clock.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// What the tables do not say of a worker: whether it lives.
struct live_worker {
  session_number session;
  caf::strong_actor_ptr actor;  // null: by hand, disconnected, or not back yet since the node started
  v1::WorkerState state = v1::WORKER_STATE_ACTIVE;
  bool is_executor = false;
  /// Was active before the node started; an executor must register anew.
  bool is_restored = false;
  /// EndWorker is on its way to the ledger.
  bool is_ending = false;
  std::int64_t last_heartbeat_unix_ms = 0;
  caf::actor_clock::time_point expires_at;
};

/// Sessions: registration, heartbeats, drain, and who is lost. A connection that ends, or a heartbeat that stays out
/// for the grace period, leads to EndWorker(is_lost): the worker's tasks are queued again. Heartbeats touch no disk.
struct worker_registry_state {
  static inline const char* const name = "worker_registry";
  using pointer = worker_registry_service::stateful_pointer<worker_registry_state>;

  caf::result<v1::RegisterWorkerResponse> on_register(v1::RegisterWorkerRequest& request);
  caf::result<v1::HeartbeatResponse> on_heartbeat(const v1::HeartbeatRequest& request);
  caf::result<v1::DrainWorkerResponse> on_drain(const v1::DrainWorkerRequest& request);
  caf::result<v1::DeregisterWorkerResponse> on_deregister(const v1::DeregisterWorkerRequest& request);
  caf::result<v1::ListWorkersResponse> on_list(const v1::ListWorkersRequest& request);
  caf::result<v1::GetWorkerResponse> on_get(const v1::GetWorkerRequest& request);
  void on_opened(const session_opened& opened);
  void on_down(const caf::down_msg& down);
  void on_tick();
  /// Sessions live at the leader: a new one awaits the workers, a deposed one sends them away.
  void on_leadership(leadership_changed changed);

  /// Workers that were active when the node stopped get one grace period to come back.
  void restore();
  /// The grace is over: what the worker held is queued again.
  void declare_lost(worker_id worker);
  void forget(worker_id worker, const std::string& why);
  void disconnect(worker_id worker, live_worker& live);
  /// Tells the sender of the message in hand that it must register anew, and describes it.
  caf::error session_over(std::uint64_t worker, std::uint64_t session);
  void overlay(v1::Worker& worker) const;
  [[nodiscard]] caf::timespan silence_max(const live_worker& live) const;

  pointer self = nullptr;
  service_context_ptr context;
  ledger_actor writer;
  std::map<worker_id, live_worker> workers;
  std::map<caf::actor_addr, worker_id> by_actor;
  caf::actor_clock::time_point last_tick;
};

worker_registry_service::behavior_type worker_registry(
    worker_registry_service::stateful_pointer<worker_registry_state> self, service_context_ptr context,
    ledger_actor writer);

}  // namespace hive
