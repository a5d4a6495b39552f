#include "client/worker_session.hpp"

#include <algorithm>
#include <set>

#include <spdlog/logger.h>
#include <caf/make_message.hpp>

#include "client/channel.hpp"
#include "config/logging.hpp"

namespace hive {
namespace {

using std::chrono::steady_clock;

constexpr milliseconds register_timeout{5'000};
constexpr milliseconds register_pause_min{50};
constexpr milliseconds register_pause_max{2'000};
constexpr milliseconds heartbeat_timeout{5'000};
constexpr milliseconds goodbye_timeout{2'000};
constexpr const char* component = "worker";

/// The same registration will be refused again.
bool is_refused_for_good(errc code) {
  return code == errc::invalid_argument || code == errc::permission_denied || code == errc::already_exists;
}

}  // namespace

worker_session::worker_session(std::shared_ptr<hive::link> link, worker_options options, handler_table handlers,
                               task_handler any_handler)
    : link_(std::move(link)),
      options_(std::move(options)),
      handlers_(std::move(handlers)),
      any_handler_(std::move(any_handler)),
      incarnation_(random_number() | 1) {}

worker_session::~worker_session() {
  {
    std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  work_.notify_all();
  settled_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void worker_session::start() {
  {
    std::lock_guard lock(mutex_);
    status_ = worker_status::connecting;
  }
  port_ = std::make_unique<port>(link_->shared_ptr(), [weak = weak_from_this()](const caf::message& content) {
    if (auto self = weak.lock()) self->on_push(content);
  });
  link_->observe(weak_from_this());
  register_now();
}

v1::WorkerSpec worker_session::make_spec() const {
  v1::WorkerSpec spec;
  spec.set_name(options_.name);
  spec.set_role(options_.role);
  for (const auto& capability : options_.capabilities) spec.add_capabilities(capability);
  for (const auto& [key, value] : options_.labels) *spec.add_labels() = make_label(key, value);
  if (!any_handler_) {
    for (const auto& [type, handler] : handlers_) spec.add_task_types(type);
  }
  spec.set_slots(options_.slots);
  spec.set_incarnation(incarnation_);
  return spec;
}

/// Everything held, also what has ended and is not acknowledged: its report is still to be accepted.
template <class List>
void worker_session::add_running(List& list) const {
  for (const auto& [key, task] : held_) {
    auto& one = *list.Add();
    one.set_task_id(key.first);
    one.set_attempt(key.second);
  }
}

void worker_session::on_link_up(const link_session_ptr&) { register_now(); }

void worker_session::on_link_down(const error& why) {
  bool was_registered = false;
  std::string node;
  {
    std::lock_guard lock(mutex_);
    was_registered = link_session_ != nullptr;
    if (was_registered) node = link_session_->endpoint;
    link_session_ = nullptr;
    if (status_ == worker_status::active) status_ = worker_status::connecting;
    if (link_->last_trouble().is_refused) refusal_ = why;
  }
  if (was_registered) config::logger(component)->warn("lost the connection to {}: {}; trying again", node, why.message);
  changed_.notify_all();
  port_->fail_all({errc::unavailable, why.message, {}});
  if (link_->last_trouble().is_refused) finish();
}

void worker_session::register_now() {
  const auto session = link_->current();
  if (!session) return;
  v1::RegisterWorkerRequest request;
  std::uint64_t number = 0;
  {
    std::lock_guard lock(mutex_);
    if (is_registering_ || link_session_ || is_deregistering_ || status_ == worker_status::stopped) return;
    is_registering_ = true;
    number = ++registration_;
    early_.clear();
    add_running(*request.mutable_running());
  }
  *request.mutable_spec() = make_spec();
  request.set_is_executor(true);
  const auto sent = port_->request(
      session->directory.worker_registry, caf::make_message(std::move(request)), steady_clock::now() + register_timeout,
      [weak = weak_from_this(), session, number](result<caf::message> reply) {
        auto self = weak.lock();
        if (!self) return;
        {
          std::lock_guard lock(self->mutex_);
          if (number != self->registration_) return;
        }
        self->on_registered(session, channel::extract<v1::RegisterWorkerResponse>(std::move(reply)));
      });
  if (link_->current() != session) port_->fail(sent, {errc::unavailable, "the connection was lost", {}});
}

void worker_session::register_after(milliseconds pause) {
  link_->shared().timers().after(pause, [weak = weak_from_this()] {
    if (auto self = weak.lock()) self->register_now();
  });
}

void worker_session::on_registered(const link_session_ptr& session, result<v1::RegisterWorkerResponse> reply) {
  if (!reply) {
    const bool is_follower = reply.failure().code == errc::not_leader;
    if (is_follower) link_->on_not_leader(session->generation, reply.failure().field);
    milliseconds pause{0};
    {
      std::lock_guard lock(mutex_);
      is_registering_ = false;
    }
    // The link has left the node: on_link_up registers at the next one, or has found this registration still under way.
    if (link_->current() != session) return register_now();
    {
      std::lock_guard lock(mutex_);
      if (is_refused_for_good(reply.failure().code)) refusal_ = reply.failure();
      pause = register_pause_;
      register_pause_ = std::min(register_pause_ * 2, register_pause_max);
    }
    config::logger(component)->warn("the node did not register {}: {}", options_.name, to_string(reply.failure()));
    if (is_refused_for_good(reply.failure().code)) return finish();
    return register_after(pause);
  }
  std::uint64_t generation = 0;
  bool must_drain = false;
  {
    lock_type lock(mutex_);
    is_registering_ = false;
    link_session_ = session;
    worker_id_ = reply->worker().id();
    session_ = reply->worker().session();
    generation = registration_;
    prefetch_ = 0;
    heartbeat_interval_ = milliseconds(std::clamp<std::int64_t>(reply->heartbeat_interval_ms(), 10, 60'000));
    must_drain = is_drain_requested_;
    status_ = must_drain ? worker_status::draining : worker_status::active;
    std::set<std::pair<std::uint64_t, std::uint32_t>> kept;
    for (const auto& task : reply->kept()) kept.emplace(task.task_id(), task.attempt());
    std::vector<running_task_ptr> lost;
    for (const auto& [key, task] : held_) {
      // A task that came with this very session is in no list.
      if (!kept.contains(key) && task->assignment.session() != session_) lost.push_back(task);
    }
    for (const auto& task : lost) drop(lock, task);
    auto early = std::move(early_);
    early_.clear();
    for (const auto& assignment : early) accept(lock, assignment);
  }
  // The link may have left the node while the answer was on its way, and have said so before there was a session.
  if (link_->current() != session) {
    {
      std::lock_guard lock(mutex_);
      if (link_session_ == session) {
        link_session_ = nullptr;
        if (status_ == worker_status::active) status_ = worker_status::connecting;
      }
    }
    return register_now();
  }
  config::logger(component)->info("registered worker={} name={} session={} slots={} node={}",
                                  to_string(worker_id{reply->worker().id()}), options_.name, reply->worker().session(),
                                  options_.slots, session->endpoint);
  changed_.notify_all();
  if (must_drain) request_drain();
  link_->shared().timers().after(heartbeat_interval_, [weak = weak_from_this(), generation] {
    if (auto self = weak.lock()) self->heartbeat(generation);
  });
  // Soon after a registration a new one is suspicious (two processes with one name): the pause grows.
  link_->shared().timers().after(register_pause_max * 2, [weak = weak_from_this(), generation] {
    auto self = weak.lock();
    if (!self) return;
    std::lock_guard lock(self->mutex_);
    if (self->registration_ == generation) self->register_pause_ = register_pause_min;
  });
  send_reports();
  check_done();
}

void worker_session::heartbeat(std::uint64_t generation) {
  v1::HeartbeatRequest request;
  link_session_ptr session;
  {
    std::lock_guard lock(mutex_);
    if (generation != registration_ || !link_session_ || is_deregistering_) return;
    session = link_session_;
    request.set_worker_id(worker_id_);
    request.set_session(session_);
    const auto used = static_cast<std::uint32_t>(held_.size());
    request.set_slots_free(options_.slots > used ? options_.slots - used : 0);
    request.set_has_slots_free(true);
    add_running(*request.mutable_running());
  }
  port_->request(
      session->directory.worker_registry, caf::make_message(std::move(request)),
      steady_clock::now() + heartbeat_timeout,
      [weak = weak_from_this(), generation, link_generation = session->generation](result<caf::message> reply) {
        auto self = weak.lock();
        if (!self) return;
        auto answer = channel::extract<v1::HeartbeatResponse>(std::move(reply));
        if (!answer) self->leave_follower(link_generation, answer.failure());
        self->on_heartbeat(generation, std::move(answer));
      });
  link_->shared().timers().after(heartbeat_interval_, [weak = weak_from_this(), generation] {
    if (auto self = weak.lock()) self->heartbeat(generation);
  });
}

void worker_session::on_heartbeat(std::uint64_t generation, result<v1::HeartbeatResponse> reply) {
  if (!reply) {
    const errc code = reply.failure().code;
    if (code != errc::failed_precondition && code != errc::not_found) return;
    lock_type lock(mutex_);
    if (generation == registration_) session_ended(lock);
    return;
  }
  for (const auto& task : reply->cancel()) {
    lock_type lock(mutex_);
    auto found = held_.find({task.task_id(), task.attempt()});
    // What has ended is settled by the answer to its report.
    if (found != held_.end() && !found->second->is_ended) drop(lock, found->second);
  }
  check_done();
}

void worker_session::leave_follower(std::uint64_t link_generation, const error& refusal) {
  if (refusal.code != errc::not_leader) return;
  {
    std::lock_guard lock(mutex_);
    if (!link_session_ || link_session_->generation != link_generation) return;
    link_session_ = nullptr;
    if (status_ == worker_status::active) status_ = worker_status::connecting;
  }
  changed_.notify_all();
  link_->on_not_leader(link_generation, refusal.field);
}

void worker_session::session_ended(lock_type& lock) {
  link_session_ = nullptr;
  if (status_ == worker_status::active) status_ = worker_status::connecting;
  const auto pause = register_pause_;
  register_pause_ = std::min(register_pause_ * 2, register_pause_max);
  lock.unlock();
  register_after(pause);
}

void worker_session::on_push(const caf::message& content) {
  if (content.match_elements<v1::AssignTasks>()) return on_assign(content.get_as<v1::AssignTasks>(0));
  if (content.match_elements<v1::CancelAssignments>()) {
    for (const auto& task : content.get_as<v1::CancelAssignments>(0).tasks()) cancel(task);
    return;
  }
  if (content.match_elements<v1::DrainNotice>()) {
    if (!content.get_as<v1::DrainNotice>(0).undrain()) return;  // the node offers nothing more; the tasks go on
    std::lock_guard lock(mutex_);
    if (!is_drain_requested_ && link_session_) status_ = worker_status::active;
    return;
  }
  if (content.match_elements<v1::SessionEnded>()) {
    const bool is_leaving = [this] {
      std::lock_guard lock(mutex_);
      return is_deregistering_;
    }();
    if (!is_leaving)
      config::logger(component)->warn("the node ended the session of {}: {}", options_.name,
                                      content.get_as<v1::SessionEnded>(0).why());
    lock_type lock(mutex_);
    if (link_session_) session_ended(lock);
  }
}

void worker_session::drain() {
  {
    lock_type lock(mutex_);
    if (is_drain_requested_ || status_ == worker_status::stopped) return;
    is_drain_requested_ = true;
    if (status_ == worker_status::active) status_ = worker_status::draining;
    give_back_waiting(lock, "the worker is draining");
  }
  request_drain();
  send_reports();
  check_done();
}

void worker_session::request_drain() {
  link_session_ptr session;
  v1::DrainWorkerRequest request;
  {
    std::lock_guard lock(mutex_);
    session = link_session_;
    request.set_worker_id(worker_id_);
  }
  if (!session) return;  // asked again after the next registration
  port_->request(session->directory.worker_registry, caf::make_message(std::move(request)),
                 steady_clock::now() + heartbeat_timeout, [](const result<caf::message>&) {});
}

void worker_session::stop() {
  {
    lock_type lock(mutex_);
    if (status_ == worker_status::stopped || status_ == worker_status::idle) return;
    is_drain_requested_ = true;
    give_back_waiting(lock, "the worker is stopping");
    for (const auto& [key, task] : held_) ask_to_stop(task);
    // The handlers are let finish; then whatever could not be reported is given up with the session.
    settled_.wait(lock, [this] {
      return std::none_of(held_.begin(), held_.end(),
                          [](const auto& one) { return one.second->is_started && !one.second->is_ended; });
    });
    if (!link_session_) {
      held_.clear();
      reports_.clear();
      report_bytes_ = 0;
    }
  }
  send_reports();
  check_done();
  if (!wait(goodbye_timeout)) finish();
}

/// Leaves when nothing is held any more and leaving was asked for.
void worker_session::check_done() {
  {
    std::lock_guard lock(mutex_);
    if (!is_drain_requested_ || !held_.empty() || !reports_.empty() || report_messages_ > 0 || is_deregistering_)
      return;
    if (status_ == worker_status::stopped) return;
    is_deregistering_ = true;
  }
  deregister();
}

void worker_session::deregister() {
  link_session_ptr session;
  v1::DeregisterWorkerRequest request;
  {
    std::lock_guard lock(mutex_);
    session = link_session_;
    request.set_worker_id(worker_id_);
    request.set_session(session_);
  }
  if (!session) return finish();
  port_->request(session->directory.worker_registry, caf::make_message(std::move(request)),
                 steady_clock::now() + goodbye_timeout, [weak = weak_from_this()](const result<caf::message>&) {
                   if (auto self = weak.lock()) self->finish();
                 });
}

void worker_session::finish() {
  {
    std::lock_guard lock(mutex_);
    status_ = worker_status::stopped;
    is_stopping_ = true;
    is_deregistering_ = true;
    link_session_ = nullptr;
    for (const auto& [key, task] : held_) ask_to_stop(task);
  }
  work_.notify_all();
  changed_.notify_all();
  settled_.notify_all();
}

bool worker_session::wait(milliseconds timeout) {
  lock_type lock(mutex_);
  return changed_.wait_for(lock, timeout, [this] { return status_ == worker_status::stopped; });
}

bool worker_session::wait_active(milliseconds timeout) {
  lock_type lock(mutex_);
  changed_.wait_for(lock, timeout,
                    [this] { return status_ == worker_status::active || status_ == worker_status::stopped; });
  return status_ == worker_status::active;
}

worker_id worker_session::id() const {
  std::lock_guard lock(mutex_);
  return {worker_id_};
}

worker_status worker_session::status() const {
  std::lock_guard lock(mutex_);
  return status_;
}

std::uint32_t worker_session::running_count() const {
  std::lock_guard lock(mutex_);
  return static_cast<std::uint32_t>(std::count_if(
      held_.begin(), held_.end(), [](const auto& one) { return one.second->is_started && !one.second->is_ended; }));
}

error worker_session::refusal() const {
  std::lock_guard lock(mutex_);
  return refusal_;
}

}  // namespace hive
