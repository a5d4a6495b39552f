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
/// keys, two that have a plan of 50 to 200 steps executed, one after another, a subscriber that follows the leader and
/// one at any node.
class cluster_load {
 public:
  explicit cluster_load(cluster& where);
  ~cluster_load();
  cluster_load(const cluster_load&) = delete;
  cluster_load& operator=(const cluster_load&) = delete;

  [[nodiscard]] std::size_t acknowledged();
  /// Plans that have ended, as their clients were told so far.
  [[nodiscard]] std::size_t plans_ended() const { return plans_ended_; }
  /// One more task with a payload of so many bytes, by the caller's thread; false if it is not acknowledged within the
  /// client's patience, a minute.
  bool create_large(std::size_t bytes);
  /// Waits for `count` more creates that were acknowledged; false if that takes longer than `patience`.
  bool wait_for_more(std::size_t count, std::chrono::milliseconds patience = std::chrono::seconds{30});
  /// Lets the clients end, waits until all acknowledged tasks and plans are done, and looks at everything, also at
  /// each running node's tables. Answers what is wrong.
  std::vector<std::string> finish();

 private:
  void create_tasks(int number);
  void execute_plans(int number);
  void subscribe(std::shared_ptr<client> connection, const std::string& name);
  /// The same key until it is acknowledged, as a client would that was told "unavailable"; 0 if all is over before.
  std::uint64_t submit(client& connection, const v1::PlanDocument& document, const std::string& key);
  void wait_for_tasks(std::vector<std::string>& wrong);
  void wait_for_plans(std::vector<std::string>& wrong);
  void compare_nodes(std::vector<std::string>& wrong);
  /// Of these tasks; false if that was not answered.
  bool read_states(const std::vector<task_id>& ids);
  std::vector<history::event> read_log(client& connection);

  cluster& cluster_;
  std::shared_ptr<client> connection_;
  std::atomic<bool> is_over_{false};
  std::mutex mutex_;
  history history_;
  std::atomic<std::size_t> plans_ended_{0};
  std::size_t large_ = 0;
  std::vector<std::shared_ptr<client>> readers_;
  std::vector<subscription> subscriptions_;
  std::vector<std::thread> threads_;
};

}  // namespace hive::test
