#include "actors/event_bus.hpp"

#include <algorithm>

#include <caf/actor_cast.hpp>

#include "actors/front_actor.hpp"
#include "actors/ledger_facade.hpp"
#include "core/queries.hpp"

namespace hive {
namespace {

constexpr std::uint32_t read_limit_max = 10'000;
/// Up to so many subscribers get every event at once.
constexpr std::size_t unpaced_subscribers_max = 16;
/// With more of them, so much time is given to others for each batch: no long line of batches stands before an
/// assignment.
constexpr std::chrono::microseconds pause_by_batch{50};
constexpr int batches_a_turn = 16;
/// Then other messages of the bus have their turn, whether batches were sent or not.
constexpr int visits_a_turn = 256;

subscriber_actor to_subscriber(const event_bus_state::subscriber& entry) {
  return caf::actor_cast<subscriber_actor>(entry.handle);
}

v1::PublishEventsResponse to_publish_response(std::vector<v1::Outcome>&& outcomes) {
  v1::PublishEventsResponse response;
  response.mutable_items()->Reserve(static_cast<int>(outcomes.size()));
  for (auto& outcome : outcomes) {
    auto& item = *response.add_items();
    item.mutable_status()->Swap(outcome.mutable_status());
    item.set_seq(outcome.event_seq());
  }
  return response;
}

}  // namespace

std::chrono::milliseconds event_bus_state::ack_timeout() const {
  return std::chrono::milliseconds{context->config.events.ack_timeout_ms};
}

void event_bus_state::report() {
  context->subscribers = table->size();
  if (context->probe != nullptr) context->probe->subscriber_lag(table->size(), table->lag_max());
}

void event_bus_state::forget(std::uint64_t id) {
  const auto entry = subscribers.find(id);
  if (entry == subscribers.end()) return;
  self->demonitor(entry->second.handle->address());
  subscribers.erase(entry);
  table->unsubscribe(id);
  report();
}

void event_bus_state::drop(std::uint64_t id, const error& why) {
  config::logger(name)->warn("subscription {} is dropped: {}", id, to_string(why));
  v1::SubscriptionEnded ended;
  ended.set_subscription_id(id);
  ended.set_cursor(table->acknowledged(id));
  *ended.mutable_status() = to_status(why);
  self->send(to_subscriber(subscribers.at(id)), std::move(ended));
  if (context->probe != nullptr) context->probe->subscriber_dropped();
  forget(id);
}

void event_bus_state::schedule_pump(std::uint64_t id) {
  const auto entry = subscribers.find(id);
  if (entry == subscribers.end() || entry->second.is_pumping) return;
  entry->second.is_pumping = true;
  self->send(self, pump_subscription{id});
}

void event_bus_state::on_pump(std::uint64_t id) {
  const auto entry = subscribers.find(id);
  if (entry == subscribers.end()) return;
  entry->second.is_pumping = false;
  send_batch(id);
}

bool event_bus_state::send_batch(std::uint64_t id) {
  const auto read_page = [this](const v1::ReadEventsRequest& request) {
    return core::read_events(*context->store->read(), request);
  };
  auto next = table->next_batch(id, read_page, self->clock().now());
  if (!next) {
    drop(id, next.failure());
    return false;
  }
  if (!next->has_value()) return false;
  self->send(to_subscriber(subscribers.at(id)), std::move((*next)->batch));
  if (table->is_behind(id)) schedule_pump(id);
  return true;
}

void event_bus_state::start_round() {
  if (is_round_due || subscribers.empty()) return;
  is_round_due = true;
  round_head = table->head();
  schedule_turn();
}

void event_bus_state::schedule_turn() {
  const auto now = self->clock().now();
  if (turn_due <= now) {
    self->send(self, pump_round{});
  } else {
    self->delayed_send(self, turn_due - now, pump_round{});
  }
}

void event_bus_state::on_round() {
  int sent = 0;
  auto next = subscribers.upper_bound(round_cursor);
  for (int visited = 0; visited < visits_a_turn && sent < batches_a_turn && next != subscribers.end(); ++visited) {
    round_cursor = next->first;
    if (!next->second.is_pumping && send_batch(round_cursor)) ++sent;
    next = subscribers.upper_bound(round_cursor);  // sending may have dropped the subscriber
  }
  if (subscribers.size() > unpaced_subscribers_max) turn_due = self->clock().now() + sent * pause_by_batch;
  if (next != subscribers.end()) return schedule_turn();
  round_cursor = 0;
  is_round_due = false;
  if (table->head() != round_head) start_round();
}

void event_bus_state::on_committed(const committed_effects& committed) {
  table->append(committed->events);
  start_round();
  if (context->probe == nullptr) return;
  for (const auto& event : committed->events) context->probe->event_committed(event);
}

caf::result<v1::SubscribeResponse> event_bus_state::on_subscribe(const v1::SubscribeRequest& request) {
  auto handle = self->current_sender();
  if (!handle) return refuse(*context, name, {errc::invalid_argument, "a subscription needs a sender", {}});
  // The log may be ahead of the events that have reached this actor.
  std::uint64_t newest = table->head();
  if (request.from_now() || request.after_seq() > newest) {
    newest = core::summarize(*context->store->read()).event_seq_last();
  }
  auto response = table->subscribe(request, newest, self->clock().now());
  if (!response) return refuse(*context, name, response.failure());
  const auto id = response->subscription_id();
  self->monitor(handle);
  subscribers.emplace(id, subscriber{std::move(handle), false});
  // The first batch leaves after the answer: the pump takes a turn through this actor's mailbox.
  schedule_pump(id);
  report();
  config::logger(name)->debug("subscription {} from cursor {}", id, response->cursor());
  return std::move(*response);
}

void event_bus_state::on_acknowledge(const v1::AckEvents& ack) {
  const bool was_full = table->is_full(ack.subscription_id());
  table->acknowledge(ack.subscription_id(), ack.cursor(), self->clock().now());
  if (was_full) schedule_pump(ack.subscription_id());
}

caf::result<v1::UnsubscribeResponse> event_bus_state::on_unsubscribe(const v1::UnsubscribeRequest& request) {
  v1::UnsubscribeResponse response;
  response.set_found(table->contains(request.subscription_id()));
  forget(request.subscription_id());
  return response;
}

caf::result<v1::PublishEventsResponse> event_bus_state::on_publish(v1::PublishEventsRequest& request) {
  if (auto fits = check_batch_size(request.items_size(), "items"); !fits) {
    return refuse(*context, name, fits.failure());
  }
  auto change = std::make_shared<ledger_request>();
  change->commands.reserve(static_cast<std::size_t>(request.items_size()));
  const auto bytes = request.ByteSizeLong();
  for (auto& item : *request.mutable_items()) {
    auto& published = *change->commands.emplace_back().mutable_publish_event();
    if (item.has_task()) published.mutable_task()->Swap(item.mutable_task());
    if (item.has_workflow()) published.mutable_workflow()->Swap(item.mutable_workflow());
  }
  if (auto admitted = admit(*context, *change, bytes); !admitted) return refuse(*context, name, admitted.failure());
  change->respond = [](std::vector<v1::Outcome>&& outcomes) {
    return caf::make_message(to_publish_response(std::move(outcomes)));
  };
  return delegate_to<v1::PublishEventsResponse>(self, writer, std::move(change));
}

caf::result<v1::ReadEventsResponse> event_bus_state::on_read(const v1::ReadEventsRequest& request) {
  if (request.limit() > read_limit_max) {
    return refuse(*context, name,
                  {errc::invalid_argument, "limit must be 1 to " + std::to_string(read_limit_max), "limit"});
  }
  auto page = core::read_events(*context->store->read(), request);
  if (!page) return refuse(*context, name, page.failure());
  return std::move(*page);
}

void event_bus_state::on_tick() {
  for (const auto id : table->silent_since(self->clock().now() - ack_timeout())) {
    drop(
        id,
        {errc::deadline_exceeded, "nothing was acknowledged for " + std::to_string(ack_timeout().count()) + " ms", {}});
  }
  report();
  self->delayed_send(self, ack_timeout() / 4, caf::tick_atom::value);
}

void event_bus_state::on_down(const caf::down_msg& down) {
  std::vector<std::uint64_t> gone;
  for (const auto& [id, entry] : subscribers) {
    if (entry.handle->address() == down.source) gone.push_back(id);
  }
  for (const auto id : gone) forget(id);
}

event_bus_inner::behavior_type event_bus(event_bus_inner::stateful_pointer<event_bus_state> self,
                                         service_context_ptr context, ledger_actor writer) {
  auto& state = self->state;
  state.self = self;
  state.context = std::move(context);
  state.writer = std::move(writer);
  subscription_table::options limits;
  limits.subscribers_max = state.context->config.events.subscribers_max;
  limits.may_lag = state.context->cluster != nullptr;
  state.table.emplace(limits, core::summarize(*state.context->store->read()).event_seq_last());
  self->set_down_handler([&state](const caf::down_msg& down) { state.on_down(down); });
  self->delayed_send(self, state.ack_timeout() / 4, caf::tick_atom::value);
  return {
      guarded(self, [&state](const v1::SubscribeRequest& request) { return state.on_subscribe(request); }),
      guarded(self, [&state](const v1::AckEvents& ack) { state.on_acknowledge(ack); }),
      guarded(self, [&state](const v1::UnsubscribeRequest& request) { return state.on_unsubscribe(request); }),
      guarded(self, [&state](v1::PublishEventsRequest& request) { return state.on_publish(request); }),
      guarded(self, [&state](const v1::ReadEventsRequest& request) { return state.on_read(request); }),
      guarded(self, [&state](const committed_effects& committed) { state.on_committed(committed); }),
      guarded(self, [&state](caf::tick_atom) { state.on_tick(); }),
      guarded(self, [&state](const pump_subscription& pump) { state.on_pump(pump.id); }),
      guarded(self, [&state](pump_round) { state.on_round(); }),
  };
}

}  // namespace hive
