#pragma once

#include <memory>

#include "client/batcher.hpp"

namespace hive {

// The kinds of calls that travel together.

struct create_policy {
  using item = v1::TaskSpec;
  using request = v1::CreateTasksRequest;
  using response = v1::CreateTasksResponse;
  using reply = v1::TaskResultItem;
  static constexpr front to = front::task_manager;
  static constexpr repeat may_repeat = repeat::always;  // every spec carries an idempotency key
  static constexpr std::size_t items_max = 1'000;
  static constexpr std::size_t batches_max = 2;
  static void add(request& batch, item body) { *batch.add_specs() = std::move(body); }
  static item item_of(const request& batch, int i) { return batch.specs(i); }
  static std::size_t bytes(const item& body) { return body.ByteSizeLong() + 8; }
  static bool is_compatible(const request&, const item&) { return true; }
};

struct get_item {
  std::uint64_t id = 0;
  bool with_payload = false;
  bool with_result = false;
};
struct get_policy {
  using item = get_item;
  using request = v1::GetTasksRequest;
  using response = v1::GetTasksResponse;
  using reply = v1::GetTaskItem;
  static constexpr front to = front::task_manager;
  static constexpr repeat may_repeat = repeat::always;
  static constexpr std::size_t items_max = 1'000;
  static constexpr std::size_t batches_max = 2;
  static void add(request& batch, item body) {
    batch.add_task_ids(body.id);
    batch.set_with_payload(body.with_payload);
    batch.set_with_result(body.with_result);
  }
  static item item_of(const request& batch, int i) {
    return {batch.task_ids(i), batch.with_payload(), batch.with_result()};
  }
  // Payloads and results come back: a guess keeps usual answers at a message's size.
  static std::size_t bytes(const item& body) { return body.with_payload || body.with_result ? 8 * 1024 : 16; }
  static bool is_compatible(const request& batch, const item& body) {
    return batch.with_payload() == body.with_payload && batch.with_result() == body.with_result;
  }
};

struct update_policy {
  using item = v1::TaskStatusUpdate;
  using request = v1::UpdateTaskStatusesRequest;
  using response = v1::UpdateTaskStatusesResponse;
  using reply = v1::TaskResultItem;
  static constexpr front to = front::task_manager;
  static constexpr repeat may_repeat = repeat::always;  // a repeat that is refused is looked into: confirm_update
  static constexpr std::size_t items_max = 1'000;
  static constexpr std::size_t batches_max = 1;  // updates of one caller stay in order
  static void add(request& batch, item body) { *batch.add_updates() = std::move(body); }
  static item item_of(const request& batch, int i) { return batch.updates(i); }
  static std::size_t bytes(const item& body) { return body.ByteSizeLong() + 8; }
  static bool is_compatible(const request&, const item&) { return true; }
};

struct cancel_item {
  std::uint64_t id = 0;
  std::string message;
  std::int64_t grace_ms = 0;
};
struct cancel_policy {
  using item = cancel_item;
  using request = v1::CancelTasksRequest;
  using response = v1::CancelTasksResponse;
  using reply = v1::TaskResultItem;
  static constexpr front to = front::task_manager;
  static constexpr repeat may_repeat = repeat::always;
  static constexpr std::size_t items_max = 1'000;
  static constexpr std::size_t batches_max = 1;
  static void add(request& batch, item body) {
    batch.add_task_ids(body.id);
    batch.set_message(std::move(body.message));
    batch.set_grace_ms(body.grace_ms);
  }
  static item item_of(const request& batch, int i) { return {batch.task_ids(i), batch.message(), batch.grace_ms()}; }
  static std::size_t bytes(const item& body) { return body.message.size() + 16; }
  static bool is_compatible(const request& batch, const item& body) {
    return batch.message() == body.message && batch.grace_ms() == body.grace_ms;
  }
};

struct publish_policy {
  using item = v1::PublishItem;
  using request = v1::PublishEventsRequest;
  using response = v1::PublishEventsResponse;
  using reply = v1::PublishResultItem;
  static constexpr front to = front::event_bus;
  static constexpr repeat may_repeat = repeat::never;
  static constexpr std::size_t items_max = 1'000;
  static constexpr std::size_t batches_max = 1;  // in order
  static void add(request& batch, item body) { *batch.add_items() = std::move(body); }
  static item item_of(const request& batch, int i) { return batch.items(i); }
  static std::size_t bytes(const item& body) { return body.ByteSizeLong() + 8; }
  static bool is_compatible(const request&, const item&) { return true; }
};

/// A repeated update was refused after an answer had been lost: if the task is as `wanted` wants it, answers success as
/// a replay, else the refusal.
void confirm_update(batcher<get_policy>& reader, const v1::TaskStatusUpdate& wanted, error refusal,
                    std::function<void(result<v1::TaskResultItem>)> done);

struct lanes {
  explicit lanes(const std::weak_ptr<channel>& owner)
      : create(std::make_shared<batcher<create_policy>>(owner)),
        get(std::make_shared<batcher<get_policy>>(owner)),
        update(std::make_shared<batcher<update_policy>>(owner)),
        cancel(std::make_shared<batcher<cancel_policy>>(owner)),
        publish(std::make_shared<batcher<publish_policy>>(owner)) {
    update->confirm_repeats(
        [reader = get](const v1::TaskStatusUpdate& wanted, error refusal, batcher<update_policy>::callback done) {
          confirm_update(*reader, wanted, std::move(refusal), std::move(done));
        });
  }

  void close() {
    create->close();
    get->close();
    update->close();
    cancel->close();
    publish->close();
  }

  std::shared_ptr<batcher<create_policy>> create;
  std::shared_ptr<batcher<get_policy>> get;
  std::shared_ptr<batcher<update_policy>> update;
  std::shared_ptr<batcher<cancel_policy>> cancel;
  std::shared_ptr<batcher<publish_policy>> publish;
};

}  // namespace hive
