#pragma once

#include <optional>

#include <caf/response_promise.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/batch_writer.hpp"
#include "actors/effects_outlet.hpp"
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
  void send_effects(core::effects&& effects);
  void request_flush();

  pointer self = nullptr;
  service_context_ptr context;
  std::shared_ptr<batch_writer> writer;
  std::optional<effects_outlet> outlet;
  std::vector<pending_write> pending;
  std::vector<caf::response_promise> promises;  // of `pending`, in order
  std::size_t pending_commands = 0;
  std::uint64_t pending_bytes = 0;
  bool is_flush_requested = false;
};

/// `writer` must be loaded.
ledger_actor::behavior_type ledger(ledger_actor::stateful_pointer<ledger_state> self, service_context_ptr context,
                                   std::shared_ptr<batch_writer> writer);

}  // namespace hive
