#pragma once

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

#include "apps/hive-bench/bench_cluster.hpp"
#include "apps/hive-bench/scenarios.hpp"

namespace hive::bench {

inline constexpr std::chrono::seconds end_patience{3600};

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The answer, or its failure as std::runtime_error.
template <class T>
T take(result<T> answer) {
  if (!answer) throw std::runtime_error(to_string(answer.failure()));
  return std::move(*answer);
}

/// A task with a payload of so many bytes (at least its text): `text`, filled up with blanks.
v1::TaskSpec task_of(const std::string& type, const std::string& text, unsigned payload_bytes);

/// Tasks of this type in this state.
std::uint64_t count_in_state(client& connection, const std::string& type, v1::TaskState state);

/// What one phase of a lifecycle load did.
struct load_result {
  std::uint64_t tasks = 0;
  double create_seconds = 0;  // until the last create was answered
  double seconds = 0;         // until the last task had completed
  [[nodiscard]] double tasks_per_second() const { return static_cast<double>(tasks) / seconds; }
};

/// One phase: creates tasks, one call each, and waits until all have completed. Closed loop: options.in_flight calls at
/// a time, type "noop". Open loop (options.rate): type "record", whose latency counts from the intended start, or
/// from nothing if `is_recorded` is false. As many as `count`, or for options.duration_seconds if `count` is 0.
load_result run_load(const bench_cluster& cluster, const bench_options& options, std::uint64_t count, bool is_recorded,
                     const progress& tell);

/// Creates `count` tasks of this type in batches, options.clients threads, eight batches at a time each.
void create_in_batches(const bench_cluster& cluster, const bench_options& options, const std::string& type,
                       std::uint64_t count, const progress& tell);

/// One task at a time, until `is_over` says so: from before the create call to the handler's first line. Needs a
/// worker.
latency_histogram measure_dispatch(client& connection, unsigned payload_bytes,
                                   const std::function<bool(std::uint64_t done)>& is_over);

}  // namespace hive::bench
