#include "apps/hive-bench/scenarios.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <stdexcept>
#include <thread>

namespace hive::bench {
namespace {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;

constexpr auto end_patience = 600s;

double seconds_since(clock::time_point start) { return std::chrono::duration<double>(clock::now() - start).count(); }

template <class T>
T take(result<T> answer) {
  if (!answer) throw std::runtime_error(to_string(answer.failure()));
  return std::move(*answer);
}

v1::TaskSpec noop(const bench_options& options) {
  auto spec = make_task("noop", std::string(options.payload_bytes, 'x'), "noop");
  spec.set_content_type("text/plain");
  return spec;
}

std::uint64_t completed_count(client& connection) {
  std::uint64_t completed = 0;
  const auto status = take(connection.status());
  for (const auto& counts : status.tasks()) {
    if (counts.by_state_size() > v1::TASK_STATE_COMPLETED) completed += counts.by_state(v1::TASK_STATE_COMPLETED);
  }
  return completed;
}

// Waits until so many tasks have completed since `before`.
void wait_completed(client& connection, std::uint64_t before, std::uint64_t count, const progress& tell) {
  const auto deadline = clock::now() + end_patience;
  for (;;) {
    const auto done = completed_count(connection) - before;
    tell(done, count);
    if (done >= count) return;
    if (clock::now() > deadline) throw std::runtime_error("the tasks did not complete in time");
    std::this_thread::sleep_for(10ms);  // asking costs the node time too
  }
}

// Create, lease and complete through the ordinary one-call-a-task API with many calls in flight.
figures run_lifecycle(const bench_options& options, const progress& tell) {
  const std::uint64_t count = options.count != 0 ? options.count : 100'000;
  bench_node node{options.endpoint, options.folder};
  node.start_workers(options.workers, options.slots);
  const auto connection = node.connect(options.is_coalescing);
  const auto before = completed_count(*connection);
  const auto start = clock::now();
  std::deque<std::future<result<task_change>>> calls;
  constexpr std::size_t window = 5'000;
  for (std::uint64_t index = 0; index < count; ++index) {
    if (calls.size() >= window) {
      take(calls.front().get());
      calls.pop_front();
      if (index % 1'000 == 0) tell(index, count);
    }
    calls.push_back(connection->async().create_task(noop(options)));
  }
  for (auto& call : calls) take(call.get());
  const double created = seconds_since(start);
  wait_completed(*connection, before, count, tell);
  const double took = seconds_since(start);
  return {{"lifecycle_tasks_per_second", static_cast<double>(count) / took},
          {"lifecycle_create_tasks_per_second", static_cast<double>(count) / created},
          {"lifecycle_duration_seconds", took}};
}

figures run_create(const bench_options& options, const progress& tell) {
  const std::uint64_t count = options.count != 0 ? options.count : 200'000;
  figures taken;
  bench_node node{options.endpoint, options.folder};
  const auto connection = node.connect(options.is_coalescing);
  const auto memory_before = node.server_memory_bytes();
  const auto start = clock::now();
  std::deque<std::future<result<std::vector<result<task_change>>>>> calls;
  constexpr std::size_t batches_in_flight = 8;
  std::uint64_t sent = 0;
  while (sent < count) {
    if (calls.size() >= batches_in_flight) {
      for (auto& item : take(calls.front().get())) take(std::move(item));
      calls.pop_front();
      tell(sent, count);
    }
    const auto size = std::min<std::uint64_t>(options.batch, count - sent);
    calls.push_back(connection->async().create_tasks(std::vector<v1::TaskSpec>(size, noop(options))));
    sent += size;
  }
  for (auto& call : calls) {
    for (auto& item : take(call.get())) take(std::move(item));
  }
  taken["create_batched_tasks_per_second"] = static_cast<double>(count) / seconds_since(start);
  const auto memory_after = node.server_memory_bytes();
  if (memory_after > memory_before) {
    taken["server_bytes_per_task"] = static_cast<double>(memory_after - memory_before) / static_cast<double>(count);
  }
  const std::uint64_t singles = std::max<std::uint64_t>(count / 100, 500);
  std::vector<std::int64_t> latencies;
  const auto single_start = clock::now();
  for (std::uint64_t index = 0; index < singles; ++index) {
    const auto begun = monotonic_ns();
    take(connection->create_task(noop(options)));
    latencies.push_back(monotonic_ns() - begun);
  }
  taken["create_single_tasks_per_second"] = static_cast<double>(singles) / seconds_since(single_start);
  add_latencies(taken, "create_single_latency", std::move(latencies));
  return taken;
}

// Idle system, one task at a time: from before the create call to the handler's first line.
figures run_dispatch(const bench_options& options, const progress& tell) {
  const std::uint64_t count = options.count != 0 ? options.count : 2'000;
  bench_node node{options.endpoint, options.folder};
  node.start_workers(options.workers, options.slots);
  const auto connection = node.connect(options.is_coalescing);
  std::vector<std::int64_t> latencies;
  constexpr std::uint64_t warm_up = 100;
  for (std::uint64_t index = 0; index < count + warm_up; ++index) {
    const auto created = take(connection->create_task(make_task("stamp", std::to_string(monotonic_ns()), "stamp")));
    const auto task = take(connection->wait_task(created.id, 10s));
    if (task.status().state() != v1::TASK_STATE_COMPLETED) throw std::runtime_error("a task did not complete");
    if (index >= warm_up) latencies.push_back(std::stoll(task.result().payload()));
    if (index % 50 == 0) tell(index, count + warm_up);
  }
  figures taken;
  add_latencies(taken, "dispatch_latency", std::move(latencies));
  return taken;
}

figures run_plan(const bench_options& options, v1::PlanDocument document, const std::string& name,
                 const progress& tell) {
  bench_node node{options.endpoint, options.folder};
  node.start_workers(options.workers, options.slots);
  const auto connection = node.connect(options.is_coalescing);
  const auto steps = static_cast<double>(document.steps_size());
  const auto start = clock::now();
  const auto plan = take(connection->submit_plan(std::move(document)));
  const double submitted = seconds_since(start);
  const auto ended = take(connection->wait_plan(plan_id{plan.plan_id()}, end_patience));
  const double took = seconds_since(start);
  tell(plan.step_count(), plan.step_count());
  if (ended.status().state() != v1::PLAN_STATE_COMPLETED) throw std::runtime_error("the plan did not complete");
  return {{name + "_steps_per_second", steps / took},
          {name + "_ms_per_step", took * 1e3 / steps},
          {name + "_submit_seconds", submitted},
          {name + "_duration_seconds", took}};
}

figures run_forkjoin(const bench_options& options, const progress& tell) {
  const std::uint64_t width = options.count != 0 ? options.count : 10'000;
  v1::PlanDocument document;
  document.set_name("fork-join");
  add_step(document, "fork", {}, make_task("noop"));
  std::vector<std::string> middle;
  for (std::uint64_t index = 0; index < width; ++index) {
    middle.push_back("step-" + std::to_string(index));
    add_step(document, middle.back(), {"fork"}, make_task("noop"));
  }
  add_step(document, "join", middle, make_task("noop"));
  return run_plan(options, std::move(document), "plan_forkjoin", tell);
}

figures run_chain(const bench_options& options, const progress& tell) {
  const std::uint64_t length = options.count != 0 ? options.count : 1'000;
  v1::PlanDocument document;
  document.set_name("chain");
  for (std::uint64_t index = 0; index < length; ++index) {
    std::vector<std::string> needs;
    if (index > 0) needs.push_back("step-" + std::to_string(index - 1));
    add_step(document, "step-" + std::to_string(index), std::move(needs), make_task("noop"));
  }
  return run_plan(options, std::move(document), "plan_chain", tell);
}

}  // namespace

void add_latencies(figures& into, const std::string& name, std::vector<std::int64_t> samples_ns) {
  if (samples_ns.empty()) return;
  std::sort(samples_ns.begin(), samples_ns.end());
  const auto at = [&](double share) {
    const auto index = static_cast<std::size_t>(share * static_cast<double>(samples_ns.size() - 1));
    return static_cast<double>(samples_ns[index]) / 1e3;
  };
  into[name + "_p50_us"] = at(0.5);
  into[name + "_p90_us"] = at(0.9);
  into[name + "_p99_us"] = at(0.99);
  into[name + "_max_us"] = at(1.0);
}

const std::vector<scenario>& scenarios() {
  static const std::vector<scenario> all{
      {"lifecycle", "create, lease and complete no-op tasks, one call a task, many in flight", run_lifecycle},
      {"create", "create tasks in batches, then one at a time, without workers", run_create},
      {"dispatch-latency", "idle system: from the create call to the handler, one task at a time", run_dispatch},
      {"plan-forkjoin", "a plan of N parallel steps between a fork and a join", run_forkjoin},
      {"plan-chain", "a plan of N steps, each needing the one before", run_chain},
  };
  return all;
}

}  // namespace hive::bench
