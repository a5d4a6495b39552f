#include <algorithm>
#include <cmath>
#include <exception>
#include <system_error>
#include <utility>

#include <spdlog/logger.h>
#include <caf/make_message.hpp>

#include "client/channel.hpp"
#include "client/worker_session.hpp"
#include "config/logging.hpp"

namespace hive {
namespace {

using std::chrono::steady_clock;

/// A started report waits so long for company: usually the end of a short task goes with it.
constexpr milliseconds started_delay{5};
/// The end of a task waits no longer than this for the end of the next one that its thread has taken at once.
constexpr std::chrono::microseconds end_delay{500};
/// Report messages on their way at a time.
constexpr std::size_t report_messages_max = 4;
/// So much work may wait in line for a slot of this worker.
constexpr milliseconds line_time{20};
/// What has waited so long in line goes back to the queue.
constexpr milliseconds line_patience{200};
/// Tasks in the moving mean of run times.
constexpr std::uint32_t runs_in_mean = 16;
/// After the system refused a thread.
constexpr std::chrono::seconds thread_pause{1};
constexpr milliseconds report_timeout{10'000};
constexpr milliseconds report_pause{50};
constexpr std::size_t report_message_bytes_max = 900UL * 1024;
constexpr std::size_t report_items_max = 1'000;
constexpr std::size_t log_chunk_bytes_max = 64UL * 1024;
constexpr std::size_t report_bytes_max = 4UL * 1024 * 1024;

bool is_log_or_progress(const v1::TaskReport& body) { return body.has_log() || body.has_progress(); }

}  // namespace

v1::TaskReport worker_session::make_report(const running_task& task) {
  v1::TaskReport body;
  body.set_task_id(task.assignment.task_id());
  body.set_attempt(task.assignment.attempt());
  return body;
}

void worker_session::on_assign(const v1::AssignTasks& message) {
  bool must_report = false;
  {
    lock_type lock(mutex_);
    for (const auto& assignment : message.assignments()) {
      if (is_registering_ && assignment.session() > session_) {
        // Its registration is not answered yet; the count is bounded by the slots that were offered.
        if (early_.size() < options_.slots) early_.push_back(assignment);
        continue;
      }
      accept(lock, assignment);
    }
    must_report = !reports_.empty();
  }
  if (must_report) send_reports();
}

void worker_session::accept(lock_type& lock, const v1::TaskAssignment& assignment) {
  if (assignment.session() != session_) return;  // of an older session: the node has queued it again
  const std::pair key{assignment.task_id(), assignment.attempt()};
  if (held_.contains(key)) return;
  auto task = std::make_shared<running_task>();
  task->assignment = assignment;
  task->assigned_at = steady_clock::now();
  held_.emplace(key, task);
  const char* refused = nullptr;
  if (is_drain_requested_) refused = "the worker is draining";
  if (!any_handler_ && handlers_.find(assignment.spec().type()) == handlers_.end())
    refused = "the worker has no handler for this type";
  if (refused != nullptr) {
    auto body = make_report(*task);
    body.mutable_returned()->set_why(refused);
    queue_report(lock, std::move(body), task, true);
    return;
  }
  waiting_.push_back(std::move(task));
  wake_thread(lock);
  watch_line(lock);
}

/// How many tasks beyond its slots the worker can take: nothing is known of the first tasks.
std::uint32_t worker_session::prefetch_wish(lock_type&) const {
  if (is_drain_requested_ || runs_measured_ < runs_in_mean) return 0;
  const auto mean = std::max(run_time_mean_, std::chrono::nanoseconds{1'000});
  const auto tasks = options_.slots * (std::chrono::nanoseconds{line_time} / mean);
  return static_cast<std::uint32_t>(std::min<std::int64_t>(tasks, options_.prefetch_max));
}

void worker_session::watch_line(lock_type&) {
  if (is_line_watched_ || waiting_.empty()) return;
  is_line_watched_ = true;
  link_->shared().timers().after(line_patience, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->check_line();
  });
}

/// Tasks became longer than the ones before: what waits behind them is given back, and no more is asked for until
/// short ones have been seen again.
void worker_session::check_line() {
  {
    lock_type lock(mutex_);
    is_line_watched_ = false;
    if (waiting_.empty() || is_stopping_) return;
    const bool is_full = threads_.size() - idle_threads_ >= options_.slots;
    if (!is_full || steady_clock::now() - waiting_.front()->assigned_at < line_patience) return watch_line(lock);
    run_time_mean_ = std::max(run_time_mean_, std::chrono::nanoseconds{line_patience});
    give_back_waiting(lock, "it waited behind longer tasks");
  }
  send_reports();
}

/// Gets one more thread to look at what waits. One at a time: it wakes the next one as soon as it has taken a task and
/// others are left. Short tasks are thus run by the few threads that are awake already.
void worker_session::wake_thread(lock_type&) {
  if (is_waking_ || is_stopping_ || waiting_.empty()) return;
  if (idle_threads_ > 0) {
    is_waking_ = true;
    work_.notify_one();
  } else if (threads_.size() < options_.slots && !is_short_of_threads_) {
    try {
      threads_.emplace_back([this] { run_tasks(); });
      is_waking_ = true;
    } catch (const std::system_error& failure) {
      // The threads that there are go on meanwhile.
      config::logger("worker")->error("{} has {} threads and gets no more: {}; trying again in {} s", options_.name,
                                      threads_.size(), failure.what(), thread_pause.count());
      is_short_of_threads_ = true;
      link_->shared().timers().after(thread_pause, [weak = weak_from_this()] {
        const auto self = weak.lock();
        if (!self) return;
        lock_type relock(self->mutex_);
        self->is_short_of_threads_ = false;
        self->wake_thread(relock);
      });
    }
  }
}

void worker_session::cancel(const v1::TaskAttempt& which) {
  running_task_ptr task;
  bool is_waiting = false;
  {
    lock_type lock(mutex_);
    auto found = held_.find({which.task_id(), which.attempt()});
    if (found == held_.end()) return;
    task = found->second;
    is_waiting = std::erase(waiting_, task) > 0;
    if (is_waiting) {
      auto body = make_report(*task);
      body.mutable_canceled();
      queue_report(lock, std::move(body), task, true);
    }
  }
  ask_to_stop(task);
  if (is_waiting) send_reports();
}

/// Stop callbacks are the handler's code: under no lock, and on no thread that others wait for.
void worker_session::ask_to_stop(const running_task_ptr& task) {
  link_->shared().errands().after(milliseconds{0}, [weak = weak_from_this(), task] {
    task->stop.request_stop();
    const auto self = weak.lock();
    if (!self) return;
    // A handler may wait for room to log.
    { const lock_type lock(self->mutex_); }
    self->settled_.notify_all();
  });
}

void worker_session::drop(lock_type&, const running_task_ptr& task) {
  task->is_dropped = true;
  task->queued_progress = nullptr;
  task->queued_started = nullptr;
  std::erase(waiting_, task);
  std::erase_if(reports_, [&](const queued_report_ptr& one) {
    if (one->task != task) return false;
    report_bytes_ -= one->body.ByteSizeLong();
    return true;
  });
  held_.erase({task->assignment.task_id(), task->assignment.attempt()});
  ask_to_stop(task);
  settled_.notify_all();
}

void worker_session::give_back_waiting(lock_type& lock, const char* why) {
  auto waiting = std::move(waiting_);
  waiting_.clear();
  for (const auto& task : waiting) {
    auto body = make_report(*task);
    body.mutable_returned()->set_why(why);
    body.mutable_returned()->set_is_untouched(true);
    queue_report(lock, std::move(body), task, true);
  }
}

void worker_session::run_tasks() {
  lock_type lock(mutex_);
  is_waking_ = false;
  while (true) {
    ++idle_threads_;
    while (waiting_.empty() && !is_stopping_) {
      work_.wait(lock);
      is_waking_ = false;
    }
    --idle_threads_;
    if (is_stopping_) return;
    auto task = std::move(waiting_.front());
    waiting_.pop_front();
    task->is_started = true;
    auto body = make_report(*task);
    body.mutable_started();
    queue_report(lock, std::move(body), task, false);
    flush_after(lock, started_delay);
    wake_thread(lock);
    lock.unlock();
    run_one(task);
    task.reset();
    lock.lock();
  }
}

void worker_session::run_one(const running_task_ptr& task) {
  if (task->assignment.run_deadline_unix_ms() > 0) {
    using std::chrono::system_clock;
    const auto due = system_clock::time_point(milliseconds(task->assignment.run_deadline_unix_ms()));
    const auto left = std::chrono::duration_cast<milliseconds>(due - system_clock::now());
    const auto timer = link_->shared().timers().after(std::max(left, milliseconds{0}), [weak = weak_from_this(), task] {
      if (const auto self = weak.lock()) self->ask_to_stop(task);
    });
    std::lock_guard lock(mutex_);
    task->deadline_timer = timer;
  }
  const auto started = steady_clock::now();
  auto outcome = call_handler(task);
  const std::chrono::nanoseconds run_time = steady_clock::now() - started;
  if (task->deadline_timer != 0) link_->shared().timers().cancel(task->deadline_timer);
  report_end(task, std::move(outcome), run_time);
}

task_outcome worker_session::call_handler(const running_task_ptr& task) {
  const auto found = handlers_.find(task->assignment.spec().type());
  const task_handler& handler = found == handlers_.end() ? any_handler_ : found->second;
  task_context context(*this, task);
  try {
    return handler(context);
  } catch (const task_error& failure) {
    return task_failure{failure.what(), failure.is_retryable(), {}, {}};
  } catch (const std::exception& failure) {
    return task_failure{failure.what(), true, {}, {}};
  } catch (...) {
    return task_failure{"the handler threw something that is no exception", true, {}, {}};
  }
}

void worker_session::report_end(const running_task_ptr& task, task_outcome outcome, std::chrono::nanoseconds run_time) {
  auto body = make_report(*task);
  auto& value = outcome.value();
  if (auto* output = std::get_if<task_output>(&value)) {
    body.mutable_completed()->set_result(std::move(output->payload));
    body.mutable_completed()->set_content_type(std::move(output->content_type));
  } else if (auto* failure = std::get_if<task_failure>(&value)) {
    // The way that a handler breaks off after a cancel does not matter.
    if (task->stop.stop_requested() && task->deadline_timer == 0) {
      body.mutable_canceled();
    } else {
      body.mutable_failed()->set_message(std::move(failure->message));
      body.mutable_failed()->set_is_retryable(failure->is_retryable);
      body.mutable_failed()->set_result(std::move(failure->result));
      body.mutable_failed()->set_content_type(std::move(failure->content_type));
    }
  } else if (auto* returned = std::get_if<task_returned>(&value)) {
    body.mutable_returned()->set_why(std::move(returned->why));
  } else {
    body.mutable_canceled();
  }
  {
    lock_type lock(mutex_);
    runs_measured_ = std::min(runs_measured_ + 1, runs_in_mean);
    run_time_mean_ += (run_time - run_time_mean_) / runs_measured_;
    queue_report(lock, std::move(body), task, true);
    // This thread takes the next task at once: their ends share a message.
    if (!waiting_.empty()) return flush_after(lock, end_delay);
  }
  settled_.notify_all();
  send_reports();
  check_done();
}

void worker_session::queue_report(lock_type&, v1::TaskReport body, const running_task_ptr& task, bool is_end) {
  task->is_ended = task->is_ended || is_end;
  if (task->is_dropped) return;
  const auto started = std::exchange(task->queued_started, nullptr);
  if (started && (body.has_completed() || body.has_failed())) {
    // That a task has ended says that it was started: a short task costs the node one report.
    report_bytes_ -= started->body.ByteSizeLong();
    report_bytes_ += body.ByteSizeLong();
    started->body = std::move(body);
    return;
  }
  auto report = std::make_shared<queued_report>(queued_report{std::move(body), task});
  report_bytes_ += report->body.ByteSizeLong();
  if (report->body.has_progress()) task->queued_progress = report;
  if (report->body.has_started()) task->queued_started = report;
  reports_.push_back(std::move(report));
}

void worker_session::flush_after(lock_type&, std::chrono::microseconds delay) {
  const auto due = steady_clock::now() + delay;
  if (flush_due_ && *flush_due_ <= due) return;
  flush_due_ = due;
  link_->shared().timers().at(due, [weak = weak_from_this(), due] {
    auto self = weak.lock();
    if (!self) return;
    {
      std::lock_guard lock(self->mutex_);
      if (self->flush_due_ == due) self->flush_due_.reset();
    }
    self->send_reports();
    self->check_done();
  });
}

void worker_session::report_progress(const running_task_ptr& task, double fraction, std::string message) {
  const double bounded = std::isfinite(fraction) ? std::clamp(fraction, 0.0, 1.0) : 0.0;
  lock_type lock(mutex_);
  if (task->is_dropped || task->is_ended) return;
  const bool is_new = task->queued_progress == nullptr;
  v1::TaskReport body = make_report(*task);
  body.mutable_progress()->set_ppm(static_cast<std::uint32_t>(std::lround(bounded * 1'000'000)));
  body.mutable_progress()->set_message(std::move(message));
  if (is_new) {
    queue_report(lock, std::move(body), task, false);
  } else {
    report_bytes_ -= task->queued_progress->body.ByteSizeLong();
    report_bytes_ += body.ByteSizeLong();
    task->queued_progress->body = std::move(body);
  }
  flush_after(lock, started_delay);
}

void worker_session::report_log(const running_task_ptr& task, v1::TaskLogChunk::Stream stream, std::string_view bytes) {
  while (!bytes.empty()) {
    const auto piece = bytes.substr(0, log_chunk_bytes_max);
    bytes.remove_prefix(piece.size());
    lock_type lock(mutex_);
    const auto has_room = [&] { return report_bytes_ < report_bytes_max; };
    // One that is to stop does not wait: with the node gone there may never be room.
    settled_.wait(lock, [&] { return has_room() || task->is_dropped || task->stop.stop_requested() || is_stopping_; });
    if (task->is_dropped || task->is_ended || is_stopping_ || !has_room()) return;
    auto body = make_report(*task);
    body.mutable_log()->set_stream(stream);
    body.mutable_log()->set_data(piece.data(), piece.size());
    queue_report(lock, std::move(body), task, false);
    flush_after(lock, started_delay);
  }
}

/// A message leaves at once if none is on its way, and beside others only when it frees many slots at a time.
bool worker_session::may_send(lock_type&) const {
  if (reports_.empty() || !link_session_ || report_messages_ >= report_messages_max) return false;
  return report_messages_ == 0 || reports_.size() * 2 >= options_.slots + prefetch_;
}

/// The reports of the next message. Of a task that has reports on their way none are taken.
std::vector<queued_report_ptr> worker_session::take_reports(lock_type&, std::size_t items_max) {
  std::vector<queued_report_ptr> taken;
  std::deque<queued_report_ptr> kept;
  std::size_t bytes = 0;
  while (!reports_.empty() && taken.size() < items_max) {
    auto& report = reports_.front();
    if (report->task->is_reporting) {
      kept.push_back(std::move(report));
      reports_.pop_front();
      continue;
    }
    const std::size_t size = report->body.ByteSizeLong();
    if (!taken.empty() && bytes + size + 8 > report_message_bytes_max) break;
    bytes += size + 8;
    report_bytes_ -= size;
    if (report->task->queued_progress == report) report->task->queued_progress = nullptr;
    if (report->task->queued_started == report) report->task->queued_started = nullptr;
    taken.push_back(std::move(report));
    reports_.pop_front();
  }
  reports_.insert(reports_.begin(), kept.begin(), kept.end());
  for (const auto& report : taken) report->task->is_reporting = true;
  return taken;
}

void worker_session::send_reports() {
  v1::ReportTasksRequest request;
  std::vector<queued_report_ptr> sent;
  link_session_ptr session;
  std::uint64_t under = 0;
  {
    lock_type lock(mutex_);
    if (!may_send(lock)) return;
    session = link_session_;
    under = session_;
    request.set_worker_id(worker_id_);
    request.set_session(under);
    const auto limit = session->hello.limits().batch_items_max();
    sent = take_reports(lock, limit > 0 ? std::min<std::size_t>(limit, report_items_max) : report_items_max);
    if (sent.empty()) return;
    for (const auto& report : sent) *request.add_reports() = report->body;
    prefetch_ = prefetch_wish(lock);
    request.set_prefetch(prefetch_);
    ++report_messages_;
  }
  const auto number = port_->request(session->directory.dispatcher, caf::make_message(std::move(request)),
                                     steady_clock::now() + report_timeout,
                                     [weak = weak_from_this(), under, sent,
                                      link_generation = session->generation](result<caf::message> reply) mutable {
                                       auto self = weak.lock();
                                       if (!self) return;
                                       auto answer = channel::extract<v1::ReportTasksResponse>(std::move(reply));
                                       if (!answer) self->leave_follower(link_generation, answer.failure());
                                       self->on_reports_answered(under, std::move(sent), std::move(answer));
                                     });
  if (link_->current() != session) port_->fail(number, {errc::unavailable, "the connection was lost", {}});
}

void worker_session::on_reports_answered(std::uint64_t session, std::vector<queued_report_ptr> sent,
                                         result<v1::ReportTasksResponse> reply) {
  bool must_pause = false;
  {
    lock_type lock(mutex_);
    --report_messages_;
    std::deque<queued_report_ptr> again;
    const bool is_whole = reply && static_cast<std::size_t>(reply->items_size()) == sent.size();
    for (std::size_t i = 0; i < sent.size(); ++i) {
      sent[i]->task->is_reporting = false;
      if (sent[i]->task->is_dropped) continue;
      if (is_whole)
        settle_report(lock, sent[i], reply->items(static_cast<int>(i)), again);
      else
        again.push_back(sent[i]);
    }
    must_pause = !again.empty();
    for (const auto& one : again) report_bytes_ += one->body.ByteSizeLong();
    reports_.insert(reports_.begin(), again.begin(), again.end());
    // The session is over: after the next registration the reports go out under the new one.
    if (!reply && reply.failure().code == errc::failed_precondition && link_session_ && session_ == session)
      session_ended(lock);
  }
  settled_.notify_all();
  if (must_pause) {
    link_->shared().timers().after(report_pause, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->send_reports();
    });
  } else {
    send_reports();
  }
  check_done();
}

void worker_session::settle_report(lock_type& lock, const queued_report_ptr& report, const v1::TaskResultItem& item,
                                   std::deque<queued_report_ptr>& again) {
  const running_task_ptr& task = report->task;
  const auto& body = report->body;
  const bool is_end = body.has_completed() || body.has_failed() || body.has_canceled() || body.has_returned();
  const errc code = static_cast<errc>(item.status().code());
  if (code == errc::none) {
    if (is_end) held_.erase({body.task_id(), body.attempt()});
    return;
  }
  if (code == errc::resource_exhausted || code == errc::unavailable || code == errc::not_leader) {
    again.push_back(report);
    return;
  }
  if (is_log_or_progress(body) && code == errc::invalid_argument) return;  // refused for its content: only this is lost
  if (is_end && code == errc::invalid_argument && !body.has_failed()) {
    // The result is refused (too large, say): the task must not hang in running.
    auto failed = std::make_shared<queued_report>(queued_report{make_report(*task), task});
    failed->body.mutable_failed()->set_message("the node refused the result: " + item.status().message());
    again.push_back(std::move(failed));
    return;
  }
  drop(lock, task);  // a stale attempt: somebody else has it
}

}  // namespace hive
