#pragma once

#include <cstdint>

namespace hive::core {

/// Limits and defaults that the rules use. They are part of the deterministic input: the command SetLimits puts them
/// into the state, so that all nodes of a cluster use the same ones (core/limit_rules.hpp).
struct core_limits {
  std::uint64_t payload_bytes_max = 1 << 20;  // payload and result of a task
  std::uint32_t title_bytes_max = 256;
  std::uint32_t name_bytes_max = 128;  // types, step and worker names, capabilities, idempotency keys
  std::uint32_t label_value_bytes_max = 256;
  std::uint32_t capabilities_max = 32;  // of a task
  std::uint32_t worker_capabilities_max = 256;
  std::uint32_t labels_max = 32;
  std::uint32_t reason_text_bytes_max = 4096;       // longer texts are cut, not refused
  std::uint32_t progress_message_bytes_max = 1024;  // cut
  std::uint32_t slots_max = 4096;
  std::uint32_t signatures_max = 10000;
  std::uint32_t workers_max = 100000;
  std::uint32_t attempts_max = 1000;
  std::uint64_t log_bytes_max = 1 << 20;  // of a task; what is over is dropped and marked
  std::uint32_t log_chunk_bytes_max = 64 << 10;
  std::uint32_t event_data_bytes_max = 64 << 10;
  std::uint32_t plan_steps_max = 1000000;
  std::uint32_t step_needs_max = 100000;
  std::uint64_t plan_edges_max = 10'000'000;  // needs of all steps of a plan together
  std::uint32_t sweep_steps_max = 2000;       // steps that one tick looks at for one plan
  std::uint32_t release_steps_max = 2000;     // dependents that one command releases; the rest follow by ticks
  std::uint32_t purge_batch_max = 500;        // tasks or events purged by one tick
  std::uint32_t poison_workers_lost = 3;      // workers lost in a row before a task fails as poison
  std::int64_t cancel_grace_ms = 10'000;
  std::int64_t return_backoff_ms = 1'000;  // a task that its worker gave back waits so long before it is offered again
  std::int64_t retention_ms = 7LL * 24 * 3600 * 1000;  // of final tasks and plans, and of workers that have ended
  std::int64_t event_retention_ms = 7LL * 24 * 3600 * 1000;
  std::uint64_t events_max = 100'000'000;  // the oldest beyond this are purged
  std::int64_t plan_upload_ms = 600'000;   // a staged plan lives this long
  // Defaults of RetryPolicy.
  std::uint32_t retry_attempts = 3;
  std::int64_t backoff_initial_ms = 1'000;
  std::uint32_t backoff_multiplier_permille = 2'000;
  std::int64_t backoff_max_ms = 60'000;

  friend bool operator==(const core_limits&, const core_limits&) = default;
};

}  // namespace hive::core
