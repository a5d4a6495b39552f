#include "client/worker.hpp"

#include <cerrno>
#include <csignal>

#include <sys/eventfd.h>
#include <unistd.h>

#include "client/text_rules.hpp"
#include "client/types.hpp"
#include "client/worker_session.hpp"

namespace hive {
namespace {

constexpr std::uint32_t slots_max = 4096;
/// How soon a signal is noticed.
constexpr milliseconds signal_slice{50};

int signal_event = -1;  // written by the handler: the one thing that it may do

void on_signal(int) {
  const int saved = errno;
  const std::uint64_t one = 1;
  [[maybe_unused]] auto written = ::write(signal_event, &one, sizeof one);
  errno = saved;
}

/// SIGTERM and SIGINT counted while it lives. A handler and not sigwait, because threads that were
/// started before may have the signals unblocked.
class signal_watch {
 public:
  signal_watch() {
    signal_event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct sigaction action {};
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGTERM, &action, &old_terminate_);
    ::sigaction(SIGINT, &action, &old_interrupt_);
  }
  ~signal_watch() {
    ::sigaction(SIGTERM, &old_terminate_, nullptr);
    ::sigaction(SIGINT, &old_interrupt_, nullptr);
    ::close(signal_event);
    signal_event = -1;
  }
  signal_watch(const signal_watch&) = delete;
  signal_watch& operator=(const signal_watch&) = delete;

  /// How many came since the last call.
  std::uint64_t take() {
    std::uint64_t count = 0;
    return ::read(signal_event, &count, sizeof count) == sizeof count ? count : 0;
  }

 private:
  struct sigaction old_terminate_ {};
  struct sigaction old_interrupt_ {};
};

/// What of the options the node reads as text.
v1::WorkerSpec texts_of(const worker_options& options) {
  v1::WorkerSpec spec;
  spec.set_name(options.name);
  spec.set_role(options.role);
  for (const auto& one : options.capabilities) spec.add_capabilities(one);
  for (const auto& [key, value] : options.labels) *spec.add_labels() = make_label(key, value);
  return spec;
}

}  // namespace

worker::worker(worker_options options) : options_(std::move(options)) {}

worker::~worker() { stop(); }

worker& worker::on(std::string task_type, task_handler handler) {
  handlers_.emplace_back(std::move(task_type), std::move(handler));
  return *this;
}

worker& worker::on_any(task_handler handler) {
  any_handler_ = std::move(handler);
  return *this;
}

result<void> worker::start() {
  if (session_) return error{errc::failed_precondition, "the worker was started already", {}};
  if (options_.name.empty()) return error{errc::invalid_argument, "a worker needs a name", "name"};
  if (options_.prefetch_max > slots_max)
    return error{errc::invalid_argument, "must be 0 to " + std::to_string(slots_max), "prefetch_max"};
  if (options_.slots < 1 || options_.slots > slots_max)
    return error{errc::invalid_argument, "must be 1 to " + std::to_string(slots_max), "slots"};
  if (handlers_.empty() && !any_handler_)
    return error{errc::invalid_argument, "a worker needs at least one handler", "on"};
  v1::WorkerSpec texts = texts_of(options_);
  for (const auto& [type, handler] : handlers_) texts.add_task_types(type);
  if (auto checked = check_texts(texts); !checked) return checked;
  options_.connection.prefer = "leader";  // nobody else gives tasks out
  auto connection = hive::link::open(options_.connection);
  if (!connection) return connection.failure();
  worker_session::handler_table table;
  for (const auto& [type, handler] : handlers_) table[type] = handler;
  session_ = std::make_shared<worker_session>(*connection, options_, std::move(table), any_handler_);
  session_->start();
  return {};
}

result<void> worker::run() {
  std::optional<signal_watch> signals;
  if (options_.install_signal_handling) signals.emplace();
  if (auto started = start(); !started) return started;
  std::uint64_t signals_received = 0;
  std::optional<std::chrono::steady_clock::time_point> give_up;
  while (!session_->wait(signal_slice)) {
    if (signals) signals_received += signals->take();
    if (signals_received > 0) session_->drain();
    // Also without a connection, when a drain does not get far.
    const bool is_leaving = signals_received > 0 || session_->status() == worker_status::draining;
    if (is_leaving && !give_up) give_up = std::chrono::steady_clock::now() + options_.drain_timeout;
    const bool is_late = give_up && std::chrono::steady_clock::now() >= *give_up;
    if (signals_received > 1 || is_late) session_->stop();
  }
  const error refusal = session_->refusal();
  if (refusal.code != errc::none) return refusal;
  return {};
}

void worker::drain() {
  if (session_) session_->drain();
}

void worker::stop() {
  if (session_) session_->stop();
}

bool worker::wait(milliseconds timeout) { return !session_ || session_->wait(timeout); }
bool worker::wait_active(milliseconds timeout) { return session_ && session_->wait_active(timeout); }
worker_id worker::id() const { return session_ ? session_->id() : worker_id{}; }
worker_status worker::status() const { return session_ ? session_->status() : worker_status::idle; }
std::uint32_t worker::running_count() const { return session_ ? session_->running_count() : 0; }

}  // namespace hive
