#include "actors/ledger.hpp"

#include <iterator>

#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include "actors/assignment_push.hpp"
#include "actors/front_actor.hpp"

namespace hive {
namespace {

/// Between two tries to hand out tasks while the store fails.
constexpr std::chrono::milliseconds failure_pause{500};
/// A batch of so few requests says that the node is quiet: the latency of the next one counts.
constexpr std::size_t quiet_requests_max = 4;
/// Without subscribers the events are only counted: a wake-up for every batch would cost more than the counting.
constexpr std::chrono::milliseconds effects_pause{20};
constexpr std::size_t held_events_max = 5'000;

/// Sends from inside the node, without a sender, so that nobody answers.
template <class Message>
void tell(const caf::strong_actor_ptr& receiver, Message message) {
  if (receiver) caf::anon_send(caf::actor_cast<caf::actor>(receiver), std::move(message));
}

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

void ledger_state::answer(pending_write& entry, caf::response_promise& promise) {
  if (entry.failure) {
    promise.deliver(make_error(*entry.failure));
  } else if (entry.request->respond) {
    promise.deliver(entry.request->respond(std::move(entry.outcomes)));
  } else {
    promise.deliver(std::make_shared<ledger_reply>(ledger_reply{std::move(entry.outcomes)}));
  }
}

void ledger_state::send_effects(core::effects&& effects) {
  if (!sinks) return;
  if (writer->next_due_unix_ms() != told_due_unix_ms) {
    told_due_unix_ms = writer->next_due_unix_ms();
    tell(sinks->timekeeper, timer_due{told_due_unix_ms});
  }
  if (effects.events.empty()) return;
  if (held.events.empty()) {
    held.events = std::move(effects.events);
  } else {
    std::move(effects.events.begin(), effects.events.end(), std::back_inserter(held.events));
  }
  if (context->subscribers > 0 || held.events.size() >= held_events_max) return flush_held_effects();
  if (is_effects_flush_due) return;
  is_effects_flush_due = true;
  self->delayed_send(self, effects_pause, flush_effects{});
}

void ledger_state::on_flush_effects() {
  is_effects_flush_due = false;
  flush_held_effects();
}

void ledger_state::flush_held_effects() {
  if (!sinks || held.events.empty()) return;
  const committed_effects committed = std::make_shared<const core::effects>(std::move(held));
  held = {};
  for (const auto& reader : sinks->effect_readers) tell(reader, committed);
}

ledger_actor::behavior_type ledger(ledger_actor::stateful_pointer<ledger_state> self, service_context_ptr context,
                                   std::shared_ptr<batch_writer> writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  return {
      guarded(self, [&state](ledger_request_ptr& request) { return state.on_request(request); }),
      guarded(self, [&state](flush_batch) { state.on_flush(); }),
      guarded(self, [&state](flush_effects) { state.on_flush_effects(); }),
      guarded(self, [&state](const session_closed& closed) { state.writer->suspend(closed.worker, closed.session); }),
      guarded(self,
              [&state](const ledger_sinks_ptr& sinks) {
                state.sinks = sinks;
                state.told_due_unix_ms = state.writer->next_due_unix_ms();
                tell(sinks->timekeeper, timer_due{state.told_due_unix_ms});
              }),
  };
}

}  // namespace hive
