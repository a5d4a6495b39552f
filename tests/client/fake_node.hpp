#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <caf/actor.hpp>
#include <caf/actor_system.hpp>

#include "actors/interfaces.hpp"
#include "actors/system_config.hpp"
#include "config/config.hpp"
#include "tests/client/tcp_relay.hpp"

namespace hive::test {

/// What the node of a test has seen and how it shall behave. Guarded by its mutex; every change notifies.
struct node_script {
  std::mutex mutex;
  std::condition_variable changed;

  // the cluster: who leads, as this node knows it; one that does not lead refuses changes
  v1::Leadership leadership;
  int hellos = 0;
  int pings = 0;
  bool says_not_leader = false;       // although it says that it leads
  int barriers_to_swallow = 0;        // never answered
  int refusals = 0;                   // with not_leader
  std::vector<std::string> answered;  // reads and barriers, in order

  // creates
  int creates_to_swallow = 0;       // taken, but never answered
  int creates_to_refuse = 0;        // resource_exhausted
  bool is_holding = false;          // answers wait until released
  std::vector<int> create_batches;  // items of each message
  int unanswered = 0;
  int unanswered_max = 0;
  std::map<std::string, std::uint64_t> tasks;  // by idempotency key
  std::vector<std::function<void()>> held;

  // one task that is driven by hand
  v1::TaskStatus driven;
  int updates_to_swallow = 0;  // carried out, but never answered
  int updates = 0;
  int reads = 0;

  // events
  bool swallow_publish = false;
  int publishes = 0;
  std::vector<v1::Event> log;
  std::uint64_t acknowledged = 0;
  std::vector<std::uint64_t> subscribed_after;
  bool is_lagging = false;  // cursors beyond the log are refused for the moment

  // workers
  std::vector<v1::RegisterWorkerRequest> registrations;
  std::vector<v1::ReportTasksRequest> reports;
  bool keep_running = true;  // registration keeps what the worker runs
  bool refuse_reports = false;
  int reports_to_swallow = 0;  // messages, never answered
  bool is_deregistered = false;
  caf::strong_actor_ptr worker;

  template <class Condition>
  bool wait_for(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(20), condition);
  }
};

/// A node on a real loopback port, behind a relay that can cut connections. Its answers follow the script.
class fake_node {
 public:
  fake_node();
  ~fake_node();

  node_script& script() { return *script_; }
  tcp_relay& relay() { return *relay_; }
  caf::actor_system& system() { return system_; }
  [[nodiscard]] config::client_config client_settings() const;
  /// HOST:PORT of the relay.
  [[nodiscard]] std::string endpoint() const;
  /// From now on this node knows `leader` as the leader (empty: none; its own endpoint: itself), and tells of
  /// `members`.
  void know_leader(const std::string& leader, const std::vector<std::string>& members = {});
  void release_held();
  void assign(const v1::TaskAssignment& assignment);
  void append_event(std::uint64_t task);

 private:
  std::shared_ptr<node_script> script_;
  system_config config_;
  caf::actor_system system_;
  caf::actor front_;
  node_actor node_;
  std::uint16_t port_ = 0;
  std::unique_ptr<tcp_relay> relay_;
};

}  // namespace hive::test
