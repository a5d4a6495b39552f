#include "client/event_bus.hpp"

#include <utility>

#include "client/lanes.hpp"
#include "client/subscriber.hpp"

namespace hive {

subscription::subscription(std::shared_ptr<subscriber> implementation) : implementation_(std::move(implementation)) {}
subscription::subscription(subscription&&) noexcept = default;

subscription& subscription::operator=(subscription&& other) noexcept {
  if (this != &other) {
    if (implementation_) implementation_->stop();
    implementation_ = std::move(other.implementation_);
  }
  return *this;
}

subscription::~subscription() {
  if (implementation_) close();
}

result<v1::Event> subscription::next(milliseconds timeout) { return implementation_->next(timeout); }
event_seq subscription::cursor() const { return implementation_->cursor(); }
void subscription::close() { implementation_->close(); }

event_bus::event_bus(std::shared_ptr<channel> connection) : channel_(std::move(connection)) {}
event_bus::~event_bus() = default;

namespace {

std::future<result<event_seq>> publish_item(channel& owner, v1::PublishItem item) {
  auto promise = std::make_shared<std::promise<result<event_seq>>>();
  auto ready = promise->get_future();
  owner.batched().publish->add(std::move(item), [promise](const result<v1::PublishResultItem>& reply) {
    if (reply)
      promise->set_value(event_seq{reply->seq()});
    else
      promise->set_value(reply.failure());
  });
  return ready;
}

result<std::shared_ptr<subscriber>> open_subscriber(const std::shared_ptr<channel>& owner, subscribe_options options) {
  auto made = std::make_shared<subscriber>(owner, std::move(options));
  auto promise = std::make_shared<std::promise<result<void>>>();
  auto ready = promise->get_future();
  made->start([promise](result<void> outcome) { promise->set_value(std::move(outcome)); });
  if (auto outcome = ready.get(); !outcome) return outcome.failure();
  return made;
}

}  // namespace

std::future<result<event_seq>> event_bus::publish_async(v1::TaskEvent event) {
  v1::PublishItem item;
  *item.mutable_task() = std::move(event);
  return publish_item(*channel_, std::move(item));
}

std::future<result<event_seq>> event_bus::publish_async(v1::WorkflowEvent event) {
  v1::PublishItem item;
  *item.mutable_workflow() = std::move(event);
  return publish_item(*channel_, std::move(item));
}

result<event_seq> event_bus::publish(v1::TaskEvent event) { return publish_async(std::move(event)).get(); }
result<event_seq> event_bus::publish(v1::WorkflowEvent event) { return publish_async(std::move(event)).get(); }

result<subscription> event_bus::subscribe(subscribe_options options) {
  auto opened = open_subscriber(channel_, std::move(options));
  if (!opened) return opened.failure();
  return subscription(std::move(*opened));
}

result<subscription> event_bus::subscribe(subscribe_options options, event_callback on_event,
                                          subscription_end_callback on_end) {
  auto opened = open_subscriber(channel_, std::move(options));
  if (!opened) return opened.failure();
  (*opened)->deliver_to(std::move(on_event), std::move(on_end));
  return subscription(std::move(*opened));
}

result<v1::ReadEventsResponse> event_bus::read(v1::ReadEventsRequest request) {
  auto promise = std::make_shared<std::promise<result<v1::ReadEventsResponse>>>();
  auto ready = promise->get_future();
  channel_->start<v1::ReadEventsResponse>(
      front::event_bus, std::move(request), repeat::always,
      [promise](result<v1::ReadEventsResponse> reply) { promise->set_value(std::move(reply)); });
  return ready.get();
}

}  // namespace hive
