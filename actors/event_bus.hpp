#pragma once

#include <map>
#include <optional>

#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/local_messages.hpp"
#include "actors/service_context.hpp"
#include "actors/subscription_table.hpp"

namespace hive {

/// A subscription that may have more to send.
struct pump_subscription {
  std::uint64_t id = 0;
};

/// New events for everybody, some subscribers at a time.
struct pump_round {};

using event_bus_inner = event_bus_service::extend<caf::reacts_to<pump_subscription>, caf::reacts_to<pump_round>>;

/// Broadcasts committed events to subscriber actors, each from its own cursor and within its own window. A
/// subscriber that acknowledges nothing for config.events.ack_timeout_ms is dropped with its cursor. New events go out
/// in rounds over all subscribers; the more there are, the longer from one round to the next, so that events share
/// messages instead of crowding out the dispatch: at most 20,000 batches a second leave a node.
struct event_bus_state {
  static inline const char* const name = "event_bus";
  using pointer = event_bus_inner::stateful_pointer<event_bus_state>;

  caf::result<v1::SubscribeResponse> on_subscribe(const v1::SubscribeRequest& request);
  void on_acknowledge(const v1::AckEvents& ack);
  caf::result<v1::UnsubscribeResponse> on_unsubscribe(const v1::UnsubscribeRequest& request);
  caf::result<v1::PublishEventsResponse> on_publish(v1::PublishEventsRequest& request);
  caf::result<v1::ReadEventsResponse> on_read(const v1::ReadEventsRequest& request);
  void on_committed(const committed_effects& committed);
  /// Sends one batch, so that a subscriber that replays a long past does not hold up the others.
  void on_pump(std::uint64_t id);
  /// Looks for subscribers that acknowledge nothing.
  void on_tick();
  void on_down(const caf::down_msg& down);

  void schedule_pump(std::uint64_t id);
  /// Sends its next batch, and has it pumped if more is left; false if there was none, or it was dropped.
  bool send_batch(std::uint64_t id);
  void start_round();
  void schedule_turn();
  void on_round();
  /// Ends a subscription; the subscriber learns from which cursor to come back.
  void drop(std::uint64_t id, const error& why);
  void forget(std::uint64_t id);
  void report();
  [[nodiscard]] std::chrono::milliseconds ack_timeout() const;

  struct subscriber {
    caf::strong_actor_ptr handle;
    bool is_pumping = false;  // a pump_subscription is on its way
  };
  pointer self = nullptr;
  service_context_ptr context;
  ledger_actor writer;
  std::optional<subscription_table> table;
  std::map<std::uint64_t, subscriber> subscribers;
  bool is_round_due = false;              // a pump_round is on its way
  std::uint64_t round_cursor = 0;         // the last subscriber that had its turn in this round
  std::uint64_t round_head = 0;           // the newest event when the round began
  caf::actor_clock::time_point turn_due;  // the next subscribers have their turn no sooner
};

/// Reads the newest event from the store, so spawn it before the ledger writes.
event_bus_inner::behavior_type event_bus(event_bus_inner::stateful_pointer<event_bus_state> self,
                                         service_context_ptr context, ledger_actor writer);

}  // namespace hive

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::pump_subscription)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(hive::pump_round)
