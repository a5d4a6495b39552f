#pragma once

#include <iosfwd>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/hive-bench/latency_histogram.hpp"

namespace hive::bench {

/// Name with its unit last ("lifecycle_tasks_per_second") -> number.
using figures = std::map<std::string, double>;

/// NAME_p50_us, _p90_us, _p99_us, _p999_us, _mean_us, _max_us and NAME_samples_count; nothing without samples.
void add_latencies(figures& into, const std::string& name, const latency_histogram& samples);

/// NAME_p50_seconds, _p90_seconds, _min_seconds, _max_seconds and _mean_seconds, for few and long ones; nothing without
/// samples.
void add_durations(figures& into, const std::string& name, const latency_histogram& samples);

/// One run as one JSON object: scenario, figures, settings, machine, versions, commit.
nlohmann::json to_json(const std::string& scenario, const figures& taken, nlohmann::json settings);

/// The same for people: a title and one line a figure.
void print_table(std::ostream& out, const std::string& title, const figures& taken);

}  // namespace hive::bench
