#pragma once

#include <functional>
#include <future>
#include <memory>

#include "client/types.hpp"

namespace hive {

class channel;
class subscriber;

/// Events in order, no gap and no duplicate within the filter, also across lost connections: the subscription
/// acknowledges what was taken and subscribes again from its cursor. Ends when it is destroyed. Thread-safe.
class subscription {
 public:
  explicit subscription(std::shared_ptr<subscriber> implementation);
  subscription(subscription&&) noexcept;
  subscription& operator=(subscription&&) noexcept;
  subscription(const subscription&) = delete;
  subscription& operator=(const subscription&) = delete;
  ~subscription();

  /// Blocks for the next event. deadline_exceeded: none came within `timeout` (call again); any other failure
  /// ends the subscription: failed_precondition after close(), not_found if its cursor was purged.
  result<v1::Event> next(milliseconds timeout);

  /// The newest event that was taken (or skipped by the filter); where a later subscription goes on.
  [[nodiscard]] event_seq cursor() const;

  /// Wakes next(); a callback that is running is waited for, unless it is the caller.
  void close();

 private:
  std::shared_ptr<subscriber> implementation_;
};

/// Takes one event at a time, on a thread of the subscription.
using event_callback = std::function<void(const v1::Event&)>;
/// Called once if the subscription ends by itself, with the reason.
using subscription_end_callback = std::function<void(const error&)>;

/// Publishes and subscribes. Thread-safe; cheap to copy by its shared pointer.
class event_bus {
 public:
  explicit event_bus(std::shared_ptr<channel> connection);
  ~event_bus();

  /// Puts a client's own event into the log; answers its sequence number once it is durable. Not idempotent:
  /// unavailable if the connection broke after it was sent (it may or may not have been taken).
  result<event_seq> publish(v1::TaskEvent event);
  result<event_seq> publish(v1::WorkflowEvent event);
  std::future<result<event_seq>> publish_async(v1::TaskEvent event);
  std::future<result<event_seq>> publish_async(v1::WorkflowEvent event);

  /// A blocking iterator. Returns when the node has confirmed, so that nothing after this call is missed.
  result<subscription> subscribe(subscribe_options options);
  /// A callback. The event is acknowledged when the callback returns.
  result<subscription> subscribe(subscribe_options options, event_callback on_event,
                                 subscription_end_callback on_end = {});

  /// One page of the log, for pulling.
  result<v1::ReadEventsResponse> read(v1::ReadEventsRequest request);

 private:
  std::shared_ptr<channel> channel_;
};

}  // namespace hive
