#include "client/subscriber.hpp"

#include <algorithm>

namespace hive {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::uint32_t window_default = 1'000;
constexpr milliseconds resubscribe_pause{100};
constexpr milliseconds delivery_slice{1'000};

bool is_passing(errc code) {
  return code == errc::unavailable || code == errc::deadline_exceeded || code == errc::resource_exhausted ||
         code == errc::not_leader;
}

}  // namespace

subscriber::subscriber(std::shared_ptr<channel> owner, subscribe_options options, sink direct)
    : owner_(std::move(owner)), options_(std::move(options)), direct_(std::move(direct)) {}

subscriber::~subscriber() { close(); }

void subscriber::close() {
  stop();
  std::thread delivery;
  {
    std::lock_guard lock(mutex_);
    delivery.swap(delivery_);
  }
  if (!delivery.joinable()) return;
  if (delivery.get_id() == std::this_thread::get_id())
    delivery.detach();
  else
    delivery.join();
}

void subscriber::start(outcome_callback on_first) {
  on_first_ = std::move(on_first);
  if (options_.after) {
    received_ = options_.after->value;
    taken_ = acknowledged_ = options_.after->value;
  }
  port_ =
      std::make_unique<port>(owner_->connection().shared_ptr(), [weak = weak_from_this()](const caf::message& content) {
        if (auto self = weak.lock()) self->on_push(content);
      });
  owner_->timers().at(owner_->total_deadline(), [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self) return;
    auto trouble = self->owner_->connection().last_trouble().why;
    if (trouble.code == errc::none) {
      std::lock_guard lock(self->mutex_);
      trouble = self->refusal_;
    }
    self->report_first(error{errc::unavailable,
                             "no subscription to " + self->owner_->connection().endpoints() + ": " +
                                 (trouble.code == errc::none ? "no answer in time" : trouble.message),
                             trouble.field});
  });
  owner_->connection().observe(weak_from_this());
  subscribe();
}

void subscriber::report_first(result<void> outcome) {
  outcome_callback first;
  {
    std::lock_guard lock(mutex_);
    first.swap(on_first_);
  }
  if (first) first(std::move(outcome));
}

void subscriber::on_link_up(const link_session_ptr&) { subscribe(); }

void subscriber::on_link_down(const error& why) {
  {
    std::lock_guard lock(mutex_);
    subscription_id_ = 0;
    bus_ = nullptr;
  }
  port_->fail_all({errc::unavailable, why.message, {}});
  const auto trouble = owner_->connection().last_trouble();
  if (trouble.is_refused) end(trouble.why);
}

void subscriber::subscribe() {
  const auto session = owner_->connection().current();
  if (!session) return;
  v1::SubscribeRequest request;
  std::uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    if (ended_ || is_asking_ || subscription_id_ != 0) return;
    is_asking_ = true;
    number = ++attempt_;
    bus_ = session->directory.event_bus;
    early_.clear();
    request.set_from_now(!received_.has_value());
    request.set_after_seq(received_.value_or(0));
  }
  *request.mutable_filter() = options_.filter;
  request.set_window(options_.window);
  const auto timeout = milliseconds(owner_->settings().request_timeout_ms);
  const auto sent = port_->request(
      session->directory.event_bus, caf::make_message(std::move(request)), steady_clock::now() + timeout,
      [weak = weak_from_this(), number, session](result<caf::message> reply) {
        if (auto self = weak.lock())
          self->on_subscribed(number, session, channel::extract<v1::SubscribeResponse>(std::move(reply)));
      });
  if (owner_->connection().current() != session) port_->fail(sent, {errc::unavailable, "the connection was lost", {}});
}

void subscriber::on_subscribed(std::uint64_t number, const link_session_ptr& session,
                               result<v1::SubscribeResponse> reply) {
  std::deque<v1::EventBatch> early;
  {
    std::lock_guard lock(mutex_);
    if (number != attempt_) return;
    is_asking_ = false;
    if (reply) {
      subscription_id_ = reply->subscription_id();
      if (!received_) {
        received_ = reply->cursor();
        taken_ = acknowledged_ = reply->cursor();
      }
      early.swap(early_);
    }
  }
  if (!reply) {
    if (!is_passing(reply.failure().code)) return end(reply.failure());
    {
      std::lock_guard lock(mutex_);
      refusal_ = reply.failure();
    }
    return subscribe_after(resubscribe_pause);
  }
  report_first({});
  for (const auto& batch : early) on_batch(batch);
  // The link may have left the node while the answer was on its way, and have said so before there was a subscription.
  if (owner_->connection().current() == session) return;
  {
    std::lock_guard lock(mutex_);
    if (number == attempt_) subscription_id_ = 0;
  }
  subscribe();
}

void subscriber::subscribe_after(milliseconds pause) {
  owner_->timers().after(pause, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->subscribe();
  });
}

void subscriber::on_push(const caf::message& content) {
  if (content.match_elements<v1::EventBatch>()) return on_batch(content.get_as<v1::EventBatch>(0));
  if (content.match_elements<v1::SubscriptionEnded>()) on_ended(content.get_as<v1::SubscriptionEnded>(0));
}

void subscriber::on_batch(const v1::EventBatch& batch) {
  std::vector<const v1::Event*> fresh;
  {
    std::unique_lock lock(mutex_);
    if (ended_) return;
    if (batch.subscription_id() != subscription_id_) {
      if (is_asking_ && early_.size() < window_default) early_.push_back(batch);
      return;
    }
    for (const auto& event : batch.events()) {
      if (event.seq() <= *received_) continue;
      received_ = event.seq();
      if (direct_)
        fresh.push_back(&event);
      else
        events_.push_back(event);
    }
    received_ = std::max(*received_, batch.cursor());
    // Nothing waits to be taken: the filter passed over events up to the batch's cursor.
    if (events_.empty()) {
      taken_ = *received_;
      send_ack(lock);
    }
  }
  changed_.notify_all();
  for (const auto* event : fresh) direct_(*event);
}

void subscriber::on_ended(const v1::SubscriptionEnded& ended) {
  {
    std::lock_guard lock(mutex_);
    if (ended.subscription_id() != subscription_id_) return;
    subscription_id_ = 0;
  }
  const error why = to_error(ended.status());
  // Too slow for the node's patience is no reason to lose events: go on from the cursor.
  if (why.code == errc::none || is_passing(why.code)) return subscribe_after(resubscribe_pause);
  end(why);
}

void subscriber::end(const error& why) {
  {
    std::lock_guard lock(mutex_);
    if (!ended_) ended_ = why;
    subscription_id_ = 0;
  }
  changed_.notify_all();
  report_first(why);
}

void subscriber::stop() {
  std::uint64_t id = 0;
  caf::strong_actor_ptr bus;
  {
    std::lock_guard lock(mutex_);
    id = subscription_id_;
    bus = bus_;
    is_stopped_ = true;
  }
  if (id != 0 && bus && port_) {
    v1::UnsubscribeRequest request;
    request.set_subscription_id(id);
    port_->request(bus, caf::make_message(std::move(request)), steady_clock::now() + milliseconds(500),
                   [](const result<caf::message>&) {});
  }
  end({errc::failed_precondition, "the subscription was closed", {}});
}

bool subscriber::is_stopped() {
  std::lock_guard lock(mutex_);
  return is_stopped_;
}

void subscriber::send_ack(std::unique_lock<std::mutex>&) {
  taken_since_ack_ = 0;
  if (taken_ == acknowledged_ || subscription_id_ == 0 || !bus_) return;
  acknowledged_ = taken_;
  v1::AckEvents ack;
  ack.set_subscription_id(subscription_id_);
  ack.set_cursor(taken_);
  port_->send(bus_, caf::make_message(std::move(ack)));
}

void subscriber::acknowledge() {
  std::unique_lock lock(mutex_);
  const std::uint32_t window = options_.window > 0 ? options_.window : window_default;
  // An acknowledgement for each of many events would cost more than the events.
  if (!events_.empty() && taken_since_ack_ * 4 < window) return;
  if (events_.empty() && received_) taken_ = std::max(taken_, *received_);
  send_ack(lock);
}

result<v1::Event> subscriber::next(milliseconds timeout) {
  acknowledge();
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [this] { return !events_.empty() || ended_.has_value(); });
  if (!events_.empty()) {
    v1::Event event = std::move(events_.front());
    events_.pop_front();
    taken_ = event.seq();
    ++taken_since_ack_;
    return event;
  }
  if (ended_) return *ended_;
  return error{errc::deadline_exceeded, "no event within " + std::to_string(timeout.count()) + " ms", {}};
}

event_seq subscriber::cursor() const {
  std::lock_guard lock(mutex_);
  return {taken_};
}

void subscriber::deliver_to(std::function<void(const v1::Event&)> on_event, std::function<void(const error&)> on_end) {
  // Weak between events: the thread must not keep a forgotten subscription alive.
  delivery_ = std::thread([weak = weak_from_this(), on_event = std::move(on_event), on_end = std::move(on_end)] {
    while (auto self = weak.lock()) {
      auto event = self->next(delivery_slice);
      if (event) {
        on_event(*event);
        continue;
      }
      if (event.failure().code == errc::deadline_exceeded) continue;
      if (on_end && !self->is_stopped()) on_end(event.failure());
      return;
    }
  });
}

}  // namespace hive
