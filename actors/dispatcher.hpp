#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Between the ledger and the workers: turns reports into commands, and pushes committed assignments and revocations
/// to the sessions.
struct dispatcher_state {
  static inline const char* const name = "dispatcher";
  using pointer = dispatcher_service::stateful_pointer<dispatcher_state>;

  caf::result<v1::ReportTasksResponse> on_report(v1::ReportTasksRequest& request);
  void on_batch(dispatch_batch& batch);
  void push_assignments(std::vector<core::assignment>& assignments);
  void push_revocations(const std::vector<core::revocation>& revocations);

  pointer self = nullptr;
  service_context_ptr context;
  ledger_actor writer;
};

dispatcher_service::behavior_type dispatcher(dispatcher_service::stateful_pointer<dispatcher_state> self,
                                             service_context_ptr context, ledger_actor writer);

}  // namespace hive
