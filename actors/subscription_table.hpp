#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "hive/v1/api.pb.h"

namespace hive {

/// One page of the event log after a cursor: events that pass the filter, and the cursor it reached.
using event_page_reader = std::function<result<v1::ReadEventsResponse>(const v1::ReadEventsRequest&)>;

/// Who is subscribed, how far each has been sent and what it has acknowledged.
///
/// A subscription is a cursor into the event log and nothing else: no event is buffered for it. What it
/// gets next is taken from the ring of recent events, or read from the log if it has fallen behind the ring,
/// and never more than its window is in flight. So the memory of a slow subscriber is O(1), and one that was
/// away gets every event that it missed, in order, by the same code. No actor, clock or store: the event_bus
/// actor supplies them. Not thread-safe.
class subscription_table {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  struct options {
    std::size_t subscribers_max = 10'000;
    std::size_t ring_events_max = 16'384;
    std::size_t batch_events_max = 500;
    std::size_t batch_bytes_max = 512 << 10;
    std::uint32_t window_default = 1'000;
    std::uint32_t window_max = 10'000;
    /// An empty batch moves a subscriber's cursor after so many events that did not pass its filter.
    std::uint64_t silent_events_max = 10'000;
    /// Other nodes may be ahead of this one: a cursor beyond the log is refused for the moment only.
    bool may_lag = false;
  };

  /// What to send to whom.
  struct delivery {
    std::uint64_t subscription_id = 0;
    v1::EventBatch batch;
  };

  /// `head`: the newest event that is in the log.
  subscription_table(options limits, std::uint64_t head);

  /// `newest` is the newest event of the log, which may be ahead of what was appended here.
  /// invalid_argument: filter, window or a cursor beyond the log (unavailable if may_lag); resource_exhausted: too many
  /// subscribers.
  result<v1::SubscribeResponse> subscribe(const v1::SubscribeRequest& request, std::uint64_t newest, time_point now);
  bool unsubscribe(std::uint64_t subscription_id);

  /// Newly committed events, in order, following the head.
  void append(const std::vector<v1::Event>& events);

  /// Moves the acknowledged cursor; unknown ids and old cursors are ignored (they may cross on the wire).
  void acknowledge(std::uint64_t subscription_id, std::uint64_t cursor, time_point now);

  /// The next batch for this subscription, or nothing if it is up to date or its window is full. A failure
  /// means that the subscription cannot go on (its cursor was purged); the caller ends it.
  result<std::optional<delivery>> next_batch(std::uint64_t subscription_id, const event_page_reader& read_page,
                                             time_point now);

  /// True if its window is full: only an acknowledgement lets it go on.
  [[nodiscard]] bool is_full(std::uint64_t subscription_id) const;
  /// True if next_batch() would look at events.
  [[nodiscard]] bool is_behind(std::uint64_t subscription_id) const;

  /// Subscriptions that have something in flight and have acknowledged nothing since `deadline`.
  [[nodiscard]] std::vector<std::uint64_t> silent_since(time_point deadline) const;

  /// The cursor from which to subscribe again: everything up to it has been acknowledged.
  [[nodiscard]] std::uint64_t acknowledged(std::uint64_t subscription_id) const;

  [[nodiscard]] bool contains(std::uint64_t subscription_id) const {
    return subscriptions_.count(subscription_id) != 0;
  }
  [[nodiscard]] std::vector<std::uint64_t> ids() const;
  [[nodiscard]] std::size_t size() const { return subscriptions_.size(); }
  [[nodiscard]] std::uint64_t head() const { return head_; }
  /// Events between the slowest subscriber's acknowledged cursor and the head.
  [[nodiscard]] std::uint64_t lag_max() const;

 private:
  struct in_flight_batch {
    std::uint64_t cursor = 0;
    std::size_t events = 0;
  };
  struct subscription {
    v1::EventFilter filter;
    bool passes_all = false;
    std::uint64_t sent = 0;      // cursor of what was looked at; >= reported
    std::uint64_t reported = 0;  // cursor of the last batch that was sent
    std::uint64_t acknowledged = 0;
    std::size_t in_flight_events = 0;
    std::size_t window = 0;
    std::deque<in_flight_batch> in_flight;
    time_point last_progress;
  };

  void fill_from_ring(subscription& target, std::size_t room, v1::EventBatch& batch) const;
  result<void> fill_from_log(subscription& target, std::size_t room, v1::EventBatch& batch,
                             const event_page_reader& read_page) const;

  options limits_;
  std::uint64_t head_;
  std::uint64_t next_id_ = 1;
  std::deque<v1::Event> ring_;  // consecutive; the last one is head_
  std::map<std::uint64_t, subscription> subscriptions_;
};

}  // namespace hive
