#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

#include <caf/actor.hpp>
#include <caf/actor_control_block.hpp>
#include <caf/message.hpp>

#include "base/result.hpp"
#include "client/runtime.hpp"

namespace hive {

/// An actor without a thread of its own: what is sent to it is handled at once on the thread that delivers it
/// (the network thread), and any thread may send requests in its name. Keeps its own table of requests, because
/// CAF's looks replies up in linear time and does not fail them when a connection is lost. Thread-safe.
///
/// Callbacks run on the network thread, the timer thread, or the caller's; they must not block. No lock is held.
class port {
 public:
  using reply_callback = std::function<void(result<caf::message>)>;
  using push_callback = std::function<void(caf::message)>;
  using down_callback = std::function<void(const caf::actor_addr&)>;
  using request_number = std::uint64_t;

  port(std::shared_ptr<runtime> shared, push_callback on_push, down_callback on_down = {});
  ~port();
  port(const port&) = delete;
  port& operator=(const port&) = delete;

  /// Exactly one callback, at the latest at `deadline` (deadline_exceeded).
  request_number request(const caf::strong_actor_ptr& to, caf::message content, steady_time deadline,
                         reply_callback done);
  void send(const caf::strong_actor_ptr& to, caf::message content);
  void monitor(const caf::strong_actor_ptr& peer);
  /// Fails one request, or does nothing if it is answered.
  void fail(request_number number, const error& failure);
  /// Fails all requests, oldest first.
  void fail_all(const error& failure);
  /// For owners whose callbacks hold plain pointers: fails all requests, and from then on no callback runs nor is
  /// running. Blocks while one is; not to be called by one.
  void close(const error& failure);

 private:
  struct state;
  std::shared_ptr<runtime> runtime_;
  std::shared_ptr<state> state_;
  caf::actor companion_;
};

}  // namespace hive
