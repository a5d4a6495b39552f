#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "apps/hive-bench/bench_node.hpp"

namespace hive::bench {

struct bench_options {
  unsigned workers = 1;
  unsigned slots = 8;
  unsigned payload_bytes = 150;
  unsigned batch = 1'000;
  std::uint64_t count = 0;  // 0: the scenario's own
  bool is_coalescing = true;
  std::string endpoint;
  std::string folder;
};

/// Name with its unit last -> number.
using figures = std::map<std::string, double>;

/// Says how far a scenario has come.
using progress = std::function<void(std::uint64_t done, std::uint64_t total)>;

struct scenario {
  std::string name;
  std::string about;
  std::function<figures(const bench_options&, const progress&)> run;
};

const std::vector<scenario>& scenarios();

/// Median, 90th, 99th percentile and maximum, as NAME_p50_us and so on. Exact: all samples are kept and sorted.
void add_latencies(figures& into, const std::string& name, std::vector<std::int64_t> samples_ns);

}  // namespace hive::bench
