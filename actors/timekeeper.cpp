#include "actors/timekeeper.hpp"

#include <algorithm>
#include <chrono>

#include "actors/front_actor.hpp"

namespace hive {
namespace {

constexpr std::uint32_t tick_limit = 1000;
constexpr std::int64_t sleep_ms_max = 10'000;
/// After a tick that failed (full disk): not at once again.
constexpr std::int64_t failure_pause_ms = 500;

}  // namespace

void timekeeper_state::on_due(timer_due due) {
  due_unix_ms = due.unix_ms;
  arrange();
}

void timekeeper_state::on_wake() {
  wakes_at_unix_ms = -1;
  arrange();
}

void timekeeper_state::arrange() {
  if (is_proposing || due_unix_ms < 0) return;
  const std::int64_t now = context->now_unix_ms();
  if (due_unix_ms <= now) {
    propose();
    return;
  }
  const std::int64_t wakes_at = std::min(due_unix_ms, now + sleep_ms_max);
  if (wakes_at_unix_ms > now && wakes_at_unix_ms <= wakes_at) return;  // an earlier message will look again
  wakes_at_unix_ms = wakes_at;
  self->delayed_send(self, std::chrono::milliseconds(wakes_at - now), caf::tick_atom::value);
}

void timekeeper_state::propose() {
  is_proposing = true;
  auto request = std::make_shared<ledger_request>();
  request->commands.emplace_back().mutable_tick()->set_limit(tick_limit);
  self->request(writer, caf::infinite, std::move(request))
      .then(
          [this](ledger_reply_ptr& reply) {
            is_proposing = false;
            const v1::Outcome outcome = reply->outcomes.empty() ? v1::Outcome{} : reply->outcomes.front();
            if (outcome.count() >= tick_limit) {
              propose();
              return;
            }
            // Nothing popped although it was due: never spin on it.
            if (outcome.count() == 0) due_unix_ms = std::max(due_unix_ms, context->now_unix_ms() + failure_pause_ms);
            arrange();
          },
          [this](caf::error& failure) {
            is_proposing = false;
            config::logger(name)->warn("tick failed: {}", to_string(to_error(failure)));
            due_unix_ms = std::max(due_unix_ms, context->now_unix_ms() + failure_pause_ms);
            arrange();
          });
}

timekeeper_actor::behavior_type timekeeper(timekeeper_actor::stateful_pointer<timekeeper_state> self,
                                           service_context_ptr context, ledger_actor writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  return {
      guarded(self, [&state](timer_due due) { state.on_due(due); }),
      guarded(self, [&state](caf::tick_atom) { state.on_wake(); }),
  };
}

}  // namespace hive
