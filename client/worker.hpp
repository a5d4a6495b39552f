#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "client/types.hpp"
#include "config/config.hpp"

namespace hive {

class worker_session;
struct running_task;

/// What a task brings back.
struct task_output {
  std::string payload;
  std::string content_type = "application/json";
};

/// Why it did not work. A retryable failure is tried again as the task's retry policy says.
struct task_failure {
  std::string message;
  bool is_retryable = true;
  std::string result;  // what there is of it, e.g. an exit code and output
  std::string content_type = "application/json";
};

/// The handler stopped because it was asked to.
struct task_canceled {};

/// The handler did not start the work and gives it back to the queue.
struct task_returned {
  std::string why;
};

/// What a handler answers; built from any of its parts. A hive::error is retryable unless its code says that the
/// same input will fail again (invalid_argument, not_found, already_exists, failed_precondition, permission_denied).
class task_outcome {
 public:
  using variant = std::variant<task_output, task_failure, task_canceled, task_returned>;

  task_outcome(task_output output) : value_(std::move(output)) {}                 // NOLINT(google-explicit-constructor)
  task_outcome(std::string payload) : value_(task_output{std::move(payload)}) {}  // NOLINT(google-explicit-constructor)
  task_outcome(const char* payload) : value_(task_output{payload}) {}             // NOLINT(google-explicit-constructor)
  task_outcome(task_failure failure) : value_(std::move(failure)) {}              // NOLINT(google-explicit-constructor)
  task_outcome(const error& failure);                                             // NOLINT(google-explicit-constructor)
  task_outcome(task_canceled canceled) : value_(canceled) {}                      // NOLINT(google-explicit-constructor)
  task_outcome(task_returned returned) : value_(std::move(returned)) {}           // NOLINT(google-explicit-constructor)

  [[nodiscard]] const variant& value() const { return value_; }
  variant& value() { return value_; }

 private:
  variant value_;
};

/// Thrown by a handler to fail its task. Any other exception is a retryable failure with its what().
class task_error : public std::runtime_error {
 public:
  explicit task_error(const std::string& message, bool is_retryable = true)
      : std::runtime_error(message), is_retryable_(is_retryable) {}
  [[nodiscard]] bool is_retryable() const { return is_retryable_; }

 private:
  bool is_retryable_;
};

/// A handler's view of its task. Valid until the handler returns; its functions may be called from any thread.
class task_context {
 public:
  task_context(worker_session& session, std::shared_ptr<running_task> task);

  [[nodiscard]] task_id id() const;
  [[nodiscard]] hive::attempt attempt() const;
  [[nodiscard]] const v1::TaskSpec& spec() const;
  [[nodiscard]] const std::string& payload() const;
  /// Steps of a plan: the step's name and the results of the steps that it needs.
  [[nodiscard]] const std::string& step_name() const;
  [[nodiscard]] const google::protobuf::RepeatedPtrField<v1::StepInput>& inputs() const;
  /// The result of one needed step; nullptr if there is no such step.
  [[nodiscard]] const v1::StepInput* input(std::string_view step_name) const;

  /// 0..1. The newest one that has not been sent yet wins.
  void progress(double fraction, std::string message = {});
  /// Appends output of the task. Large pieces are split; blocks while much waits to be sent (4 MiB a worker), and is
  /// lost instead once the task is to stop.
  void log(v1::TaskLogChunk::Stream stream, std::string_view bytes);

  /// True once somebody canceled the task, its run time is over, or this worker no longer holds it.
  [[nodiscard]] bool is_canceled() const;
  /// The same for std::stop_callback and std::condition_variable_any. Stop callbacks of all tasks of the process run on
  /// one thread, one after the other: they may call this context, but should not take long.
  [[nodiscard]] std::stop_token cancel_token() const;
  [[nodiscard]] std::optional<std::chrono::system_clock::time_point> deadline() const;

 private:
  worker_session& session_;
  std::shared_ptr<running_task> task_;
};

using task_handler = std::function<task_outcome(task_context&)>;

struct worker_options {
  std::string name;  // required; unique in the cluster: the same name is the same worker
  std::string role;
  std::vector<std::string> capabilities;
  std::vector<std::pair<std::string, std::string>> labels;
  std::uint32_t slots = 1;  // tasks at a time, 1..4096; one thread each
  // Tasks assigned ahead, beyond the slots. The worker asks for as many as it works off in 20 ms, judging by how long
  // its handlers take, so that short tasks need not wait for the node and long ones are never held back: what waits
  // 200 ms in line goes back to the queue. 0..4096; 0: none.
  std::uint32_t prefetch_max = 1'000;
  config::client_config connection;     // endpoint and timeouts; in a cluster the worker goes to the leader
  bool install_signal_handling = true;  // run(): SIGTERM and SIGINT drain, a second one stops
  milliseconds drain_timeout{30'000};   // run() stops what still runs this long after a drain began
};

enum class worker_status { idle, connecting, active, draining, stopped };

/// Executes tasks: registers, takes what the node assigns within its slots, calls the handlers on its own threads,
/// reports, and keeps its tasks over a lost connection and a change of the leader (the node gives it a grace period):
/// handlers run on meanwhile, and what they report is told to the next leader.
///
///   hive::worker worker({.name = "w1", .slots = 4});
///   worker.on("greet", [](hive::task_context& task) { return "\"hello " + task.payload() + "\""; });
///   return worker.run() ? 0 : 1;
class worker {
 public:
  explicit worker(worker_options options);
  /// Stops.
  ~worker();
  worker(const worker&) = delete;
  worker& operator=(const worker&) = delete;

  /// Before start(). A type that nobody handles is given back to the queue.
  worker& on(std::string task_type, task_handler handler);
  /// Takes every type that has no handler of its own; the worker then registers for any type.
  worker& on_any(task_handler handler);

  /// Begins to connect and work; does not wait. invalid_argument names the option.
  result<void> start();
  /// start(), then blocks until drained or stopped. Fails if the node refuses the worker for good.
  result<void> run();

  /// Takes nothing new, finishes what runs, deregisters. Returns at once; wait() tells when it is done.
  void drain();
  /// Cancels what runs, waits for the handlers, deregisters (the tasks are queued again).
  void stop();
  /// True when drained or stopped within `timeout`.
  bool wait(milliseconds timeout);

  /// True once registered, within `timeout`.
  bool wait_active(milliseconds timeout);
  [[nodiscard]] worker_id id() const;  // not set before the first registration
  [[nodiscard]] worker_status status() const;
  [[nodiscard]] std::uint32_t running_count() const;

 private:
  worker_options options_;
  std::vector<std::pair<std::string, task_handler>> handlers_;
  task_handler any_handler_;
  std::shared_ptr<worker_session> session_;
};

}  // namespace hive
