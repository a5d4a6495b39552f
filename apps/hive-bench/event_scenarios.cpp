#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <thread>
#include <vector>

#include "apps/hive-bench/background.hpp"
#include "apps/hive-bench/load.hpp"
#include "apps/hive-bench/open_loop.hpp"
#include "apps/hive-bench/plan_documents.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto tick_event = "bench.tick";
constexpr auto delivery_patience = 60s;

// Publishes `count` events at the rate; their data is when they were meant to be published.
void publish_ticks(client& connection, std::uint64_t count, double rate) {
  constexpr std::size_t open_events_max = 1'000;
  ::prctl(PR_SET_TIMERSLACK, 1);
  const open_loop_schedule schedule{monotonic_ns(), rate};
  std::deque<std::future<result<event_seq>>> calls;
  for (std::uint64_t index = 0; index < count; ++index) {
    const auto intended = schedule.intended_ns(index);
    if (const auto ahead = intended - monotonic_ns(); ahead > 0)
      std::this_thread::sleep_for(std::chrono::nanoseconds{ahead});
    v1::TaskEvent event;
    event.set_name(tick_event);
    event.set_data(std::to_string(intended));
    calls.push_back(connection.async().publish(std::move(event)));
    if (calls.size() >= open_events_max) {
      take(calls.front().get());
      calls.pop_front();
    }
  }
  for (auto& call : calls) take(call.get());
}

}  // namespace

// Dispatch latency alone, then while every subscriber gets every event.
figures run_fanout(const bench_options& options, const progress& tell) {
  bench_cluster cluster{options};
  cluster.start_workers(options.workers, options.slots);
  const auto connection = cluster.connect();
  const auto publisher = cluster.connect();
  const auto dispatch_for = [&](const std::function<bool()>& is_over) {
    return measure_dispatch(*connection, options.payload_bytes, [&](std::uint64_t) { return is_over(); });
  };
  measure_dispatch(*connection, options.payload_bytes, [&](std::uint64_t done) { return done >= options.warm_up; });
  figures taken;
  const double window = static_cast<double>(options.count) / options.rate;
  const auto alone_start = steady_clock::now();
  add_latencies(taken, "fanout_alone_dispatch_latency",
                dispatch_for([&] { return seconds_since(alone_start) >= window; }));

  cluster.start_subscribers(options.subscribers, options.processes, tick_event);
  const auto start = steady_clock::now();
  const double cpu_before = cluster.server_cpu_seconds();
  background publishing{[&] { publish_ticks(*publisher, options.count, options.rate); }};
  const auto expected = options.count * options.subscribers;
  add_latencies(taken, "fanout_dispatch_latency", dispatch_for([&] {
                  tell(cluster.delivered_count(), expected);
                  return publishing.is_over();
                }));
  publishing.finish();
  if (!poll_until([&] { return cluster.delivered_count() >= expected; }, delivery_patience))
    throw std::runtime_error("only " + std::to_string(cluster.delivered_count()) + " of " + std::to_string(expected) +
                             " deliveries came");
  const double took = seconds_since(start);
  tell(expected, expected);
  taken["fanout_deliveries_per_second"] = static_cast<double>(expected) / took;
  taken["fanout_deliveries_count"] = static_cast<double>(expected);
  taken["fanout_duration_seconds"] = took;
  if (options.endpoint.empty())
    taken["fanout_server_cpu_percent"] = (cluster.server_cpu_seconds() - cpu_before) / took * 100;
  add_latencies(taken, "fanout_delivery_latency", cluster.stop_subscribers());
  taken["fanout_dispatch_p50_ratio"] =
      taken["fanout_dispatch_latency_p50_us"] / taken["fanout_alone_dispatch_latency_p50_us"];
  taken["fanout_dispatch_p99_ratio"] =
      taken["fanout_dispatch_latency_p99_us"] / taken["fanout_alone_dispatch_latency_p99_us"];
  return taken;
}

// Tasks at a rate, plans one after another, subscribers to all ends of tasks, and a reader, all at once.
figures run_mixed(const bench_options& options, const progress& tell) {
  constexpr std::uint64_t plan_steps = 1'000;
  bench_cluster cluster{options};
  cluster.start_workers(options.workers, options.slots);
  cluster.start_subscribers(options.subscribers, options.processes, "task.completed");
  const auto planner = cluster.connect();
  const auto reader = cluster.connect();
  const auto start = steady_clock::now();
  const auto is_over = [&] { return seconds_since(start) >= options.duration_seconds; };
  std::atomic<std::uint64_t> plans{0};
  background planning{[&] {
    while (!is_over()) {
      const auto document = random_document(plans + 1, plan_steps, 10, options.needs);
      const auto made = take(planner->submit_plan(document));
      take(planner->wait_plan(plan_id{made.plan_id()}, end_patience));
      ++plans;
    }
  }};
  latency_histogram reads;
  background reading{[&] {
    while (!is_over()) {
      const auto begun = monotonic_ns();
      take(reader->get_tasks_by_status(v1::TASK_STATE_COMPLETED, {.limit = 100, .token = {}, .newest_first = true}));
      reads.add(monotonic_ns() - begun);
      std::this_thread::sleep_for(10ms);
    }
  }};
  const auto done = run_load(cluster, options, 0, true, tell);
  reading.finish();
  planning.finish();
  const double took = seconds_since(start);
  figures taken{{"mixed_tasks_per_second", done.tasks_per_second()},
                {"mixed_plan_steps_per_second", static_cast<double>(plans * plan_steps) / took},
                {"mixed_reads_per_second", static_cast<double>(reads.count()) / took},
                {"mixed_deliveries_per_second", static_cast<double>(cluster.delivered_count()) / took},
                {"mixed_duration_seconds", took}};
  add_latencies(taken, "mixed_read_latency", reads);
  cluster.stop_workers();
  add_latencies(taken, "mixed_dispatch_latency", cluster.take_dispatch_latencies());
  return taken;
}

}  // namespace hive::bench
