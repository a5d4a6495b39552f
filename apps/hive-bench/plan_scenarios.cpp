#include <chrono>
#include <vector>

#include "apps/hive-bench/load.hpp"
#include "apps/hive-bench/plan_documents.hpp"

namespace hive::bench {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

// How far a plan was, and when.
struct plan_point {
  double seconds;
  double steps_final;
};

// Seconds when so many steps were final, between the two looks around that.
double seconds_at(const std::vector<plan_point>& seen, double steps) {
  for (std::size_t i = 1; i < seen.size(); ++i) {
    if (seen[i].steps_final < steps) continue;
    const double share = (steps - seen[i - 1].steps_final) / (seen[i].steps_final - seen[i - 1].steps_final);
    return seen[i - 1].seconds + share * (seen[i].seconds - seen[i - 1].seconds);
  }
  return seen.back().seconds;
}

figures run_plan(const bench_options& options, v1::PlanDocument document, const std::string& name,
                 const progress& tell) {
  constexpr auto look_interval = 50ms;
  bench_cluster cluster{options};
  cluster.start_workers(options.workers, options.slots);
  const auto connection = cluster.connect();
  const auto steps = static_cast<double>(document.steps_size());
  const auto memory_before = cluster.server_memory_bytes();
  auto memory_max = memory_before;
  const auto start = steady_clock::now();
  const auto plan = take(connection->submit_plan(std::move(document)));
  const double submitted = seconds_since(start);
  const plan_id id{plan.plan_id()};
  auto ended = connection->async().wait_plan(id, end_patience);
  std::vector<plan_point> seen{{submitted, 0}};
  while (ended.wait_for(look_interval) != std::future_status::ready) {
    const auto now = take(connection->get_execution_plan_status(id, false)).plan().status().steps_final();
    if (now > seen.back().steps_final) seen.push_back({seconds_since(start), static_cast<double>(now)});
    memory_max = std::max(memory_max, cluster.server_memory_bytes());
    tell(now, plan.step_count());
  }
  const double took = seconds_since(start);
  seen.push_back({took, steps});
  tell(plan.step_count(), plan.step_count());
  if (take(ended.get()).status().state() != v1::PLAN_STATE_COMPLETED)
    throw std::runtime_error("the plan did not complete");
  figures taken{{name + "_steps_per_second", steps / took},
                {name + "_ms_per_step", took * 1e3 / steps},
                {name + "_submit_seconds", submitted},
                {name + "_duration_seconds", took}};
  if (memory_max > memory_before)
    taken[name + "_server_bytes_per_step"] = static_cast<double>(memory_max - memory_before) / steps;
  constexpr std::size_t points_min = 20;  // fewer looks say nothing about a tenth
  if (seen.size() >= points_min) {
    const double first = seconds_at(seen, steps * 0.1) - submitted;
    const double last = took - seconds_at(seen, steps * 0.9);
    taken[name + "_first_tenth_us_per_step"] = first * 1e7 / steps;
    taken[name + "_last_tenth_us_per_step"] = last * 1e7 / steps;
  }
  return taken;
}

}  // namespace

figures run_forkjoin(const bench_options& options, const progress& tell) {
  return run_plan(options, fork_join_document(options.count), "plan_forkjoin", tell);
}

figures run_chain(const bench_options& options, const progress& tell) {
  return run_plan(options, chain_document(options.count), "plan_chain", tell);
}

figures run_random(const bench_options& options, const progress& tell) {
  return run_plan(options, random_document(options.seed, options.count, options.layers, options.needs), "plan_random",
                  tell);
}

}  // namespace hive::bench
