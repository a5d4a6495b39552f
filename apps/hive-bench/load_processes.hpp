#pragma once

#include <cstdint>
#include <string>

#include "config/config.hpp"

namespace hive::bench {

/// What a process that holds workers or subscribers is told.
struct load_process {
  std::string endpoint;
  std::string name;  // the workers' names begin so; the subscribers' events are called so
  unsigned count = 1;
  unsigned slots = 1;
  std::string latencies;  // file for the latency histogram, written at the end
  std::string counters;   // subscribers: file of 64-bit counters of delivered events
  unsigned index = 0;     // subscribers: its place there
};

/// Workers until SIGTERM. Type "noop" answers nothing; "stamp" answers how many nanoseconds have passed since the time
/// (monotonic_ns) at the start of its payload; "record" keeps that for the latency file, unless the time is 0.
int run_workers(const load_process& told);

/// Subscribers until SIGTERM: counts events, and takes the time since the one (monotonic_ns) in their data.
int run_subscribers(const load_process& told);

/// Benchmarks keep more in flight than an ordinary client.
config::client_config bench_client_config(const std::string& endpoint);

}  // namespace hive::bench
