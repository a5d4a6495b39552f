#pragma once

#include <cstdint>
#include <string>

#include "apps/executor/process_payload.hpp"
#include "apps/executor/run_folder.hpp"

namespace hive::executor {

/// Content type of a process task's result; steps that need it get its raw standard output.
constexpr const char* process_result_type = "application/vnd.hive.process-result+json";

enum class process_ending { exited, killed_by_signal, time_limit, canceled };

/// How a process ended.
struct process_outcome {
  process_ending ending = process_ending::exited;
  int exit_code = -1;  // -1: it did not exit by itself
  int signal = 0;      // 0: it did exit by itself
  std::string stdout_text;
  std::string stderr_text;
  std::uint64_t stdout_bytes = 0;  // all that it wrote, kept or not
  std::uint64_t stderr_bytes = 0;
  bool is_stdout_truncated = false;
  bool is_stderr_truncated = false;
  std::int64_t duration_ms = 0;
};

/// The result of the task: {"exit_code", "signal", "stdout", "stderr", "truncated", "stdout_truncated", "stdout_bytes",
/// "stderr_bytes", "duration_ms"}. Output that is not UTF-8, or that JSON would blow up, stands in "stdout_base64"
/// instead.
std::string to_json(const process_outcome& outcome);

[[nodiscard]] bool is_success(const process_outcome& outcome);

/// Whether another try may help: signals and time limits yes; exit codes as payload.retry_exit_codes says, by default
/// all but those that mean a wrong call (64 to 78 of sysexits.h without 75, "try again"; 126 and 127: cannot be run).
[[nodiscard]] bool is_retryable(const process_outcome& outcome, const process_payload& payload);

/// One line for a person: "exit code 3: <last line of stderr>".
std::string describe_failure(const process_outcome& outcome, const process_payload& payload);

/// What a step gets of the result of a step that it needs: the raw standard output of a process, else the bytes.
step_input make_input(const std::string& step_name, const std::string& bytes, const std::string& content_type);

}  // namespace hive::executor
