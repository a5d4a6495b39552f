#include "client/waiter.hpp"

#include <atomic>
#include <optional>
#include <utility>

#include "client/lanes.hpp"
#include "client/subscriber.hpp"

namespace hive {
namespace {

using std::chrono::steady_clock;

/// More waits than this look at their task now and then only: a subscription each would burden the node.
constexpr int subscriptions_max = 256;
constexpr milliseconds look_interval_min{20};
constexpr milliseconds look_interval_max{500};
constexpr milliseconds look_interval_subscribed{1'000};

std::atomic<int> subscriptions{0};

template <class Value>
class waiter : public std::enable_shared_from_this<waiter<Value>> {
 public:
  using callback = std::function<void(result<Value>)>;
  /// Reads the thing and answers it through the callback.
  using reader = std::function<void(channel&, callback)>;
  using judge = std::function<bool(const Value&)>;

  waiter(const std::shared_ptr<channel>& owner, v1::EventFilter filter, reader read, judge is_over, callback done)
      : owner_(owner),
        filter_(std::move(filter)),
        read_(std::move(read)),
        is_over_(std::move(is_over)),
        done_(std::move(done)) {}

  ~waiter() {
    if (is_subscribed_) --subscriptions;
  }

  void start(milliseconds timeout) {
    auto owner = owner_.lock();
    deadline_ = steady_clock::now() + timeout;
    // Keeps the waiter alive.
    timer_ = owner->timers().at(deadline_, [self = this->shared_from_this()] {
      self->finish(error{errc::deadline_exceeded, "it is not final yet", {}});
    });
    look(true);
  }

 private:
  void look(bool is_first) {
    auto owner = owner_.lock();
    if (!owner) return finish(error{errc::unavailable, "the client was closed", {}});
    {
      std::lock_guard lock(mutex_);
      if (!done_) return;
      if (is_looking_) {
        must_look_again_ = true;
        return;
      }
      is_looking_ = true;
    }
    read_(*owner,
          [self = this->shared_from_this(), is_first](result<Value> got) { self->on_read(std::move(got), is_first); });
  }

  void on_read(result<Value> got, bool is_first) {
    if (!got || is_over_(*got)) return finish(std::move(got));
    bool must_look_again = false;
    {
      std::lock_guard lock(mutex_);
      is_looking_ = false;
      must_look_again = std::exchange(must_look_again_, false);
    }
    if (is_first && try_subscribe()) return;
    if (must_look_again) return look(false);
    look_after_pause();
  }

  /// A look follows when the subscription is confirmed, because the end may have come before that.
  bool try_subscribe() {
    auto owner = owner_.lock();
    if (!owner) return false;
    if (++subscriptions > subscriptions_max) {
      --subscriptions;
      return false;
    }
    is_subscribed_ = true;
    auto weak = this->weak_from_this();
    subscribe_options options;
    options.filter = filter_;
    auto made = std::make_shared<subscriber>(owner, std::move(options), [weak](const v1::Event&) {
      if (auto self = weak.lock()) self->look(false);
    });
    {
      std::lock_guard lock(mutex_);
      events_ = made;
    }
    made->start([weak](const result<void>&) {
      if (auto self = weak.lock()) self->look(false);
    });
    return true;
  }

  void look_after_pause() {
    auto owner = owner_.lock();
    if (!owner) return finish(error{errc::unavailable, "the client was closed", {}});
    const auto pause = is_subscribed_ ? look_interval_subscribed : interval_;
    interval_ = std::min(interval_ * 2, look_interval_max);
    {
      std::lock_guard lock(mutex_);
      if (is_pausing_) return;
      is_pausing_ = true;
    }
    owner->timers().after(pause, [weak = this->weak_from_this()] {
      auto self = weak.lock();
      if (!self) return;
      {
        std::lock_guard lock(self->mutex_);
        self->is_pausing_ = false;
      }
      self->look(false);
    });
  }

  void finish(result<Value> outcome) {
    callback done;
    std::shared_ptr<subscriber> events;
    {
      std::lock_guard lock(mutex_);
      done.swap(done_);
      events.swap(events_);
    }
    if (!done) return;
    if (events) events->stop();
    auto owner = owner_.lock();
    if (owner) owner->timers().cancel(timer_);
    done(std::move(outcome));
  }

  std::weak_ptr<channel> owner_;
  v1::EventFilter filter_;
  reader read_;
  judge is_over_;
  std::mutex mutex_;
  callback done_;
  std::shared_ptr<subscriber> events_;
  steady_time deadline_;
  timer_queue::timer_id timer_ = 0;
  milliseconds interval_ = look_interval_min;
  bool is_looking_ = false;
  bool must_look_again_ = false;
  bool is_pausing_ = false;
  std::atomic<bool> is_subscribed_{false};
};

}  // namespace

void wait_for_task(const std::shared_ptr<channel>& owner, task_id id, milliseconds timeout,
                   std::function<void(result<v1::Task>)> done) {
  v1::EventFilter filter;
  filter.add_task_ids(id.value);
  for (const char* name : {"task.completed", "task.failed", "task.canceled", "task.skipped"}) filter.add_names(name);
  auto read = [id](channel& through, std::function<void(result<v1::Task>)> answer) {
    through.batched().get->add({id.value, true, true}, [answer = std::move(answer)](result<v1::GetTaskItem> reply) {
      if (reply)
        answer(std::move(*reply->mutable_task()));
      else
        answer(reply.failure());
    });
  };
  std::make_shared<waiter<v1::Task>>(
      owner, std::move(filter), std::move(read), [](const v1::Task& task) { return is_final(task.status().state()); },
      std::move(done))
      ->start(timeout);
}

void wait_for_plan(const std::shared_ptr<channel>& owner, plan_id id, milliseconds timeout,
                   std::function<void(result<v1::Plan>)> done) {
  v1::EventFilter filter;
  filter.add_plan_ids(id.value);
  for (const char* name : {"plan.completed", "plan.failed", "plan.canceled"}) filter.add_names(name);
  auto read = [id](channel& through, std::function<void(result<v1::Plan>)> answer) {
    v1::GetPlanStatusRequest request;
    request.set_plan_id(id.value);
    through.start<v1::GetPlanStatusResponse>(front::plan_supervisor, std::move(request), repeat::always,
                                             [answer = std::move(answer)](result<v1::GetPlanStatusResponse> reply) {
                                               if (reply)
                                                 answer(std::move(*reply->mutable_plan()));
                                               else
                                                 answer(reply.failure());
                                             });
  };
  std::make_shared<waiter<v1::Plan>>(
      owner, std::move(filter), std::move(read), [](const v1::Plan& plan) { return is_final(plan.status().state()); },
      std::move(done))
      ->start(timeout);
}

}  // namespace hive
