#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/integration/cluster_fixture.hpp"
#include "tests/integration/history.hpp"

namespace hive::test {

/// Clients that work while nodes fail, and the record of what they were told: two that create tasks with idempotency
/// keys, a plan, a subscriber that follows the leader and one at any node.
class cluster_load {
 public:
  explicit cluster_load(cluster& where);
  ~cluster_load();
  cluster_load(const cluster_load&) = delete;
  cluster_load& operator=(const cluster_load&) = delete;

  [[nodiscard]] std::size_t acknowledged();
  /// Waits for `count` more creates that were acknowledged; false if that takes longer than `patience`.
  bool wait_for_more(std::size_t count, std::chrono::milliseconds patience = std::chrono::seconds{30});
  /// Lets the clients end, waits until all acknowledged tasks and the plan are done, and looks at everything, also at
  /// each running node's tables. Answers what is wrong.
  std::vector<std::string> finish();

 private:
  void create_tasks(int number);
  void subscribe(std::shared_ptr<client> connection, const std::string& name);
  void wait_for_tasks(std::vector<std::string>& wrong);
  void read_states();
  std::vector<history::event> read_log(client& connection);

  cluster& cluster_;
  std::shared_ptr<client> connection_;
  std::atomic<bool> is_over_{false};
  std::mutex mutex_;
  history history_;
  std::uint64_t plan_ = 0;
  std::vector<std::shared_ptr<client>> readers_;
  std::vector<subscription> subscriptions_;
  std::vector<std::thread> threads_;
};

}  // namespace hive::test
