#pragma once

#include <caf/response_promise.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/batch_writer.hpp"
#include "actors/local_messages.hpp"

namespace hive {

/// The single writer of a shard. Whatever waits in its mailbox becomes one batch (up to a count and a size): while
/// one batch is on its way to disk the next one gathers, so no timer is needed and a lone command never waits.
/// Nothing is answered and no effect leaves before the commit. Runs detached: it blocks in fsync.
struct ledger_state {
  static inline const char* const name = "ledger";
  using pointer = ledger_actor::stateful_pointer<ledger_state>;

  caf::result<ledger_reply_ptr> on_request(ledger_request_ptr& request);
  void on_flush();
  /// Writes what is pending, answers, and sends the effects on.
  void write_batch();
  void answer(pending_write& entry, caf::response_promise& promise);
  void send_effects(core::effects&& effects);
  void on_flush_effects();
  void flush_held_effects();
  void request_flush();

  pointer self = nullptr;
  service_context_ptr context;
  std::shared_ptr<batch_writer> writer;
  ledger_sinks_ptr sinks;
  std::vector<pending_write> pending;
  std::vector<caf::response_promise> promises;  // of `pending`, in order
  std::size_t pending_commands = 0;
  std::uint64_t pending_bytes = 0;
  bool is_flush_requested = false;
  core::effects held;  // events for readers that nobody waits for; see send_effects
  bool is_effects_flush_due = false;
  std::int64_t told_due_unix_ms = -2;  // what the timekeeper knows
};

/// `writer` must be loaded.
ledger_actor::behavior_type ledger(ledger_actor::stateful_pointer<ledger_state> self, service_context_ptr context,
                                   std::shared_ptr<batch_writer> writer);

}  // namespace hive
