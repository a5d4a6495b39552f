#include "actors/subscription_table.hpp"

#include <algorithm>
#include <random>
#include <string>

#include "core/queries.hpp"

namespace hive {
namespace {

bool is_unfiltered(const v1::EventFilter& filter) {
  return filter.names().empty() && filter.task_ids().empty() && filter.plan_ids().empty() &&
         filter.worker_ids().empty() && filter.task_types().empty();
}

constexpr int first_id_shift = 24;  // room for subscriptions before the next node's numbers, if those were neighbours

}  // namespace

subscription_table::subscription_table(options limits, std::uint64_t head) : limits_(limits), head_(head) {
  // A client that goes on at another node, or at this one after its restart, may still get what the one before had
  // sent: it tells that by the id, and would lose the events in between if ids began with 1 everywhere.
  std::random_device random;
  next_id_ = (std::uint64_t{random()} << first_id_shift) + 1;
}

result<v1::SubscribeResponse> subscription_table::subscribe(const v1::SubscribeRequest& request, std::uint64_t newest,
                                                            time_point now) {
  newest = std::max(newest, head_);
  if (auto valid = core::validate_filter(request.filter()); !valid) return valid.failure();
  if (request.window() > limits_.window_max) {
    return error{errc::invalid_argument, "window must be 1 to " + std::to_string(limits_.window_max), "window"};
  }
  if (!request.from_now() && request.after_seq() > newest) {
    std::string why =
        "after_seq " + std::to_string(request.after_seq()) + " is beyond the newest event, " + std::to_string(newest);
    if (limits_.may_lag) return error{errc::unavailable, why + ", that has reached this node; try again", "after_seq"};
    return error{errc::invalid_argument, std::move(why), "after_seq"};
  }
  if (subscriptions_.size() >= limits_.subscribers_max) {
    return error{errc::resource_exhausted,
                 "this node has its limit of " + std::to_string(limits_.subscribers_max) + " subscribers", ""};
  }
  subscription added;
  added.filter = request.filter();
  added.passes_all = is_unfiltered(request.filter());
  added.sent = request.from_now() ? newest : request.after_seq();
  added.reported = added.acknowledged = added.sent;
  added.window = request.window() == 0 ? limits_.window_default : request.window();
  added.last_progress = now;
  v1::SubscribeResponse response;
  response.set_subscription_id(next_id_);
  response.set_cursor(added.sent);
  subscriptions_.emplace(next_id_++, std::move(added));
  return response;
}

bool subscription_table::unsubscribe(std::uint64_t subscription_id) {
  return subscriptions_.erase(subscription_id) != 0;
}

void subscription_table::append(const std::vector<v1::Event>& events) {
  if (events.empty()) return;
  if (subscriptions_.empty()) {
    // Nothing is kept for nobody: who subscribes later begins with the log.
    ring_.clear();
    head_ = std::max(head_, events.back().seq());
    return;
  }
  for (const auto& event : events) {
    if (event.seq() <= head_) continue;
    // A hole would be delivered as a gap: better to forget the ring, and read from the log.
    if (event.seq() != head_ + 1) ring_.clear();
    ring_.push_back(event);
    head_ = event.seq();
  }
  while (ring_.size() > limits_.ring_events_max) ring_.pop_front();
}

void subscription_table::acknowledge(std::uint64_t subscription_id, std::uint64_t cursor, time_point now) {
  const auto entry = subscriptions_.find(subscription_id);
  if (entry == subscriptions_.end()) return;
  auto& target = entry->second;
  // Nobody can have seen what was not sent.
  cursor = std::min(cursor, target.reported);
  if (cursor <= target.acknowledged) return;
  target.acknowledged = cursor;
  target.last_progress = now;
  while (!target.in_flight.empty() && target.in_flight.front().cursor <= cursor) {
    target.in_flight_events -= target.in_flight.front().events;
    target.in_flight.pop_front();
  }
}

result<std::optional<subscription_table::delivery>> subscription_table::next_batch(std::uint64_t subscription_id,
                                                                                   const event_page_reader& read_page,
                                                                                   time_point now) {
  const auto entry = subscriptions_.find(subscription_id);
  if (entry == subscriptions_.end()) return std::optional<delivery>{};
  auto& target = entry->second;
  delivery out;
  out.subscription_id = subscription_id;
  while (target.sent < head_ && target.in_flight_events < target.window && out.batch.events().empty()) {
    const auto room = std::min(target.window - target.in_flight_events, limits_.batch_events_max);
    const bool is_in_ring = !ring_.empty() && ring_.front().seq() <= target.sent + 1;
    if (is_in_ring) {
      fill_from_ring(target, room, out.batch);
    } else if (auto filled = fill_from_log(target, room, out.batch, read_page); !filled) {
      return filled.failure();
    }
    if (target.sent - target.reported >= limits_.silent_events_max) break;
  }
  const bool is_silence_due = target.sent - target.reported >= limits_.silent_events_max;
  if (out.batch.events().empty() && !is_silence_due) return std::optional<delivery>{};
  out.batch.set_subscription_id(subscription_id);
  out.batch.set_cursor(target.sent);
  const auto count = static_cast<std::size_t>(out.batch.events_size());
  // The clock of an idle subscriber starts with what it is sent now.
  if (target.in_flight.empty()) target.last_progress = now;
  target.in_flight.push_back({target.sent, count});
  target.in_flight_events += count;
  target.reported = target.sent;
  return std::optional<delivery>{std::move(out)};
}

void subscription_table::fill_from_ring(subscription& target, std::size_t room, v1::EventBatch& batch) const {
  std::size_t bytes = 0;
  for (auto index = static_cast<std::size_t>(target.sent + 1 - ring_.front().seq()); index < ring_.size(); ++index) {
    const auto& event = ring_[index];
    if (target.passes_all || core::is_match(target.filter, event)) {
      const auto event_bytes = event.ByteSizeLong();
      const bool is_full = static_cast<std::size_t>(batch.events_size()) >= room ||
                           (batch.events_size() > 0 && bytes + event_bytes > limits_.batch_bytes_max);
      if (is_full) break;
      bytes += event_bytes;
      *batch.add_events() = event;
    }
    target.sent = event.seq();
  }
}

result<void> subscription_table::fill_from_log(subscription& target, std::size_t room, v1::EventBatch& batch,
                                               const event_page_reader& read_page) const {
  v1::ReadEventsRequest request;
  *request.mutable_filter() = target.filter;
  request.set_after_seq(target.sent);
  request.set_limit(static_cast<std::uint32_t>(room));
  auto page = read_page(request);
  if (!page) return page.failure();
  std::size_t bytes = 0;
  for (auto& event : *page->mutable_events()) {
    const auto event_bytes = event.ByteSizeLong();
    if (batch.events_size() > 0 && bytes + event_bytes > limits_.batch_bytes_max) return {};
    bytes += event_bytes;
    target.sent = event.seq();
    *batch.add_events() = std::move(event);
  }
  if (page->cursor() <= target.sent && batch.events().empty()) {
    return error{errc::internal, "the event log did not move past " + std::to_string(target.sent), ""};
  }
  target.sent = std::max(target.sent, page->cursor());
  return {};
}

bool subscription_table::is_full(std::uint64_t subscription_id) const {
  const auto entry = subscriptions_.find(subscription_id);
  return entry != subscriptions_.end() && entry->second.in_flight_events >= entry->second.window;
}

bool subscription_table::is_behind(std::uint64_t subscription_id) const {
  const auto entry = subscriptions_.find(subscription_id);
  return entry != subscriptions_.end() && entry->second.sent < head_ &&
         entry->second.in_flight_events < entry->second.window;
}

std::vector<std::uint64_t> subscription_table::silent_since(time_point deadline) const {
  std::vector<std::uint64_t> silent;
  for (const auto& [id, entry] : subscriptions_) {
    if (!entry.in_flight.empty() && entry.last_progress < deadline) silent.push_back(id);
  }
  return silent;
}

std::uint64_t subscription_table::acknowledged(std::uint64_t subscription_id) const {
  const auto entry = subscriptions_.find(subscription_id);
  return entry == subscriptions_.end() ? 0 : entry->second.acknowledged;
}

std::vector<std::uint64_t> subscription_table::ids() const {
  std::vector<std::uint64_t> all;
  all.reserve(subscriptions_.size());
  for (const auto& [id, entry] : subscriptions_) all.push_back(id);
  return all;
}

std::uint64_t subscription_table::lag_max() const {
  std::uint64_t lag = 0;
  for (const auto& [id, entry] : subscriptions_) lag = std::max(lag, head_ - std::min(head_, entry.acknowledged));
  return lag;
}

}  // namespace hive
