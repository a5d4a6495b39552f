#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/integration/cluster_load.hpp"
#include "tests/integration/network_spaces.hpp"
#include "tests/integration/small_disk.hpp"

namespace hive::test {

/// What happens to nodes.
enum class fault_kind {
  kill_one,
  stop_one,  // SIGSTOP, later SIGCONT
  link_down,
  one_way,  // messages to or from it are lost, in one direction
  slow_link,
  kill_all,
  transfer,         // planned
  rolling_restart,  // SIGTERM, one after another
  replace,          // its data is lost: a new node under a new id, and the old one is removed
  full_disk,
};
std::string to_string(fault_kind kind);

/// A fault with all that is chosen about it, so that a seed names a sequence of faults whatever the cluster does.
struct fault {
  fault_kind kind = fault_kind::kill_one;
  bool hits_leader = false;  // otherwise `victim`
  std::size_t victim = 0;    // of the nodes that live
  unsigned variant = 0;      // what else there is to choose
  bool is_long = false;      // lasts until the cluster has shown that it goes on without; otherwise `duration`
  std::chrono::milliseconds duration{};
  bool is_settled = false;  // the next fault waits until all nodes have caught up
};
fault draw_fault(fault_kind kind, std::mt19937& random);
std::string describe(const fault& of);

/// A cluster of three nodes with workers and load, to which faults are done: in network namespaces with disks of their
/// own where that is permitted, otherwise on loopback.
class chaos {
 public:
  chaos();
  ~chaos();
  chaos(const chaos&) = delete;
  chaos& operator=(const chaos&) = delete;

  /// What is possible here.
  [[nodiscard]] std::vector<fault_kind> kinds() const;
  /// Does it, undoes it, and waits until the cluster goes on. Throws with the nodes' logs if it does not.
  void strike(const fault& what);
  /// See cluster_load. The workers must have lived through all of it.
  std::vector<std::string> finish();
  [[nodiscard]] std::string logs() { return cluster_->logs(); }
  [[nodiscard]] std::size_t tasks() { return load_->acknowledged(); }
  [[nodiscard]] std::size_t plans() const { return load_->plans_ended(); }

 private:
  [[nodiscard]] std::size_t victim_of(const fault& what);
  [[nodiscard]] cluster_network make_network();
  /// While the fault is on.
  void endure(const fault& what);
  void expect_progress(const std::string& when);
  void expect(bool is_right, const std::string& complaint);
  void ctl(std::vector<std::string> arguments);
  void cut_one_way(const fault& what, std::size_t victim);
  void kill_all();
  void transfer(const fault& what);
  void restart_in_turn();
  void replace(std::size_t lost);
  void fill_disk(std::size_t victim);

  last_will will_;  // first: what it undoes is used by all others
  bool has_disks_ = false;
  std::optional<network_spaces> spaces_;
  certificates issued_{"test"};
  std::map<std::size_t, small_disk> disks_;  // by node
  std::optional<cluster> cluster_;
  std::vector<process> workers_;
  std::optional<cluster_load> load_;
  std::vector<std::size_t> nodes_;            // those that live
  std::map<std::size_t, std::size_t> space_;  // by node
  std::size_t free_space_ = 0;                // for the next new node
  std::uint64_t next_id_ = 1;
};

}  // namespace hive::test
