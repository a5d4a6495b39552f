#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Takes the reports of the workers and turns them into commands. (Credit is kept by the batch writer, and what was
/// committed goes out through actors/assignment_push.hpp.)
struct dispatcher_state {
  static inline const char* const name = "dispatcher";
  using pointer = dispatcher_actor::stateful_pointer<dispatcher_state>;

  /// A few reports: the next step of a chain waits for them. See front::subtype.
  static bool is_brief(const caf::type_erased_tuple& content) {
    return content.match_elements<v1::ReportTasksRequest>() &&
           content.get_as<v1::ReportTasksRequest>(0).reports_size() <= brief_items_max;
  }

  caf::result<v1::ReportTasksResponse> on_report(v1::ReportTasksRequest& request);

  pointer self = nullptr;
  service_context_ptr context;
  ledger_actor writer;
};

dispatcher_actor::behavior_type dispatcher(dispatcher_actor::stateful_pointer<dispatcher_state> self,
                                           service_context_ptr context, ledger_actor writer);

}  // namespace hive
