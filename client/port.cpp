#include "client/port.hpp"

#include <condition_variable>
#include <exception>
#include <vector>

#include <caf/actor_cast.hpp>
#include <caf/actor_companion.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/scoped_execution_unit.hpp>
#include <caf/spawn_options.hpp>
#include <caf/system_messages.hpp>

#include <spdlog/logger.h>

#include "actors/message_types.hpp"
#include "config/logging.hpp"

namespace hive {

struct port::state {
  struct pending {
    reply_callback done;
    timer_queue::timer_id timer = 0;
  };
  struct leaving {
    state& of;
    ~leaving() { of.leave(); }
  };

  state(std::shared_ptr<runtime> shared, push_callback push, down_callback down)
      : shared_runtime(std::move(shared)), on_push(std::move(push)), on_down(std::move(down)) {}

  /// Takes the request out of the table; an empty callback if it is answered already.
  reply_callback take(request_number number) {
    std::unique_lock lock(mutex);
    auto found = requests.find(number);
    if (found == requests.end()) return {};
    pending taken = std::move(found->second);
    requests.erase(found);
    lock.unlock();
    shared_runtime->timers().cancel(taken.timer);
    return std::move(taken.done);
  }

  /// False: closed, no callback may run.
  bool enter() {
    const std::lock_guard lock(mutex);
    if (!is_closed) ++running;
    return !is_closed;
  }
  void leave() {
    const std::lock_guard lock(mutex);
    if (--running == 0) is_idle.notify_all();
  }

  void answer(request_number number, result<caf::message> reply) {
    if (!enter()) return;
    const leaving at_end{*this};
    if (auto done = take(number)) done(std::move(reply));
  }

  void receive(caf::mailbox_element& element) {
    if (!enter()) return;
    const leaving at_end{*this};
    caf::message content = element.move_content_to_message();
    if (element.mid.is_response()) {
      const request_number number = element.mid.request_id().integer_value();
      if (content.match_elements<caf::error>())
        answer(number, to_error(content.get_as<caf::error>(0)));
      else
        answer(number, std::move(content));
      return;
    }
    if (content.match_elements<caf::down_msg>()) {
      if (on_down) on_down(content.get_as<caf::down_msg>(0).source);
      return;
    }
    if (on_push) on_push(std::move(content));
  }

  std::shared_ptr<runtime> shared_runtime;
  push_callback on_push;
  down_callback on_down;
  std::mutex mutex;
  std::condition_variable is_idle;
  std::size_t running = 0;  // callbacks
  bool is_closed = false;
  std::map<request_number, pending> requests;
  request_number next_number = 1;
};

port::port(std::shared_ptr<runtime> shared, push_callback on_push, down_callback on_down)
    : runtime_(shared), state_(std::make_shared<state>(std::move(shared), std::move(on_push), std::move(on_down))) {
  companion_ = runtime_->system().spawn<caf::actor_companion, caf::hidden>();
  // Weak: the companion may be delivering on another thread while the port is destroyed.
  caf::actor_cast<caf::actor_companion*>(companion_)
      ->on_enqueue([weak = std::weak_ptr<state>(state_)](caf::mailbox_element_ptr element) {
        const auto self = weak.lock();
        if (!self) return;
        const service_thread mark;
        // What escapes here would end CAF's network actor, and with it every connection of the process.
        try {
          self->receive(*element);
        } catch (const std::exception& failure) {
          config::logger("client")->error("a message could not be handled: {}", failure.what());
        }
      });
}

port::~port() {
  fail_all({errc::unavailable, "the client was closed", {}});
  caf::scoped_execution_unit context(&runtime_->system());
  caf::actor_cast<caf::actor_companion*>(companion_)->cleanup(caf::error{}, &context);
}

port::request_number port::request(const caf::strong_actor_ptr& to, caf::message content, steady_time deadline,
                                   reply_callback done) {
  request_number number = 0;
  {
    std::lock_guard lock(state_->mutex);
    number = state_->next_number++;
    state_->requests.emplace(number, state::pending{std::move(done), 0});
  }
  auto timer = runtime_->timers().at(deadline, [weak = std::weak_ptr<state>(state_), number] {
    if (auto self = weak.lock()) self->answer(number, error{errc::deadline_exceeded, "no answer in time", {}});
  });
  bool is_pending = false;
  {
    std::lock_guard lock(state_->mutex);
    auto found = state_->requests.find(number);
    is_pending = found != state_->requests.end();
    if (is_pending) found->second.timer = timer;
  }
  if (is_pending)
    to->enqueue(caf::actor_cast<caf::strong_actor_ptr>(companion_), caf::make_message_id(number), std::move(content),
                nullptr);
  return number;
}

void port::send(const caf::strong_actor_ptr& to, caf::message content) {
  to->enqueue(caf::actor_cast<caf::strong_actor_ptr>(companion_), caf::make_message_id(), std::move(content), nullptr);
}

void port::monitor(const caf::strong_actor_ptr& peer) {
  caf::actor_cast<caf::actor_companion*>(companion_)->monitor(caf::actor_cast<caf::actor>(peer));
}

void port::fail(request_number number, const error& failure) {
  const auto held = state_;  // the callback may end this port
  held->answer(number, failure);
}

void port::close(const error& failure) {
  fail_all(failure);
  std::unique_lock lock(state_->mutex);
  state_->is_closed = true;
  state_->is_idle.wait(lock, [this] { return state_->running == 0; });
}

void port::fail_all(const error& failure) {
  const auto held = state_;  // a callback may end this port
  std::vector<request_number> numbers;
  {
    std::lock_guard lock(held->mutex);
    for (const auto& [number, request] : held->requests) numbers.push_back(number);
  }
  for (request_number number : numbers) held->answer(number, failure);
}

}  // namespace hive
