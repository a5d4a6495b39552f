#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "client/channel.hpp"
#include "client/types.hpp"

namespace hive {

/// The subscriber's end of a subscription. Subscribes whenever the link comes up, from the newest event it has
/// received; drops what it has had already; acknowledges what was taken from it. Thread-safe.
class subscriber : public link_observer, public std::enable_shared_from_this<subscriber> {
 public:
  /// Takes an event on the network thread and must not block; such a subscriber has no queue.
  using sink = std::function<void(const v1::Event&)>;
  using outcome_callback = std::function<void(result<void>)>;

  subscriber(std::shared_ptr<channel> owner, subscribe_options options, sink direct = {});
  ~subscriber() override;

  /// `on_first` hears once whether the first subscription was confirmed, at the latest at the total timeout.
  void start(outcome_callback on_first);
  void stop();
  /// stop(), then waits for a callback that is running, unless this is its thread.
  void close();

  /// As subscription::next.
  result<v1::Event> next(milliseconds timeout);
  /// Says that everything taken so far is done with (next() does it by itself for the event before).
  void acknowledge();
  [[nodiscard]] event_seq cursor() const;

  /// Pumps next() into the callback on a thread of its own.
  void deliver_to(std::function<void(const v1::Event&)> on_event, std::function<void(const error&)> on_end);

  void on_link_up(const link_session_ptr& session) override;
  void on_link_down(const error& why) override;

 private:
  void subscribe();
  void on_subscribed(std::uint64_t number, const link_session_ptr& session, result<v1::SubscribeResponse> reply);
  void on_push(const caf::message& content);
  void on_batch(const v1::EventBatch& batch);
  void on_ended(const v1::SubscriptionEnded& ended);
  void end(const error& why);
  void subscribe_after(milliseconds pause);
  void send_ack(std::unique_lock<std::mutex>& lock);
  void report_first(result<void> outcome);
  bool is_stopped();

  std::shared_ptr<channel> owner_;
  const subscribe_options options_;
  const sink direct_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<v1::Event> events_;
  std::deque<v1::EventBatch> early_;       // came before their subscription's confirmation
  std::optional<std::uint64_t> received_;  // cursor of what has arrived; not set before the first confirmation
  std::uint64_t taken_ = 0;                // cursor of what was taken from the queue
  std::uint64_t acknowledged_ = 0;
  std::uint64_t taken_since_ack_ = 0;
  std::uint64_t subscription_id_ = 0;  // 0: not subscribed now
  std::uint64_t attempt_ = 0;          // tells a late answer from the current one
  bool is_asking_ = false;
  bool is_stopped_ = false;  // by its owner
  caf::strong_actor_ptr bus_;
  std::optional<error> ended_;
  error refusal_{errc::none, {}, {}};  // why it is not confirmed yet, if a node said so
  outcome_callback on_first_;
  std::thread delivery_;
  std::unique_ptr<port> port_;
};

}  // namespace hive
