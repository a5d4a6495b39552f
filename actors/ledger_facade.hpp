#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <caf/delegated.hpp>
#include <caf/result.hpp>

#include "actors/local_messages.hpp"
#include "actors/message_types.hpp"
#include "actors/service_context.hpp"

namespace hive {

/// Counts and answers a refusal of a whole request.
inline caf::error refuse(const service_context& context, std::string_view actor, const error& failure) {
  if (context.probe != nullptr) context.probe->request_refused(actor, failure.code);
  return make_error(failure);
}

/// The answer to a query: its value, or its failure as CAF carries it.
template <class T>
caf::result<T> to_caf(result<T>&& value) {
  if (!value) return make_error(value.failure());
  return std::move(*value);
}

/// unavailable: clients try again, here after a restart or elsewhere.
error node_is_stopping();

/// invalid_argument if the batch is empty or too long; `field` names the repeated field.
result<void> check_batch_size(int items, const std::string& field);

/// Takes the share of a request at the ledger; `bytes` its size. unavailable while the node stops,
/// resource_exhausted beyond the limits or for a message that is too large.
result<void> admit(const service_context& context, ledger_request& request, std::uint64_t bytes,
                   bool is_ending_work = false);

/// Hands the caller of the message in hand over to the ledger, which answers it through request->respond.
template <class Response, class Self>
caf::result<Response> delegate_to(Self* self, const ledger_actor& writer, ledger_request_ptr request) {
  self->delegate(writer, std::move(request));
  return caf::delegated<Response>{};
}

/// Items of a batched change: one result an item, in order. Items that are refused at the edge have their status at
/// once; the others become commands.
class change_batch {
 public:
  explicit change_batch(int items)
      : items_(static_cast<std::size_t>(items)), request_(std::make_shared<ledger_request>()) {
    request_->commands.reserve(items_.size());
    positions_.reserve(items_.size());
  }

  void refuse_item(int index, const error& failure) {
    *items_[static_cast<std::size_t>(index)].mutable_status() = to_status(failure);
  }
  v1::Command& add_command(int index) {
    positions_.push_back(static_cast<std::size_t>(index));
    return request_->commands.emplace_back();
  }
  [[nodiscard]] ledger_request& request() { return *request_; }

  /// Sends the commands; the answer is a Response with an item for each. No commands: answers at once.
  template <class Response, class Self>
  caf::result<Response> submit(Self* self, const service_context& context, const ledger_actor& writer,
                               std::uint64_t bytes, bool is_ending_work = false) {
    if (request_->commands.empty()) return to_response<Response>(std::move(items_));
    if (auto admitted = admit(context, *request_, bytes, is_ending_work); !admitted) {
      return refuse(context, self->name(), admitted.failure());
    }
    request_->respond = [items = std::move(items_),
                         positions = std::move(positions_)](std::vector<v1::Outcome>&& outcomes) mutable {
      for (std::size_t i = 0; i < outcomes.size(); ++i) fill(items[positions[i]], std::move(outcomes[i]));
      return caf::make_message(to_response<Response>(std::move(items)));
    };
    return delegate_to<Response>(self, writer, std::move(request_));
  }

 private:
  static void fill(v1::TaskResultItem& item, v1::Outcome&& outcome) {
    *item.mutable_status() = std::move(*outcome.mutable_status());
    item.set_task_id(outcome.id());
    item.set_state(outcome.state());
    item.set_is_replay(outcome.is_replay());
    item.set_attempt(outcome.attempt());
  }
  template <class Response>
  static Response to_response(std::vector<v1::TaskResultItem>&& items) {
    Response response;
    response.mutable_items()->Reserve(static_cast<int>(items.size()));
    for (auto& item : items) *response.add_items() = std::move(item);
    return response;
  }

  std::vector<v1::TaskResultItem> items_;
  std::vector<std::size_t> positions_;  // of each command's item
  ledger_request_ptr request_;
};

}  // namespace hive
