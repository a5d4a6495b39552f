#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "apps/hive-bench/background.hpp"
#include "apps/hive-bench/bench_cluster.hpp"

namespace hive::bench {

/// Clients that create tasks one after another, each with an idempotency key that it keeps until the create is
/// acknowledged, while things happen to the cluster; and the proof that nothing of it was lost or done twice.
/// Thread-safe.
class steady_writers {
 public:
  /// options.writers of them, in threads, and those who call write().
  steady_writers(const bench_cluster& cluster, const bench_options& options);
  ~steady_writers();
  steady_writers(const steady_writers&) = delete;
  steady_writers& operator=(const steady_writers&) = delete;

  /// Creates one task more, on the caller's thread. std::runtime_error if it is not acknowledged within a minute.
  void write();
  /// Ends the threads, and reads every acknowledged task at every node: std::runtime_error if one is missing or is
  /// another's, or if there are more tasks than acknowledged ones. Answers how many there were.
  std::uint64_t stop_and_check();

 private:
  struct acknowledged_task {
    task_id id;
    std::string key;
  };
  void create_next(client& connection);
  void check_node(std::size_t index) const;

  const bench_cluster& cluster_;
  const v1::TaskSpec spec_;
  const std::shared_ptr<client> connection_;
  std::mutex mutex_;
  std::vector<acknowledged_task> acknowledged_;
  std::atomic<std::uint64_t> next_{0};
  std::atomic<bool> is_over_{false};
  std::deque<background> threads_;  // last: they use the others
};

}  // namespace hive::bench
