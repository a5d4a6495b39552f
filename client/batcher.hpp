#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "client/channel.hpp"

namespace hive {

/// Gathers calls of one kind into batched requests: while one batch is on its way the next one fills, so a lone call
/// waits for nothing and many callers share messages and disk writes. No timer. An item that the node refuses for
/// the moment (resource_exhausted, not_leader, unavailable) is sent again until its deadline. Thread-safe.
///
/// Policy: item, request, response, reply; to; may_repeat; add(request, item); item_of(request, i);
/// bytes(item); is_compatible(request's first item, item).
template <class Policy>
class batcher : public std::enable_shared_from_this<batcher<Policy>> {
 public:
  using item = typename Policy::item;
  using reply = typename Policy::reply;
  using request = typename Policy::request;
  using response = typename Policy::response;
  using callback = std::function<void(result<reply>)>;
  /// Looks whether an item that was refused (failed_precondition) has been carried out all the same by an earlier try
  /// whose answer was lost; must call `done`.
  using confirmation = std::function<void(const item& body, error refusal, callback done)>;

  struct entry {
    item body;
    callback done;
    steady_time deadline;
  };

  explicit batcher(std::weak_ptr<channel> owner) : owner_(std::move(owner)) {}

  void add(item body, callback done) {
    auto owner = owner_.lock();
    if (!owner) return done(closed());
    std::vector<entry> one;
    one.push_back({std::move(body), std::move(done), owner->total_deadline()});
    add(std::move(one));
  }

  /// All or none: refused whole if too many wait already.
  void add(std::vector<entry> entries) {
    auto owner = owner_.lock();
    if (!owner) {
      for (auto& one : entries) one.done(closed());
      return;
    }
    {
      std::lock_guard lock(mutex_);
      if (queue_.size() < queued_items_max) {
        for (auto& one : entries) queue_.push_back(std::move(one));
        entries.clear();
      }
    }
    for (auto& one : entries)
      one.done(error{errc::resource_exhausted, "too many calls of this kind wait in this client", {}});
    pump(*owner);
  }

  /// How to make a repeat honest, for kinds whose repeat can be refused. Before the first call.
  void confirm_repeats(confirmation how) { confirm_ = std::move(how); }

  /// Ends what waits.
  void close() {
    std::deque<entry> left;
    {
      std::lock_guard lock(mutex_);
      left.swap(queue_);
    }
    for (auto& one : left) one.done(closed());
  }

 private:
  static constexpr std::size_t queued_items_max = 100'000;
  static constexpr std::size_t batch_bytes_max = 900UL * 1024;
  static constexpr std::uint32_t batch_items_default = 1'000;
  static constexpr std::chrono::milliseconds refused_pause{20};

  struct waiting {
    callback done;
    steady_time deadline;
  };
  struct batch {
    request body;
    std::vector<waiting> callers;
  };

  static error closed() { return {errc::unavailable, "the client was closed", {}}; }

  static std::size_t batch_items_max(channel& owner) {
    if (!owner.settings().is_coalescing) return 1;
    const auto session = owner.connection().current();
    const std::uint32_t limit = session ? session->hello.limits().batch_items_max() : 0;
    return std::min<std::size_t>({limit > 0 ? limit : batch_items_default, Policy::items_max,
                                  std::max<std::size_t>(owner.settings().inflight_max / batches_max(owner), 1)});
  }

  static std::size_t batches_max(channel& owner) {
    return owner.settings().is_coalescing ? Policy::batches_max : owner.settings().inflight_max;
  }

  void pump(channel& owner) {
    const std::size_t items_max = batch_items_max(owner);
    const std::size_t in_flight_max = batches_max(owner);
    while (true) {
      batch next;
      {
        std::lock_guard lock(mutex_);
        if (in_flight_ >= in_flight_max || queue_.empty()) return;
        ++in_flight_;
        next = take(items_max);
      }
      send(owner, std::move(next));
    }
  }

  batch take(std::size_t items_max) {
    batch taken;
    std::size_t bytes = 0;
    while (!queue_.empty() && taken.callers.size() < items_max) {
      entry& first = queue_.front();
      const std::size_t size = Policy::bytes(first.body);
      if (!taken.callers.empty() && (bytes + size > batch_bytes_max || !Policy::is_compatible(taken.body, first.body)))
        break;
      bytes += size;
      taken.callers.push_back({std::move(first.done), first.deadline});
      Policy::add(taken.body, std::move(first.body));
      queue_.pop_front();
    }
    return taken;
  }

  void send(channel& owner, batch one) {
    channel::call call;
    call.to = Policy::to;
    call.may_repeat = Policy::may_repeat;
    call.needs_barrier = is_read<request> && owner.is_linearizable();
    call.deadline = one.callers.front().deadline;
    call.content = caf::make_message(std::move(one.body));
    call.was_answer_lost = std::make_shared<std::atomic<bool>>(false);
    // The message is shared, not copied: refused items are read back from it.
    call.done = [self = this->shared_from_this(), content = call.content, was_lost = call.was_answer_lost,
                 callers =
                     std::make_shared<std::vector<waiting>>(std::move(one.callers))](result<caf::message> answer) {
      {
        std::lock_guard lock(self->mutex_);
        --self->in_flight_;
      }
      self->distribute(content, *callers, channel::extract<response>(std::move(answer)), *was_lost);
    };
    owner.start(std::move(call));
  }

  void distribute(const caf::message& content, std::vector<waiting>& callers, result<response> answer,
                  bool was_answer_lost) {
    const auto owner = owner_.lock();
    if (owner) pump(*owner);
    if (answer && static_cast<std::size_t>(answer->items_size()) != callers.size())
      answer = error{errc::internal, "the node answered another number of items", {}};
    std::vector<entry> again;
    for (std::size_t i = 0; i < callers.size(); ++i) {
      if (!answer) {
        callers[i].done(answer.failure());
        continue;
      }
      auto& got = *answer->mutable_items(static_cast<int>(i));
      if (is_ok(got.status())) {
        callers[i].done(std::move(got));
        continue;
      }
      error failure = to_error(got.status());
      const bool is_for_now = failure.code == errc::resource_exhausted || failure.code == errc::not_leader;
      if (is_for_now && std::chrono::steady_clock::now() + refused_pause < callers[i].deadline)
        again.push_back({Policy::item_of(content.get_as<request>(0), static_cast<int>(i)), std::move(callers[i].done),
                         callers[i].deadline});
      else if (was_answer_lost && confirm_ && failure.code == errc::failed_precondition)
        confirm_(Policy::item_of(content.get_as<request>(0), static_cast<int>(i)), std::move(failure),
                 std::move(callers[i].done));
      else
        callers[i].done(std::move(failure));
    }
    if (!again.empty()) send_later(owner, std::move(again));
  }

  void send_later(const std::shared_ptr<channel>& owner, std::vector<entry> entries) {
    if (!owner) return add(std::move(entries));
    owner->timers().after(refused_pause, [self = this->shared_from_this(),
                                          kept = std::make_shared<std::vector<entry>>(std::move(entries))] {
      self->add(std::move(*kept));
    });
  }

  std::weak_ptr<channel> owner_;
  confirmation confirm_;
  std::mutex mutex_;
  std::deque<entry> queue_;
  std::size_t in_flight_ = 0;
};

}  // namespace hive
