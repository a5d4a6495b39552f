#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "apps/executor/process_outcome.hpp"

namespace hive::executor {

enum class output_stream { standard_output, standard_error };

/// Which task this is; the process reads it from its environment.
struct run_identity {
  std::string task_id;  // HIVE_TASK_ID
  std::string attempt;  // HIVE_ATTEMPT
  std::string step;     // HIVE_STEP; empty for a task that is no step
};

struct run_options {
  /// Cancels: SIGTERM to the process group, SIGKILL after `kill_grace`.
  std::stop_token cancel;
  std::chrono::milliseconds kill_grace{5'000};
  /// Output as it arrives, in pieces of at most 64 KiB. While it blocks nothing is read, so a slow consumer slows the
  /// process; it must not block for ever. Null: none.
  std::function<void(output_stream, std::string_view)> on_output;
  /// on_output gets no more than this of a run; a note ends it.
  std::uint64_t streamed_bytes_max = 8 << 20;
};

/// Runs a process to its end and cleans up: its process group is killed as soon as its leader has ended (what it left
/// in the background too), inputs and temporary files are removed. Blocks; one thread a process. The environment is the
/// worker's, then the payload's, then HIVE_TASK_ID, HIVE_ATTEMPT, HIVE_STEP, HIVE_RUN_DIR, HIVE_INPUTS_DIR,
/// HIVE_INPUTS_INDEX and HIVE_TEMP_DIR. Errors: not_found (no such program or folder), unavailable (the system is out
/// of something).
result<process_outcome> run_process(const process_payload& payload, const run_identity& identity,
                                    const std::vector<step_input>& inputs, const run_options& options);

}  // namespace hive::executor
