#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hive::bench {

/// What a scenario is told. Each scenario has its own defaults and takes only some of these.
struct bench_options {
  unsigned clients = 1;  // threads of calls; they share one connection, as all clients of a process do
  unsigned workers = 1;
  unsigned slots = 8;
  unsigned payload_bytes = 150;
  unsigned batch = 1'000;
  std::uint64_t count = 0;      // tasks, steps or subscribers' events; the scenario says which
  double duration_seconds = 0;  // 0: as many as `count` says
  std::uint64_t warm_up = 0;    // tasks before the measurement
  double rate = 0;              // open loop, a second; 0: closed loop
  unsigned in_flight = 5'000;   // closed loop: calls at a time, all clients together
  bool is_coalescing = true;
  unsigned subscribers = 1'000;
  unsigned processes = 4;  // that hold the workers or subscribers
  unsigned layers = 100;
  unsigned needs = 3;
  std::uint64_t seed = 1;
  unsigned tries = 30;
  unsigned writers = 1;
  unsigned nodes = 1;
  std::string endpoint;  // empty: a node of its own
  std::string folder;    // empty: the system's temporary folder
};

/// Names of the options that a scenario may take: the long option without dashes ("payload-bytes").
using option_names = std::vector<std::string_view>;

/// Adds these options to the command; an unknown name is a std::logic_error. Out-of-range values and
/// --count together with --duration, and --nodes together with --connect, are refused by CLI11.
void add_options(CLI::App& command, bench_options& into, const option_names& names);

/// The values of these options, for the report: {"payload_bytes": 150, ...}.
nlohmann::json describe_settings(const bench_options& options, const option_names& names);

}  // namespace hive::bench
