#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

#include <caf/make_message.hpp>

#include "client/link.hpp"

namespace hive {

/// The front actor that a call goes to.
enum class front : std::uint8_t { node, task_manager, worker_registry, plan_supervisor, event_bus, cluster_manager };

/// May the same request be sent twice without harm?
enum class repeat : std::uint8_t { never, always };

/// Requests that show the state of things, and change nothing.
template <class Request>
inline constexpr bool is_read =
    std::is_same_v<Request, v1::GetTasksRequest> || std::is_same_v<Request, v1::ListTasksRequest> ||
    std::is_same_v<Request, v1::GetTaskLogsRequest> || std::is_same_v<Request, v1::ExplainTaskRequest> ||
    std::is_same_v<Request, v1::ListWorkersRequest> || std::is_same_v<Request, v1::GetWorkerRequest> ||
    std::is_same_v<Request, v1::GetPlanStatusRequest> || std::is_same_v<Request, v1::ListPlansRequest> ||
    std::is_same_v<Request, v1::GetNextStepRequest> || std::is_same_v<Request, v1::CheckDependenciesRequest> ||
    std::is_same_v<Request, v1::ReadEventsRequest>;

struct lanes;

/// Calls of one client with its settings: waits for the link, repeats within the total timeout what may be
/// repeated, and keeps at most inflight_max calls on their way. Batched kinds go through their lanes. What a node
/// refuses with not_leader has not been done: it is repeated once the link has found the leader. Thread-safe.
class channel : public link_observer, public std::enable_shared_from_this<channel> {
 public:
  using message_callback = std::function<void(result<caf::message>)>;

  struct call {
    front to = front::node;
    caf::message content;
    repeat may_repeat = repeat::always;
    bool needs_barrier = false;  // a read that must see everything that was acknowledged before
    steady_time deadline;
    std::chrono::milliseconds request_timeout{0};  // of one try; 0: as configured
    message_callback done;
    /// If given: set once an answer was lost, so that an earlier try may have been carried out.
    std::shared_ptr<std::atomic<bool>> was_answer_lost;
    // Kept by the channel:
    std::uint32_t tries = 0;
    error last{errc::none, {}, {}};
  };

  using call_ptr = std::shared_ptr<call>;

  static result<std::shared_ptr<channel>> open(const config::client_config& settings);
  channel(std::shared_ptr<hive::link> link, config::client_config settings);
  ~channel() override;

  void start(call request);

  template <class Response, class Request>
  void start(front to, Request request, repeat may_repeat, std::function<void(result<Response>)> done,
             std::chrono::milliseconds timeout = {}) {
    call one;
    one.to = to;
    one.content = caf::make_message(std::move(request));
    one.may_repeat = may_repeat;
    one.needs_barrier = is_read<Request> && is_linearizable_;
    one.deadline = timeout.count() > 0 ? std::chrono::steady_clock::now() + timeout : total_deadline();
    one.request_timeout = timeout;
    one.done = [done = std::move(done)](result<caf::message> reply) { done(extract<Response>(std::move(reply))); };
    start(std::move(one));
  }

  /// The message's one element as Response.
  template <class Response>
  static result<Response> extract(result<caf::message> reply) {
    if (!reply) return reply.failure();
    if (!reply->match_elements<Response>()) return error{errc::internal, "the node answered something else", {}};
    return std::move(reply->get_mutable_as<Response>(0));
  }

  [[nodiscard]] steady_time total_deadline() const;
  [[nodiscard]] bool is_linearizable() const { return is_linearizable_; }
  [[nodiscard]] const config::client_config& settings() const { return settings_; }
  [[nodiscard]] hive::link& connection() { return *link_; }
  [[nodiscard]] const std::shared_ptr<hive::link>& connection_ptr() { return link_; }
  timer_queue& timers() { return link_->shared().timers(); }
  lanes& batched() { return *lanes_; }

  void on_link_up(const link_session_ptr& session) override;
  void on_link_down(const error& why) override;

 private:
  void attempt(const call_ptr& one);
  /// First the barrier, then the call at the same node over the same connection; anew if the link moves in between.
  void send_behind_barrier(const call_ptr& one, const link_session_ptr& session);
  void send(const call_ptr& one, const link_session_ptr& session);
  [[nodiscard]] steady_time try_deadline(const call& one) const;
  /// Runs `continue_with` on this channel, or ends the call if the channel is gone by then.
  std::function<void()> later(const call_ptr& one, void (channel::*continue_with)(const call_ptr&));
  void unpark(std::uint64_t number);
  void park(const call_ptr& one);
  /// `generation` of the session that the call was sent in.
  void on_failure(const call_ptr& one, std::uint64_t generation, const error& failure);
  void finish(const call_ptr& one, result<caf::message> outcome);
  /// Starts calls of the queue one after the other: each may end at once, and have the next one start.
  void start_next(call_ptr next);
  [[nodiscard]] error expired(const call& one) const;

  std::shared_ptr<hive::link> link_;
  config::client_config settings_;
  const bool is_linearizable_;
  std::unique_ptr<lanes> lanes_;
  port port_;
  std::mutex mutex_;
  std::deque<call_ptr> queue_;  // beyond the window
  std::deque<call_ptr> next_;   // taken from it, to be started by whoever is at it
  bool is_starting_ = false;
  std::uint32_t in_flight_ = 0;
  struct parked_call {
    call_ptr one;
    timer_queue::timer_id timer = 0;
  };
  std::map<std::uint64_t, parked_call> parked_;  // wait for the link
  std::uint64_t next_parked_ = 1;
};

}  // namespace hive
