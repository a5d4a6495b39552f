#pragma once

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Proposes a Tick when the first durable timer is due, and the next one at once while more is due. Sleeps on one
/// delayed message; wakes at least every `sleep_max` so that a change of the wall clock is seen.
struct timekeeper_state {
  static inline const char* const name = "timekeeper";
  using pointer = timekeeper_actor::stateful_pointer<timekeeper_state>;

  void on_due(timer_due due);
  void on_wake();
  /// Waits for the next timer, or proposes a tick if it is due.
  void arrange();
  void propose();

  pointer self = nullptr;
  service_context_ptr context;
  ledger_actor writer;
  std::int64_t due_unix_ms = -1;
  std::int64_t wakes_at_unix_ms = -1;  // of the earliest delayed message under way; -1: none
  bool is_proposing = false;
};

timekeeper_actor::behavior_type timekeeper(timekeeper_actor::stateful_pointer<timekeeper_state> self,
                                           service_context_ptr context, ledger_actor writer);

}  // namespace hive
