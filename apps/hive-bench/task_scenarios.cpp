#include <algorithm>

#include "apps/hive-bench/load.hpp"

namespace hive::bench {

using std::chrono::steady_clock;

namespace {

std::uint64_t measured_count(const bench_options& options) { return options.duration_seconds > 0 ? 0 : options.count; }

}  // namespace

// Create, lease and complete through the ordinary one-call-a-task API with many calls in flight.
figures run_lifecycle(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  cluster.start_workers(options.workers, options.slots);
  if (options.warm_up > 0) run_load(cluster, options, options.warm_up, false, tell);
  const auto done = run_load(cluster, options, measured_count(options), true, tell);
  figures taken{{"lifecycle_tasks_per_second", done.tasks_per_second()},
                {"lifecycle_create_tasks_per_second", static_cast<double>(done.tasks) / done.create_seconds},
                {"lifecycle_tasks_count", static_cast<double>(done.tasks)},
                {"lifecycle_duration_seconds", done.seconds}};
  cluster.stop_workers();
  add_latencies(taken, "lifecycle_dispatch_latency", cluster.take_dispatch_latencies());
  return taken;
}

figures run_create(const bench_options& options, const progress& tell) {
  figures taken;
  bench_cluster cluster{options};
  if (options.warm_up > 0) create_in_batches(cluster, options, "noop", options.warm_up, tell);
  const auto memory_before = cluster.server_memory_bytes();
  const auto start = steady_clock::now();
  create_in_batches(cluster, options, "noop", options.count, tell);
  taken["create_batched_tasks_per_second"] = static_cast<double>(options.count) / seconds_since(start);
  const auto memory_after = cluster.server_memory_bytes();
  if (memory_after > memory_before) {
    taken["server_bytes_per_task"] =
        static_cast<double>(memory_after - memory_before) / static_cast<double>(options.count);
  }
  const auto connection = cluster.connect(options.is_coalescing);
  const std::uint64_t singles = std::clamp<std::uint64_t>(options.count / 100, 100, 100'000);
  latency_histogram latencies;
  const auto single_start = steady_clock::now();
  for (std::uint64_t index = 0; index < singles; ++index) {
    const auto begun = monotonic_ns();
    take(connection->create_task(task_of("noop", {}, options.payload_bytes)));
    latencies.add(monotonic_ns() - begun);
    if (index % 100 == 0) tell(index, singles);
  }
  taken["create_single_tasks_per_second"] = static_cast<double>(singles) / seconds_since(single_start);
  add_latencies(taken, "create_single_latency", latencies);
  return taken;
}

// Without a rate the system is idle: one task at a time. With one: open loop.
figures run_dispatch(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  cluster.start_workers(options.workers, options.slots);
  figures taken;
  if (options.rate > 0) {
    if (options.warm_up > 0) run_load(cluster, options, options.warm_up, false, tell);
    const auto done = run_load(cluster, options, measured_count(options), true, tell);
    cluster.stop_workers();
    add_latencies(taken, "dispatch_latency", cluster.take_dispatch_latencies());
    taken["dispatch_tasks_per_second"] = done.tasks_per_second();
    return taken;
  }
  const auto connection = cluster.connect(options.is_coalescing);
  measure_dispatch(*connection, options.payload_bytes, [&](std::uint64_t done) { return done >= options.warm_up; });
  const auto start = steady_clock::now();
  const auto samples = measure_dispatch(*connection, options.payload_bytes, [&](std::uint64_t done) {
    if (done % 50 == 0) tell(done, measured_count(options));
    return options.duration_seconds > 0 ? seconds_since(start) >= options.duration_seconds : done >= options.count;
  });
  add_latencies(taken, "dispatch_latency", samples);
  return taken;
}

}  // namespace hive::bench
