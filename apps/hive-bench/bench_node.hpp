#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "client/client.hpp"

namespace hive::bench {

/// A program that runs beside this one; ended with SIGTERM, and SIGKILL if that does not help.
class child {
 public:
  child(std::vector<std::string> arguments, const std::string& output);
  ~child();
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  [[nodiscard]] bool is_running() const;
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  mutable pid_t pid_ = -1;
};

/// What a scenario runs against: a hived of its own on a temporary folder (or the one at `endpoint`), and worker
/// processes.
class bench_node {
 public:
  /// `folder`: where the node's data goes, removed at the end; empty: the system's temporary folder.
  explicit bench_node(const std::string& endpoint, const std::string& folder);
  ~bench_node();
  bench_node(const bench_node&) = delete;
  bench_node& operator=(const bench_node&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::shared_ptr<client> connect(bool is_coalescing = true) const;
  /// Starts worker processes and waits until all are active.
  void start_workers(unsigned count, unsigned slots);
  void stop_workers() { workers_.clear(); }
  /// Resident memory of the node's process in bytes; 0 if it is not ours.
  [[nodiscard]] std::uint64_t server_memory_bytes() const;

 private:
  std::filesystem::path folder_;
  std::string endpoint_;
  std::unique_ptr<child> server_;
  std::vector<std::unique_ptr<child>> workers_;
};

/// The folder of the running program.
std::filesystem::path program_folder();

/// Body of a worker process: type "noop" answers nothing, type "stamp" answers how many nanoseconds passed since the
/// time (CLOCK_MONOTONIC) in its payload. Ends on SIGTERM.
int run_worker(const std::string& endpoint, const std::string& name, unsigned slots);

/// CLOCK_MONOTONIC in nanoseconds: the same in all processes of a machine.
std::int64_t monotonic_ns();

}  // namespace hive::bench
