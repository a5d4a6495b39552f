#include "actors/ledger.hpp"

#include "actors/assignment_push.hpp"
#include "actors/front_actor.hpp"
#include "actors/ledger_answer.hpp"

namespace hive {
namespace {

/// Between two tries to hand out tasks while the store fails.
constexpr std::chrono::milliseconds failure_pause{500};
/// A batch of so few requests says that the node is quiet: the latency of the next one counts.
constexpr std::size_t quiet_requests_max = 4;

}  // namespace

caf::result<ledger_reply_ptr> ledger_state::on_request(ledger_request_ptr& request) {
  auto promise = self->make_response_promise();
  pending_commands += request->commands.size();
  for (const auto& command : request->commands) pending_bytes += command.ByteSizeLong();
  pending.push_back({std::move(request), {}, {}});
  promises.push_back(promise);
  const auto& limits = context->config.ledger;
  if (pending_commands >= limits.batch_commands_max || pending_bytes >= limits.batch_bytes_max) {
    write_batch();
  } else {
    request_flush();
  }
  return promise;
}

void ledger_state::request_flush() {
  if (is_flush_requested) return;
  is_flush_requested = true;
  self->send(self, flush_batch{});
}

void ledger_state::on_flush() {
  is_flush_requested = false;
  write_batch();
}

void ledger_state::write_batch() {
  // An empty batch is written too if offers were left over by the one before.
  if (pending.empty() && !writer->has_more()) return;
  auto arrived_at = std::chrono::steady_clock::now();
  for (const auto& entry : pending) arrived_at = std::min(arrived_at, entry.request->arrived_at);
  auto batch = std::move(pending);
  auto waiting = std::move(promises);
  pending.clear();
  promises.clear();
  pending_commands = 0;
  pending_bytes = 0;
  core::effects effects;
  const bool is_durable = writer->write(batch, effects);
  // A registration is answered before its first assignments leave: the worker learns its session first.
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].request->session_actor) answer(batch[i], waiting[i]);
  }
  // What somebody waits for goes first: work to the workers, then the answers. Readers of events come last.
  push_to_sessions(*context, effects, arrived_at);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (!batch[i].request->session_actor) answer(batch[i], waiting[i]);
  }
  send_effects(std::move(effects));
  if (is_durable && batch.size() <= quiet_requests_max) context->store->grow_ahead();
  if (!writer->has_more()) return;
  if (is_durable) {
    request_flush();
  } else {
    // Once in a while, not in a hot loop. Requests that come meanwhile do not wait for it.
    self->delayed_send(self, failure_pause, flush_batch{});
  }
}

void ledger_state::send_effects(core::effects&& effects) {
  outlet->tell_due(writer->next_due_unix_ms());
  if (outlet->send(std::move(effects))) self->delayed_send(self, effects_outlet::pause, flush_effects{});
}

ledger_actor::behavior_type ledger(ledger_actor::stateful_pointer<ledger_state> self, service_context_ptr context,
                                   std::shared_ptr<batch_writer> writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  state.outlet.emplace(state.context);
  return {
      guarded(self, [&state](ledger_request_ptr& request) { return state.on_request(request); }),
      guarded(self, [&state](flush_batch) { state.on_flush(); }),
      guarded(self, [&state](flush_effects) { state.outlet->flush(); }),
      guarded(self, [&state](const session_closed& closed) { state.writer->suspend(closed.worker, closed.session); }),
      guarded(self,
              [&state](const ledger_sinks_ptr& sinks) {
                state.outlet->open(sinks);
                state.outlet->tell_due(state.writer->next_due_unix_ms());
              }),
  };
}

}  // namespace hive
