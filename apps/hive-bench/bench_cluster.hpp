#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/hive-bench/bench_node.hpp"
#include "apps/hive-bench/latency_histogram.hpp"
#include "apps/hive-bench/options.hpp"
#include "client/client.hpp"

namespace hive::bench {

/// What a scenario runs against: one hived of its own that stands alone, or several that are a cluster, on a temporary
/// folder (or what runs at options.endpoint already), and processes with workers or subscribers. Clients, workers and
/// subscribers know all nodes and follow the leader. Figures of the server are sums over its own nodes, and 0 if they
/// are not its own. Failures are std::runtime_error.
class bench_cluster {
 public:
  /// options.nodes of them, once they have a leader that reaches all.
  explicit bench_cluster(const bench_options& options);
  ~bench_cluster();
  bench_cluster(const bench_cluster&) = delete;
  bench_cluster& operator=(const bench_cluster&) = delete;

  /// Of all nodes: "a:1,b:2".
  [[nodiscard]] std::string endpoints() const;
  [[nodiscard]] std::shared_ptr<client> connect(bool is_coalescing = true) const;

  /// Own nodes, by index.
  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  [[nodiscard]] bench_node& node(std::size_t index) { return nodes_.at(index); }
  /// A client that stays at this node, whatever its role; `reads` as in client_config.
  [[nodiscard]] std::shared_ptr<client> connect_to(std::size_t index, const std::string& reads = "local") const;
  /// The node that this client has taken for the leader.
  [[nodiscard]] std::size_t leader_of(client& connection) const;
  /// Until every own member is reached by the leader, and has what the leader had committed when this was called.
  void wait_caught_up(client& connection) const;

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

  /// Memory of the nodes' processes outside of the page cache, in bytes.
  [[nodiscard]] std::uint64_t server_memory_bytes() const;
  /// CPU time of the nodes' processes.
  [[nodiscard]] double server_cpu_seconds() const;
  /// Disk blocks of the nodes' data, in bytes.
  [[nodiscard]] std::uint64_t disk_bytes() const;
  /// CPU time of the worker processes.
  [[nodiscard]] double workers_cpu_seconds() const;

 private:
  void start_alone();
  void start_members(unsigned count);
  /// False if one of them could not have its port.
  bool try_members(unsigned count);
  [[nodiscard]] std::filesystem::path next_file(const std::string& kind);

  run_folder folder_;
  std::string endpoint_;  // of what runs already
  std::deque<bench_node> nodes_;
  std::vector<std::unique_ptr<child>> workers_;
  std::vector<std::filesystem::path> worker_files_;
  std::vector<std::unique_ptr<child>> subscribers_;
  std::vector<std::filesystem::path> subscriber_files_;
  std::filesystem::path counter_file_;
  unsigned files_ = 0;
  latency_histogram dispatch_latencies_;
};

}  // namespace hive::bench
