#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/hive-bench/latency_histogram.hpp"
#include "client/client.hpp"

namespace hive::bench {

/// Ends this process at once: kills its children, removes its folders. Any thread.
[[noreturn]] void leave(int status);

/// A program that runs beside this one, and not longer; ended with SIGTERM, and SIGKILL if that does not help.
class child {
 public:
  child(std::vector<std::string> arguments, const std::string& output);
  ~child();
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  [[nodiscard]] bool is_running() const;
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// SIGTERM; the destructor waits.
  void terminate() const;
  /// SIGKILL, and reaps it.
  void kill();
  /// User and system time so far.
  [[nodiscard]] double cpu_seconds() const;

 private:
  void forget() const;

  mutable pid_t pid_ = -1;
};

/// What a scenario runs against: a hived of its own on a temporary folder (or the one at `endpoint`), and processes
/// with workers or subscribers. Failures are std::runtime_error.
class bench_node {
 public:
  /// `folder`: where the node's data goes, removed at the end; empty: the system's temporary folder.
  explicit bench_node(const std::string& endpoint, const std::string& folder);
  ~bench_node();
  bench_node(const bench_node&) = delete;
  bench_node& operator=(const bench_node&) = delete;

  [[nodiscard]] const std::string& endpoint() const { return endpoint_; }
  [[nodiscard]] std::shared_ptr<client> connect(bool is_coalescing = true) const;

  /// Of an own node only. start_server returns when its ports are known; the same data, other ports.
  void start_server();
  void stop_server() { server_.reset(); }
  void kill_server();

  /// Starts `count` workers, spread over so many processes (0: one each), and waits until all are active.
  void start_workers(unsigned count, unsigned slots, unsigned processes = 0);
  /// Ends them and keeps what their "record" handlers saw.
  void stop_workers();
  /// Latencies of the tasks of type "record" that ended workers ran, since the last call.
  latency_histogram take_dispatch_latencies();

  /// Starts `count` subscriptions to the events `name`, spread over so many processes, and waits for them.
  void start_subscribers(unsigned count, unsigned processes, const std::string& name);
  /// Events that all subscribers together have got so far.
  [[nodiscard]] std::uint64_t delivered_count() const;
  /// Ends them; how long after the time in its data each event came.
  latency_histogram stop_subscribers();

  /// Memory of the node's process outside of the page cache, in bytes; 0 if the node is not ours.
  [[nodiscard]] std::uint64_t server_memory_bytes() const;
  /// CPU time of the node's process; 0 if the node is not ours.
  [[nodiscard]] double server_cpu_seconds() const;
  /// CPU time of the worker processes.
  [[nodiscard]] double workers_cpu_seconds() const;
  /// Disk blocks of the node's folder, in bytes; 0 if the node is not ours.
  [[nodiscard]] std::uint64_t disk_bytes() const;

 private:
  void remove_folder();
  [[nodiscard]] std::filesystem::path next_file(const std::string& kind);

  std::filesystem::path folder_;
  std::string endpoint_;
  bool is_own_ = false;
  std::unique_ptr<child> server_;
  std::vector<std::unique_ptr<child>> workers_;
  std::vector<std::filesystem::path> worker_files_;
  std::vector<std::unique_ptr<child>> subscribers_;
  std::vector<std::filesystem::path> subscriber_files_;
  std::filesystem::path counter_file_;
  unsigned files_ = 0;
  latency_histogram dispatch_latencies_;
};

/// Polls every 2 ms; false if `is_done` did not become true within `patience`.
bool poll_until(const std::function<bool()>& is_done, std::chrono::milliseconds patience);

/// CLOCK_MONOTONIC in nanoseconds: the same in all processes of a machine.
std::int64_t monotonic_ns();

}  // namespace hive::bench
