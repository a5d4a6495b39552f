#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/hive-bench/options.hpp"
#include "apps/hive-bench/report.hpp"

namespace hive::bench {

/// Says how far a scenario has come.
using progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct scenario {
  std::string name;
  std::string about;
  option_names takes;
  bench_options defaults;
  std::function<figures(const bench_options&, const progress&)> run;
  std::string why_alone = {};    // of one that does not take "nodes": the answer to --nodes 3
  std::string why_cluster = {};  // of one that makes sense in a cluster only: the answer to --nodes 1
  std::string lesson = {};       // below the options in --help
};

/// All of them, in the order of --help.
const std::vector<scenario>& scenarios();

// task_scenarios.cpp
figures run_lifecycle(const bench_options& options, const progress& tell);
figures run_create(const bench_options& options, const progress& tell);
figures run_dispatch(const bench_options& options, const progress& tell);
// plan_scenarios.cpp
figures run_forkjoin(const bench_options& options, const progress& tell);
figures run_chain(const bench_options& options, const progress& tell);
figures run_random(const bench_options& options, const progress& tell);
// capacity_scenarios.cpp
figures run_backlog(const bench_options& options, const progress& tell);
figures run_workers(const bench_options& options, const progress& tell);
figures run_restart(const bench_options& options, const progress& tell);
// event_scenarios.cpp
figures run_fanout(const bench_options& options, const progress& tell);
figures run_mixed(const bench_options& options, const progress& tell);
// cluster_scenarios.cpp
figures run_failover(const bench_options& options, const progress& tell);
figures run_transfer(const bench_options& options, const progress& tell);
figures run_read_consistency(const bench_options& options, const progress& tell);

}  // namespace hive::bench
