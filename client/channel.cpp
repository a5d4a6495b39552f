#include "client/channel.hpp"

#include <algorithm>
#include <vector>

#include "client/lanes.hpp"

namespace hive {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Calls beyond the window; more are refused.
constexpr std::size_t queued_calls_max = 10'000;
constexpr milliseconds retry_pause_min{10};
constexpr milliseconds retry_pause_max{500};

const error closed{errc::unavailable, "the client was closed", {}};

const caf::strong_actor_ptr& target(const link_session& session, front to) {
  switch (to) {
    case front::task_manager:
      return session.directory.task_manager;
    case front::worker_registry:
      return session.directory.worker_registry;
    case front::plan_supervisor:
      return session.directory.plan_supervisor;
    case front::event_bus:
      return session.directory.event_bus;
    case front::cluster_manager:
      return session.directory.cluster_manager;
    case front::node:
      break;
  }
  return session.node;
}

/// Was the request refused before anything was done?
bool is_refused_whole(errc code) { return code == errc::resource_exhausted || code == errc::not_leader; }

bool is_interruption(errc code) { return code == errc::unavailable || code == errc::deadline_exceeded; }

milliseconds retry_pause(std::uint32_t tries) {
  return std::min(retry_pause_min * (1 << std::min(tries, 6U)), retry_pause_max);
}

result<void> check_settings(const config::client_config& settings) {
  auto positive = [](std::int64_t value, const char* field) -> result<void> {
    if (value > 0) return {};
    return error{errc::invalid_argument, "must be positive", field};
  };
  if (auto ok = positive(settings.request_timeout_ms, "client.request_timeout_ms"); !ok) return ok.failure();
  if (auto ok = positive(settings.total_timeout_ms, "client.total_timeout_ms"); !ok) return ok.failure();
  if (settings.reads != "local" && settings.reads != "linearizable")
    return error{errc::invalid_argument, "must be local or linearizable", "client.reads"};
  return positive(settings.inflight_max, "client.inflight_max");
}

}  // namespace

result<std::shared_ptr<channel>> channel::open(const config::client_config& settings) {
  if (auto ok = check_settings(settings); !ok) return ok.failure();
  auto connection = hive::link::open(settings);
  if (!connection) return connection.failure();
  auto made = std::make_shared<channel>(*connection, settings);
  made->lanes_ = std::make_unique<lanes>(made);
  (*connection)->observe(made);
  return made;
}

channel::channel(std::shared_ptr<hive::link> link, config::client_config settings)
    : link_(std::move(link)),
      settings_(std::move(settings)),
      is_linearizable_(settings_.reads == "linearizable"),
      port_(link_->shared_ptr(), [](const caf::message&) {}) {}

channel::~channel() {
  // Nobody calls any more: callbacks find the weak reference expired and end their calls themselves.
  if (lanes_) lanes_->close();
  port_.fail_all(closed);
  for (auto& [number, parked] : parked_) parked.one->done(closed);
  for (auto& one : next_) one->done(closed);
  for (auto& one : queue_) one->done(closed);
}

steady_time channel::total_deadline() const { return steady_clock::now() + milliseconds(settings_.total_timeout_ms); }

void channel::start(call request) {
  auto one = std::make_shared<call>(std::move(request));
  {
    std::unique_lock lock(mutex_);
    if (in_flight_ >= settings_.inflight_max) {
      if (queue_.size() < queued_calls_max) {
        queue_.push_back(one);
        return;
      }
      lock.unlock();
      one->done(error{errc::resource_exhausted, "too many calls wait in this client", {}});
      return;
    }
    ++in_flight_;
  }
  attempt(one);
}

std::function<void()> channel::later(const call_ptr& one, void (channel::*continue_with)(const call_ptr&)) {
  return [weak = weak_from_this(), one, continue_with] {
    if (auto self = weak.lock())
      (self.get()->*continue_with)(one);
    else
      one->done(closed);
  };
}

error channel::expired(const call& one) const {
  if (one.last.code != errc::none && one.last.code != errc::deadline_exceeded) {
    error failure = one.last;
    failure.message += " (gave up after the total timeout, tries: " + std::to_string(one.tries) + ")";
    return failure;
  }
  if (const auto trouble = link_->last_trouble().why; trouble.code != errc::none && !link_->current())
    return {errc::unavailable, "no connection to " + link_->endpoints() + ": " + trouble.message, {}};
  return {errc::deadline_exceeded, "no answer from " + link_->endpoints() + " in time", {}};
}

void channel::attempt(const call_ptr& one) {
  if (steady_clock::now() >= one->deadline) return finish(one, expired(*one));
  const link_session_ptr session = link_->current();
  if (!session) return park(one);
  ++one->tries;
  if (one->needs_barrier)
    send_behind_barrier(one, session);
  else
    send(one, session);
}

steady_time channel::try_deadline(const call& one) const {
  const auto timeout =
      one.request_timeout.count() > 0 ? one.request_timeout : milliseconds(settings_.request_timeout_ms);
  return std::min(one.deadline, steady_clock::now() + timeout);
}

void channel::send_behind_barrier(const call_ptr& one, const link_session_ptr& session) {
  const auto number =
      port_.request(target(*session, front::cluster_manager), caf::make_message(v1::ReadBarrierRequest{}),
                    try_deadline(*one), [weak = weak_from_this(), one, session](const result<caf::message>& reply) {
                      auto self = weak.lock();
                      if (!self)
                        one->done(closed);
                      else if (!reply)
                        self->on_failure(one, session->generation, reply.failure());
                      else if (self->link_->current() != session)
                        self->attempt(one);
                      else
                        self->send(one, session);
                    });
  if (link_->current() != session) port_.fail(number, {errc::unavailable, "the connection was lost", {}});
}

void channel::send(const call_ptr& one, const link_session_ptr& session) {
  const auto number =
      port_.request(target(*session, one->to), one->content, try_deadline(*one),
                    [weak = weak_from_this(), one, generation = session->generation](result<caf::message> reply) {
                      auto self = weak.lock();
                      if (!self)
                        one->done(reply ? std::move(reply) : result<caf::message>(closed));
                      else if (reply)
                        self->finish(one, std::move(reply));
                      else
                        self->on_failure(one, generation, reply.failure());
                    });
  // The session may have ended between the look and the send; then nobody will answer.
  if (link_->current() != session) port_.fail(number, {errc::unavailable, "the connection was lost", {}});
}

void channel::park(const call_ptr& one) {
  const auto trouble = link_->last_trouble();
  if (trouble.is_refused) return finish(one, trouble.why);
  if (one->last.code == errc::none && trouble.why.code != errc::none)
    one->last = {errc::unavailable, "no connection to " + link_->endpoints() + ": " + trouble.why.message, {}};
  std::uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    number = next_parked_++;
    parked_.emplace(number, parked_call{one, 0});
  }
  const auto timer = timers().at(one->deadline, [weak = weak_from_this(), number] {
    if (auto self = weak.lock()) self->unpark(number);
  });
  bool is_parked = false;
  {
    std::lock_guard lock(mutex_);
    auto found = parked_.find(number);
    is_parked = found != parked_.end();
    if (is_parked) found->second.timer = timer;
  }
  // The link may have come up between the look and the parking.
  if (is_parked && link_->current()) unpark(number);
}

void channel::unpark(std::uint64_t number) {
  parked_call taken;
  {
    std::lock_guard lock(mutex_);
    auto found = parked_.find(number);
    if (found == parked_.end()) return;
    taken = std::move(found->second);
    parked_.erase(found);
  }
  timers().cancel(taken.timer);
  attempt(taken.one);
}

void channel::on_link_up(const link_session_ptr&) {
  std::vector<std::uint64_t> numbers;
  {
    std::lock_guard lock(mutex_);
    for (const auto& [number, parked] : parked_) numbers.push_back(number);
  }
  for (auto number : numbers) unpark(number);
}

void channel::on_link_down(const error& why) {
  port_.fail_all({errc::unavailable, why.message, {}});
  const auto trouble = link_->last_trouble();
  if (trouble.is_refused) on_link_up(nullptr);  // ends the parked calls with the refusal
}

void channel::on_failure(const call_ptr& one, std::uint64_t generation, const error& failure) {
  if (failure.code == errc::not_leader) {
    if (link_->aim() != link_aim::leader) return finish(one, failure);  // this link stays where it is
    link_->on_not_leader(generation, failure.field);
  }
  const bool is_refused = is_refused_whole(failure.code);
  if (!is_refused && !is_interruption(failure.code)) return finish(one, failure);
  if (!is_refused && one->may_repeat == repeat::never) {
    return finish(one, error{errc::unavailable,
                             "sent, but the answer was lost (" + failure.message +
                                 "): it may or may not have happened, and is not repeated",
                             {}});
  }
  if (!is_refused && one->was_answer_lost) *one->was_answer_lost = true;
  one->last = failure;
  const auto now = steady_clock::now();
  // The link sees to it that a follower is not asked again in a hurry.
  const bool is_at_once = failure.code == errc::deadline_exceeded || failure.code == errc::not_leader;
  const auto pause = is_at_once ? milliseconds{0} : retry_pause(one->tries);
  if (now + pause >= one->deadline) return finish(one, expired(*one));
  if (!link_->current()) return park(one);
  timers().at(now + pause, later(one, &channel::attempt));
}

void channel::finish(const call_ptr& one, result<caf::message> outcome) {
  call_ptr next;
  {
    std::lock_guard lock(mutex_);
    if (queue_.empty()) {
      --in_flight_;
    } else {
      next = std::move(queue_.front());
      queue_.pop_front();
    }
  }
  one->done(std::move(outcome));
  one->done = nullptr;
  if (next) start_next(std::move(next));
}

void channel::start_next(call_ptr next) {
  std::unique_lock lock(mutex_);
  next_.push_back(std::move(next));
  if (is_starting_) return;
  is_starting_ = true;
  while (!next_.empty()) {
    const auto one = std::move(next_.front());
    next_.pop_front();
    lock.unlock();
    attempt(one);
    lock.lock();
  }
  is_starting_ = false;
}

}  // namespace hive
