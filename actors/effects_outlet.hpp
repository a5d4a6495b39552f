#pragma once

#include <chrono>
#include <iterator>
#include <memory>
#include <utility>

#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/send.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Where committed effects leave: the timekeeper learns when the next timer is due, the readers get the events. While
/// nobody subscribes, events are held for a moment: they are only counted then, and a wake-up for every batch would
/// cost more than the counting. Owned by the writer of the shard.
class effects_outlet {
 public:
  static constexpr std::chrono::milliseconds pause{20};

  explicit effects_outlet(service_context_ptr context) : context_(std::move(context)) {}

  void open(ledger_sinks_ptr sinks) { sinks_ = std::move(sinks); }
  [[nodiscard]] const ledger_sinks_ptr& sinks() const { return sinks_; }

  void tell_due(std::int64_t unix_ms) {
    if (!sinks_ || unix_ms == told_due_unix_ms_) return;
    told_due_unix_ms_ = unix_ms;
    tell(sinks_->timekeeper, timer_due{unix_ms});
  }
  /// True: call flush() after `pause`.
  [[nodiscard]] bool send(core::effects&& effects) {
    if (!sinks_ || effects.events.empty()) return false;
    if (held_.events.empty()) {
      held_.events = std::move(effects.events);
    } else {
      std::move(effects.events.begin(), effects.events.end(), std::back_inserter(held_.events));
    }
    if (context_->subscribers > 0 || held_.events.size() >= held_events_max) {
      release();
      return false;
    }
    return !std::exchange(is_flush_due_, true);
  }
  void flush() {
    is_flush_due_ = false;
    release();
  }

  /// Sends from inside the node, without a sender, so that nobody answers.
  template <class Message>
  static void tell(const caf::strong_actor_ptr& receiver, Message message) {
    if (receiver) caf::anon_send(caf::actor_cast<caf::actor>(receiver), std::move(message));
  }

 private:
  static constexpr std::size_t held_events_max = 5'000;

  void release() {
    if (!sinks_ || held_.events.empty()) return;
    const committed_effects committed = std::make_shared<const core::effects>(std::move(held_));
    held_ = {};
    for (const auto& reader : sinks_->effect_readers) tell(reader, committed);
  }

  service_context_ptr context_;
  ledger_sinks_ptr sinks_;
  core::effects held_;
  bool is_flush_due_ = false;
  std::int64_t told_due_unix_ms_ = -2;  // what the timekeeper knows
};

}  // namespace hive
