#include "apps/executor/process_runner.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include "apps/executor/bounded_output.hpp"
#include "apps/executor/orphans.hpp"
#include "apps/executor/run_folder.hpp"
#include "apps/executor/spawn.hpp"

namespace hive::executor {
namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t read_bytes = 64 << 10;
constexpr int final_reads_max = 32;     // what may still wait in a pipe: 1 MiB, the largest a user may set, twice
constexpr int final_wait_ms_max = 200;  // for the last writers of a killed group to go

using environment = std::vector<std::pair<std::string, std::string>>;

void set_variable(environment& variables, const std::string& name, const std::string& value) {
  const auto same =
      std::find_if(variables.begin(), variables.end(), [&](const auto& entry) { return entry.first == name; });
  if (same == variables.end()) {
    variables.emplace_back(name, value);
  } else {
    same->second = value;
  }
}

environment make_environment(const process_payload& payload, const run_identity& identity, const run_folder& folder) {
  environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  for (const auto& [name, value] : payload.env) set_variable(variables, name, value);
  set_variable(variables, "HIVE_TASK_ID", identity.task_id);
  set_variable(variables, "HIVE_ATTEMPT", identity.attempt);
  set_variable(variables, "HIVE_STEP", identity.step);
  set_variable(variables, "HIVE_RUN_DIR", folder.path());
  set_variable(variables, "HIVE_INPUTS_DIR", folder.inputs());
  set_variable(variables, "HIVE_INPUTS_INDEX", folder.index());
  set_variable(variables, "HIVE_TEMP_DIR", folder.scratch());
  return variables;
}

spawn_request make_request(const process_payload& payload, const run_identity& identity, const run_folder& folder) {
  spawn_request request{payload.argv, make_environment(payload, identity, folder), payload.cwd, payload.stdin_text};
  if (!payload.script.empty()) {
    request.argv = payload.interpreter;
    request.argv.push_back(folder.script());
  }
  return request;
}

/// One of the two output pipes.
struct output_reader {
  output_stream stream;
  unique_fd pipe;
  bounded_output kept;
};

/// The life of one process from its start to the reaping.
class process_run {
 public:
  process_run(const process_payload& payload, const run_options& options, spawned_process process, unique_fd wakeup,
              std::string token)
      : options_(options),
        pid_(process.pid),
        pidfd_(std::move(process.pidfd)),
        wakeup_(std::move(wakeup)),
        token_(std::move(token)),
        outputs_{
            {{output_stream::standard_output, std::move(process.stdout_pipe), bounded_output{payload.output_bytes_max}},
             {output_stream::standard_error, std::move(process.stderr_pipe),
              bounded_output{std::min(payload.output_bytes_max, error_output_bytes_max)}}}} {
    if (payload.time_limit_ms > 0) limit_at_ = started_ + std::chrono::milliseconds{payload.time_limit_ms};
  }
  process_run(const process_run&) = delete;
  process_run& operator=(const process_run&) = delete;

  ~process_run() {
    if (!is_reaped_) reap();  // on_output threw
  }

  process_outcome run() {
    while (!has_ended()) {
      if (wait_for_news()) break;
    }
    // The leader is a zombie still, so its number cannot have become another group's.
    ::kill(-pid_, SIGKILL);
    end_orphans(pid_, token_);
    read_the_rest();
    return finish(reap());
  }

  [[nodiscard]] int wakeup() const { return wakeup_.get(); }

 private:
  bool has_ended() {
    pollfd leader{pidfd_.get(), POLLIN, 0};
    return ::poll(&leader, 1, 0) == 1;
  }

  /// Waits for output, the end, a cancel or a deadline. True: the leader has ended.
  bool wait_for_news() {
    std::array<pollfd, 4> watched = {{{pidfd_.get(), POLLIN, 0},
                                      {is_stopping() ? -1 : wakeup_.get(), POLLIN, 0},
                                      {outputs_[0].pipe.get(), POLLIN, 0},
                                      {outputs_[1].pipe.get(), POLLIN, 0}}};
    ::poll(watched.data(), watched.size(), milliseconds_to_deadline());
    for (std::size_t i = 0; i < outputs_.size(); ++i) {
      if (watched[i + 2].revents != 0) read_once(outputs_[i]);
    }
    if (watched[1].revents != 0) begin_stop(process_ending::canceled);
    check_deadlines();
    return watched[0].revents != 0;
  }

  [[nodiscard]] bool is_stopping() const { return stop_cause_.has_value(); }

  void begin_stop(process_ending cause) {
    if (is_stopping()) return;
    stop_cause_ = cause;
    kill_at_ = clock::now() + options_.kill_grace;
    limit_at_.reset();
    ::kill(-pid_, SIGTERM);
    ::kill(-pid_, SIGCONT);  // a stopped process would not see it
  }

  void check_deadlines() {
    const auto now = clock::now();
    if (limit_at_ && now >= *limit_at_) begin_stop(process_ending::time_limit);
    if (!kill_at_ || now < *kill_at_) return;
    kill_at_.reset();
    ::kill(-pid_, SIGKILL);
  }

  [[nodiscard]] int milliseconds_to_deadline() const {
    const auto& next = kill_at_ ? kill_at_ : limit_at_;
    if (!next) return -1;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
  }

  /// False when there is nothing to read now; closes the pipe at its end.
  bool read_once(output_reader& output) {
    if (!output.pipe.is_open()) return false;
    const ssize_t count = ::read(output.pipe.get(), buffer_.data(), buffer_.size());
    if (count > 0) {
      const std::string_view data{buffer_.data(), static_cast<std::size_t>(count)};
      output.kept.append(data);
      stream(output.stream, data);
      return true;
    }
    const bool is_over = count == 0 || (errno != EAGAIN && errno != EINTR);
    if (is_over) output.pipe.reset();
    return false;
  }

  void stream(output_stream from, std::string_view data) {
    if (!options_.on_output || streamed_bytes_ >= options_.streamed_bytes_max) return;
    const auto left = options_.streamed_bytes_max - streamed_bytes_;
    options_.on_output(from, data.substr(0, left));
    streamed_bytes_ += data.size();
    if (streamed_bytes_ >= options_.streamed_bytes_max) {
      options_.on_output(output_stream::standard_error, "\n[hive: the output goes on, but is not streamed any more]\n");
    }
  }

  void read_the_rest() {
    const auto give_up_at = clock::now() + std::chrono::milliseconds{final_wait_ms_max};
    for (output_reader& output : outputs_) {
      for (int i = 0; i < final_reads_max && output.pipe.is_open(); ++i) {
        if (read_once(output) || !output.pipe.is_open()) continue;
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(give_up_at - clock::now()).count();
        pollfd waiting{output.pipe.get(), POLLIN, 0};
        // A process that left the group may hold the pipe for ever: it is not waited for.
        if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) break;
      }
      output.pipe.reset();
    }
  }

  int reap() {
    ::kill(-pid_, SIGKILL);
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    forget_leader(pid_);
    is_reaped_ = true;
    return status;
  }

  [[nodiscard]] process_outcome finish(int status) const {
    process_outcome outcome;
    outcome.ending = WIFSIGNALED(status) ? process_ending::killed_by_signal : process_ending::exited;
    if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
    if (stop_cause_) outcome.ending = *stop_cause_;
    outcome.stdout_text = outputs_[0].kept.text();
    outcome.stderr_text = outputs_[1].kept.text();
    outcome.stdout_bytes = outputs_[0].kept.bytes_total();
    outcome.stderr_bytes = outputs_[1].kept.bytes_total();
    outcome.is_stdout_truncated = outputs_[0].kept.is_truncated();
    outcome.is_stderr_truncated = outputs_[1].kept.is_truncated();
    outcome.duration_ms = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - started_).count();
    return outcome;
  }

  const run_options& options_;
  pid_t pid_;
  unique_fd pidfd_;
  unique_fd wakeup_;
  std::string token_;
  std::array<output_reader, 2> outputs_;
  std::array<char, read_bytes> buffer_{};
  clock::time_point started_ = clock::now();
  std::optional<clock::time_point> limit_at_;
  std::optional<clock::time_point> kill_at_;
  std::optional<process_ending> stop_cause_;
  std::uint64_t streamed_bytes_ = 0;
  bool is_reaped_ = false;
};

}  // namespace

result<process_outcome> run_process(const process_payload& payload, const run_identity& identity,
                                    const std::vector<step_input>& inputs, const run_options& options) {
  const auto folder = run_folder::create(inputs, payload.script);
  if (!folder) return folder.failure();
  unique_fd wakeup{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!wakeup.is_open())
    return error{errc::unavailable, std::string{"cannot create an event: "} + std::strerror(errno), {}};
  auto process = spawn_leader(make_request(payload, identity, *folder));
  if (!process) return process.failure();

  process_run run{payload, options, std::move(*process), std::move(wakeup), "HIVE_RUN_DIR=" + folder->path()};
  const std::stop_callback on_cancel{options.cancel, [fd = run.wakeup()] {
                                       const std::uint64_t one = 1;
                                       [[maybe_unused]] const ssize_t written = ::write(fd, &one, sizeof one);
                                     }};
  return run.run();
}

}  // namespace hive::executor
