#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "client/link.hpp"
#include "client/worker.hpp"

namespace hive {

/// A report on its way; the body may still change until it is sent.
struct queued_report {
  v1::TaskReport body;
  std::shared_ptr<running_task> task;
};
using queued_report_ptr = std::shared_ptr<queued_report>;

/// A task that this worker holds: from its assignment until the node has acknowledged its end.
struct running_task {
  v1::TaskAssignment assignment;
  std::stop_source stop;
  std::atomic<bool> is_dropped{false};  // no longer ours: nothing is reported
  // Guarded by the session's mutex:
  bool is_ended = false;    // its last report is queued
  bool is_started = false;  // a thread has taken it
  steady_time assigned_at;
  bool is_reporting = false;          // reports of it are on their way: later ones wait, so that they stay in order
  queued_report_ptr queued_progress;  // not sent yet: a newer one replaces it
  queued_report_ptr queued_started;   // not sent yet, and nothing was reported since: the end takes its place
  timer_queue::timer_id deadline_timer = 0;
};
using running_task_ptr = std::shared_ptr<running_task>;

/// The worker's end of its session with the node: registers whenever the link comes up (with what it still runs),
/// sends heartbeats, runs assignments on its threads, and sends reports, those of a task in order, until each is
/// acknowledged. Assignments arrive on the network thread and wake a handler thread directly; reports leave from
/// the handler's thread. A few report messages may be on their way: while one is, the next leaves only when it is
/// worth it, so that short tasks share messages and disk writes. Thread-safe.
class worker_session : public link_observer, public std::enable_shared_from_this<worker_session> {
 public:
  using handler_table = std::map<std::string, task_handler, std::less<>>;

  worker_session(std::shared_ptr<hive::link> link, worker_options options, handler_table handlers,
                 task_handler any_handler);
  ~worker_session() override;

  void start();
  void drain();
  void stop();
  bool wait(milliseconds timeout);
  bool wait_active(milliseconds timeout);

  [[nodiscard]] worker_id id() const;
  [[nodiscard]] worker_status status() const;
  [[nodiscard]] std::uint32_t running_count() const;
  /// Why the node refused the worker for good; code none if it did not.
  [[nodiscard]] error refusal() const;

  // For task_context.
  void report_progress(const running_task_ptr& task, double fraction, std::string message);
  void report_log(const running_task_ptr& task, v1::TaskLogChunk::Stream stream, std::string_view bytes);

  void on_link_up(const link_session_ptr& session) override;
  void on_link_down(const error& why) override;

 private:
  using lock_type = std::unique_lock<std::mutex>;

  // worker_session.cpp: the session with the node
  void register_now();
  void register_after(milliseconds pause);
  void on_registered(const link_session_ptr& session, result<v1::RegisterWorkerResponse> reply);
  void heartbeat(std::uint64_t generation);
  void on_heartbeat(std::uint64_t generation, result<v1::HeartbeatResponse> reply);
  void on_push(const caf::message& content);
  void session_ended(lock_type& lock);
  /// The node of that link session refuses changes: this session with it is over; the link finds the leader.
  void leave_follower(std::uint64_t link_generation, const error& refusal);
  void request_drain();
  void deregister();
  void finish();
  void check_done();
  [[nodiscard]] v1::WorkerSpec make_spec() const;
  template <class List>
  void add_running(List& list) const;

  // worker_tasks.cpp: assignments, handlers and reports
  void on_assign(const v1::AssignTasks& message);
  void accept(lock_type& lock, const v1::TaskAssignment& assignment);
  void cancel(const v1::TaskAttempt& task);
  void ask_to_stop(const running_task_ptr& task);
  void drop(lock_type& lock, const running_task_ptr& task);
  void give_back_waiting(lock_type& lock, const char* why);
  void run_tasks();
  void run_one(const running_task_ptr& task);
  task_outcome call_handler(const running_task_ptr& task);
  void report_end(const running_task_ptr& task, task_outcome outcome, std::chrono::nanoseconds run_time);
  void queue_report(lock_type& lock, v1::TaskReport body, const running_task_ptr& task, bool is_end);
  void flush_after(lock_type& lock, std::chrono::microseconds delay);
  void wake_thread(lock_type& lock);
  [[nodiscard]] std::uint32_t prefetch_wish(lock_type& lock) const;
  void watch_line(lock_type& lock);
  void check_line();
  [[nodiscard]] bool may_send(lock_type& lock) const;
  std::vector<queued_report_ptr> take_reports(lock_type& lock, std::size_t items_max);
  void send_reports();
  void on_reports_answered(std::uint64_t session, std::vector<queued_report_ptr> sent,
                           result<v1::ReportTasksResponse> reply);
  void settle_report(lock_type& lock, const queued_report_ptr& report, const v1::TaskResultItem& item,
                     std::deque<queued_report_ptr>& again);
  static v1::TaskReport make_report(const running_task& task);

  std::shared_ptr<hive::link> link_;
  const worker_options options_;
  const handler_table handlers_;
  const task_handler any_handler_;
  const std::uint64_t incarnation_;

  mutable std::mutex mutex_;
  std::condition_variable work_;     // handler threads
  std::condition_variable changed_;  // wait(): the status
  std::condition_variable settled_;  // report_log(), stop(): reports and ends; nobody waits in the ordinary course
  worker_status status_ = worker_status::idle;
  error refusal_{errc::none, {}, {}};
  link_session_ptr link_session_;  // set while registered
  std::uint64_t worker_id_ = 0;
  std::uint64_t session_ = 0;
  std::uint64_t registration_ = 0;  // tells a late answer from the current one
  bool is_registering_ = false;
  bool is_stopping_ = false;
  bool is_drain_requested_ = false;  // by drain(), stop() or the node
  bool is_deregistering_ = false;
  bool is_waking_ = false;           // a handler thread was woken and is not up yet: it wakes the next one if need be
  std::size_t report_messages_ = 0;  // on their way
  std::optional<steady_time> flush_due_;
  milliseconds heartbeat_interval_{500};
  milliseconds register_pause_{50};
  std::map<std::pair<std::uint64_t, std::uint32_t>, running_task_ptr> held_;
  std::deque<running_task_ptr> waiting_;
  std::vector<v1::TaskAssignment> early_;  // of a session whose registration is not answered yet
  std::deque<queued_report_ptr> reports_;
  std::size_t report_bytes_ = 0;
  std::size_t idle_threads_ = 0;
  std::chrono::nanoseconds run_time_mean_{0};  // of the last tasks, moving
  std::uint32_t runs_measured_ = 0;            // up to as many as the mean needs
  std::uint32_t prefetch_ = 0;                 // as the node was last told
  bool is_line_watched_ = false;
  bool is_short_of_threads_ = false;
  std::vector<std::thread> threads_;
  std::unique_ptr<port> port_;
};

}  // namespace hive
