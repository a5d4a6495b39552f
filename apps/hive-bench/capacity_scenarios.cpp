#include <algorithm>
#include <cmath>

#include "apps/hive-bench/load.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr std::uint64_t probe_tasks = 50'000;
constexpr std::uint64_t probe_dispatches = 1'000;

// The lifecycle rate and the dispatch latency of the node as it is now.
void probe(bench_cluster& cluster, const bench_options& options, const std::string& name, figures& taken,
           const progress& tell) {
  // A small run gets small probes.
  const auto tasks = std::min(probe_tasks, options.count);
  const auto dispatches = std::min(probe_dispatches, options.count);
  cluster.start_workers(options.workers, options.slots);
  run_load(cluster, options, std::max<std::uint64_t>(tasks / 10, 1), false, tell);
  taken[name + "_lifecycle_tasks_per_second"] = run_load(cluster, options, tasks, false, tell).tasks_per_second();
  const auto connection = cluster.connect(options.is_coalescing);
  const auto samples = measure_dispatch(*connection, options.payload_bytes, [&](std::uint64_t done) {
    tell(done, dispatches);
    return done >= dispatches;
  });
  add_latencies(taken, name + "_dispatch_latency", samples);
  cluster.stop_workers();
}

// Pages in use, of all nodes together.
std::uint64_t storage_bytes(const bench_cluster& cluster) {
  const auto connection = cluster.connect();
  if (cluster.size() < 2) return take(connection->status()).storage_used_bytes();
  cluster.wait_caught_up(*connection);
  std::uint64_t sum = 0;
  for (std::size_t index = 0; index < cluster.size(); ++index)
    sum += take(cluster.connect_to(index)->status()).storage_used_bytes();
  return sum;
}

// Waits out the window; CPU time that `spent` grew by, in percent of one core.
double cpu_percent(const std::function<double()>& spent, double window_seconds, const progress& tell) {
  const auto start = steady_clock::now();
  const double before = spent();
  poll_until(
      [&] {
        tell(static_cast<std::uint64_t>(seconds_since(start)), static_cast<std::uint64_t>(std::ceil(window_seconds)));
        return seconds_since(start) >= window_seconds;
      },
      std::chrono::milliseconds{static_cast<std::int64_t>(window_seconds * 1e3) + 1'000});
  return (spent() - before) / seconds_since(start) * 100;
}

// Seconds until the node has told a client how many tasks it holds.
double measure_restart(bench_cluster& cluster, std::uint64_t queued) {
  const auto start = steady_clock::now();
  cluster.node(0).start();
  const auto connection = cluster.connect();
  const auto found = count_in_state(*connection, "parked", v1::TASK_STATE_QUEUED);
  const double took = seconds_since(start);
  if (found != queued)
    throw std::runtime_error("the node holds " + std::to_string(found) + " queued tasks, not " +
                             std::to_string(queued));
  return took;
}

}  // namespace

// What so many queued tasks of a type that no worker takes cost the others.
figures run_backlog(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  figures taken;
  probe(cluster, options, "backlog_empty", taken, tell);
  const auto memory_before = cluster.server_memory_bytes();
  const auto storage_before = storage_bytes(cluster);
  const auto disk_before = cluster.disk_bytes();
  const auto start = steady_clock::now();
  create_in_batches(cluster, options, "parked", options.count, tell);
  const auto count = static_cast<double>(options.count);
  taken["backlog_create_tasks_per_second"] = count / seconds_since(start);
  const auto grown = [&](std::uint64_t now, std::uint64_t before) {
    return (static_cast<double>(now) - static_cast<double>(before)) / count;
  };
  taken["backlog_storage_bytes_per_task"] = grown(storage_bytes(cluster), storage_before);
  if (options.endpoint.empty()) {
    taken["server_bytes_per_task"] = grown(cluster.server_memory_bytes(), memory_before);
    taken["disk_bytes_per_task"] = grown(cluster.disk_bytes(), disk_before);
  }
  probe(cluster, options, "backlog_full", taken, tell);
  taken["backlog_lifecycle_ratio"] =
      taken["backlog_full_lifecycle_tasks_per_second"] / taken["backlog_empty_lifecycle_tasks_per_second"];
  taken["backlog_dispatch_p50_ratio"] =
      taken["backlog_full_dispatch_latency_p50_us"] / taken["backlog_empty_dispatch_latency_p50_us"];
  return taken;
}

// What the node spends on workers that have nothing to do.
figures run_workers(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  figures taken;
  constexpr auto settle_seconds = 2.0;
  const auto server = [&] { return cluster.server_cpu_seconds(); };
  taken["idle_server_cpu_percent"] = cpu_percent(server, options.duration_seconds, tell);
  const auto memory_before = cluster.server_memory_bytes();
  const auto start = steady_clock::now();
  cluster.start_workers(options.workers, options.slots, options.processes);
  taken["workers_start_seconds"] = seconds_since(start);
  cpu_percent(server, std::min(settle_seconds, options.duration_seconds), tell);
  const double processes_before = cluster.workers_cpu_seconds();
  const auto window_start = steady_clock::now();
  taken["workers_server_cpu_percent"] = cpu_percent(server, options.duration_seconds, tell);
  taken["workers_processes_cpu_percent"] =
      (cluster.workers_cpu_seconds() - processes_before) / seconds_since(window_start) * 100;
  const auto memory = static_cast<double>(cluster.server_memory_bytes()) - static_cast<double>(memory_before);
  taken["server_bytes_per_worker"] = memory / options.workers;
  const auto active = take(cluster.connect()->status()).workers_active();
  if (active != options.workers)
    throw std::runtime_error("of the workers only " + std::to_string(active) + " stayed active");
  return taken;
}

// The same data after an orderly stop, and after a kill.
figures run_restart(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  create_in_batches(cluster, options, "parked", options.count, tell);
  figures taken;
  const auto stop_start = steady_clock::now();
  cluster.node(0).stop();
  taken["restart_stop_seconds"] = seconds_since(stop_start);
  taken["restart_seconds"] = measure_restart(cluster, options.count);
  cluster.node(0).kill();
  taken["restart_after_kill_seconds"] = measure_restart(cluster, options.count);
  taken["restart_server_bytes_per_task"] =
      static_cast<double>(cluster.server_memory_bytes()) / static_cast<double>(options.count);
  return taken;
}

}  // namespace hive::bench
