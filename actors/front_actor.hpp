#pragma once

#include <atomic>
#include <exception>
#include <functional>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>

#include <caf/exit_reason.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/result.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/system_messages.hpp>
#include <caf/type_erased_tuple.hpp>
#include <caf/typed_actor.hpp>
#include <caf/typed_event_based_actor.hpp>

#include "actors/message_types.hpp"
#include "actors/service_context.hpp"
#include "config/logging.hpp"
#include "core/table.hpp"

#include <spdlog/spdlog.h>

namespace hive {

/// Messages from outside that may wait in the mailbox of one front actor.
constexpr std::size_t front_mailbox_max = 20'000;
/// The ledger takes no strangers' messages: admission bounds what waits for it.
constexpr std::size_t ledger_mailbox_max = std::numeric_limits<std::size_t>::max();

/// The part of a front actor that its handlers see.
class front_gate {
 public:
  virtual ~front_gate() = default;
  /// A handler has taken a message out of the mailbox.
  virtual void on_taken(const caf::mailbox_element& element) = 0;
};

/// An actor that strangers may send to. CAF's mailboxes have no bound, any peer may send an exit message, and an
/// exception that leaves a handler ends the actor. So:
/// - beyond `mailbox_max` waiting messages a request is answered with resource_exhausted and other messages are
/// dropped;
/// - exit messages are dropped until the node stops;
/// - every handler must be wrapped with guarded(), which catches exceptions and counts the mailbox down.
///
/// Spawn: system.spawn<front<task_manager_actor, task_manager_state>>(context, mailbox_max, behavior_function),
/// where behavior_function takes Interface::stateful_pointer<State>.
template <class Interface, class State>
class front final : public Interface::template stateful_base<State>, public front_gate {
 public:
  using super = typename Interface::template stateful_base<State>;
  using pointer = typename Interface::template stateful_pointer<State>;
  using behavior_type = typename Interface::behavior_type;
  using behavior_function = std::function<behavior_type(pointer)>;

  front(caf::actor_config& config, service_context_ptr context, std::size_t mailbox_max, behavior_function make)
      : super(config),
        context_(std::move(context)),
        mailbox_max_(mailbox_max),
        make_(std::move(make)),
        depth_(context_->mailboxes.open(State::name)) {
    this->set_default_handler([this](caf::scheduled_actor*, caf::message_view&) -> caf::result<caf::message> {
      if (auto* element = this->current_mailbox_element()) on_taken(*element);
      return caf::sec::unexpected_message;
    });
  }

  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) override {
    const auto& content = element->content();
    if (content.template match_elements<caf::exit_msg>() && !context_->is_stopping) return;
    if (is_counted(*element)) {
      if (depth_->fetch_add(1, std::memory_order_relaxed) >= mailbox_max_) {
        depth_->fetch_sub(1, std::memory_order_relaxed);
        refuse(*element);
        return;
      }
    }
    is_brief_.store(is_brief(element->content()), std::memory_order_relaxed);
    super::enqueue(std::move(element), unit);
  }

  /// Says where CAF runs the actor when a message wakes it: brief work that comes from the network is done in the
  /// network thread, which spares a change of threads (30 us on a virtual machine); anything else on the scheduler's.
  [[nodiscard]] caf::resumable::subtype_t subtype() const override {
    return is_brief_.load(std::memory_order_relaxed) ? caf::resumable::io_actor : super::subtype();
  }

  void on_taken(const caf::mailbox_element& element) override {
    if (is_counted(element)) depth_->fetch_sub(1, std::memory_order_relaxed);
  }

 protected:
  behavior_type make_behavior() override { return make_(this); }

 private:
  /// Requests, and whatever does not come from an actor of this node. Responses and CAF's own messages are not.
  [[nodiscard]] bool is_counted(const caf::mailbox_element& element) const {
    if (element.mid.is_response()) return false;
    if (element.mid.is_request()) return true;
    const auto& content = element.content();
    if (content.template match_elements<caf::exit_msg>() || content.template match_elements<caf::down_msg>()) {
      return false;
    }
    return element.sender != nullptr && element.sender->node() != this->node();
  }

  static bool is_brief(const caf::type_erased_tuple& content) {
    if constexpr (requires { State::is_brief(content); }) return State::is_brief(content);
    return false;
  }

  void refuse(const caf::mailbox_element& element) {
    if (context_->probe != nullptr) context_->probe->request_refused(this->name(), errc::resource_exhausted);
    if (!element.mid.is_request() || !element.sender) return;
    // Not CAF's own bouncer: it says request_receiver_down, and clients would look for another node.
    element.sender->enqueue(
        nullptr, element.mid.response_id(),
        caf::make_message(make_error(
            error{errc::resource_exhausted, std::string(this->name()) + " has too many waiting requests", {}})),
        nullptr);
  }

  const service_context_ptr context_;
  const std::size_t mailbox_max_;
  const behavior_function make_;
  const std::shared_ptr<mailbox_table::depth> depth_;  // also read by scrapes
  std::atomic<bool> is_brief_{false};                  // the message that came last; a hint
};

/// What an escaped exception means to the caller; logged here.
inline error describe_exception(const char* actor) {
  error failure{errc::internal, "", {}};
  try {
    throw;
  } catch (const core::table_error& problem) {
    failure = {problem.code(), problem.what(), {}};
  } catch (const std::exception& problem) {
    failure.message = problem.what();
  } catch (...) {
    failure.message = "unknown exception";
  }
  config::logger(actor)->error("handler failed: {}", to_string(failure));
  return failure;
}

namespace detail {

template <class Function>
struct handler_signature : handler_signature<decltype(&Function::operator())> {};
template <class Class, class Result, class... Arguments>
struct handler_signature<Result (Class::*)(Arguments...) const> {
  /// Wraps a handler with a result.
  template <class Self, class Handler>
  static auto wrap(Self* self, Handler handler) {
    return [self, handler = std::move(handler)](Arguments... arguments) -> Result {
      note_taken(self);
      if constexpr (std::is_void_v<Result>) {
        try {
          handler(static_cast<Arguments>(arguments)...);
        } catch (...) {
          describe_exception(self->name());
        }
      } else {
        try {
          return handler(static_cast<Arguments>(arguments)...);
        } catch (...) {
          return make_error(describe_exception(self->name()));
        }
      }
    };
  }

  template <class Self>
  static void note_taken(Self* self) {
    auto* gate = dynamic_cast<front_gate*>(self);
    if (gate != nullptr && self->current_mailbox_element() != nullptr) {
      gate->on_taken(*self->current_mailbox_element());
    }
  }
};

}  // namespace detail

/// A handler that cannot kill its actor: an exception becomes an error answer (the handler must then return
/// caf::result), or is logged (void).
template <class Self, class Handler>
auto guarded(Self* self, Handler handler) {
  return detail::handler_signature<Handler>::wrap(self, std::move(handler));
}

}  // namespace hive
