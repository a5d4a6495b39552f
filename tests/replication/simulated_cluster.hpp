#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/replication/random_source.hpp"
#include "tests/replication/register_history.hpp"
#include "tests/replication/simulated_node.hpp"

namespace hive::replication::testing {

/// What a wrong owner of a driver would do, to see that the checks find it.
struct simulated_faults {
  bool speaks_before_commit = false;
  bool reads_locally = false;  // instead of driver::read
};

/// Faults, and how strong they are. All chances are in thousandths.
struct simulation_knobs {
  std::uint32_t nodes = 3;
  std::uint32_t founders = 3;  // the first ones; the others are empty
  std::uint32_t delay_ms_max = 10;
  std::uint32_t disk_ms_max = 0;
  std::uint32_t drop = 0;           // of a message
  std::uint32_t duplicate = 0;      // of a message, perhaps over a reconnection
  std::uint32_t crash = 0;          // in a cycle, at one of its points
  bool goes_through_bytes = false;  // messages are encoded and decoded
  driver_options options;           // all but self, address and seed
  simulated_faults faults;
};

/// Where in a cycle a node crashes.
enum class crash_point : std::uint8_t {
  before_commit,
  after_commit,
  within_release,
  after_release,
  before_swap,
  after_swap
};
constexpr std::size_t crash_point_count = 6;

/// A whole cluster in one thread, with virtual time, disks in memory and a network that loses, delays and doubles. What
/// happens is a function of the seed and the calls. It watches all the time that
///   - a term has at most one leader;
///   - what was applied durably at an index is the same command, giving the same state, on every node, for ever;
///   - the library never fails.
/// The first violation stops everything.
class simulated_cluster {
 public:
  simulated_cluster(std::uint64_t seed, simulation_knobs knobs);

  [[nodiscard]] time_ms now() const { return now_; }
  [[nodiscard]] const std::string& violation() const { return violation_; }
  [[nodiscard]] std::uint32_t size() const { return knobs_.nodes; }
  simulated_node& node(std::uint32_t number) { return nodes_[number]; }
  register_history& history() { return history_; }
  random_source& random() { return random_; }
  simulation_knobs& knobs() { return knobs_; }

  void run_until(time_ms until);
  /// False if it did not come true in time.
  bool run_for(time_ms span_ms, const std::function<bool()>& is_done);

  // ---- faults
  void crash(std::uint32_t number);
  void restart(std::uint32_t number);
  /// Forgets everything, as a replaced disk.
  void wipe(std::uint32_t number);
  void block(std::uint32_t from, std::uint32_t to) { blocked_[from][to] = true; }
  void unblock(std::uint32_t from, std::uint32_t to) { blocked_[from][to] = false; }
  void disconnect(std::uint32_t a, std::uint32_t b);
  void reconnect(std::uint32_t a, std::uint32_t b);
  /// Everybody up and connected, no more faults; but for those that are down for good.
  void heal();
  void crash_for_good(std::uint32_t number);
  /// It does nothing for so long, as a process that is stopped: a commit that is under way ends after that, its timers
  /// are late, and what is sent to it arrives just after they went off.
  void stall(std::uint32_t number, time_ms span_ms);
  /// The `cycle`-th cycle of the whole cluster from now on crashes at `point`; its node comes back after a while.
  void plan_crash(std::uint64_t cycle, crash_point point) { planned_crash_ = {cycles_ + cycle, point}; }
  [[nodiscard]] std::uint64_t cycles() const { return cycles_; }

  // ---- clients
  void write(std::uint32_t number, std::size_t count);
  void read(std::uint32_t number);
  /// `action` runs in the node's next cycle.
  void act(std::uint32_t number, std::function<void(driver&)> action);
  /// A change or transfer; its outcome is in outcomes().
  ticket change(std::uint32_t number, const membership_change& what);
  ticket transfer(std::uint32_t number, std::uint32_t to);
  /// Of changes and transfers that ended: empty text for success.
  [[nodiscard]] const std::map<ticket, std::string>& outcomes() const { return outcomes_; }
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }
  [[nodiscard]] std::uint64_t reads_answered() const { return reads_answered_; }

  // ---- what is
  /// The leader with the highest term; 0: none.
  [[nodiscard]] std::uint32_t leader() const;
  [[nodiscard]] driver_status status(std::uint32_t number) const;
  /// A leader, and every member of its configuration that is not gone has applied all of its log to the same state.
  [[nodiscard]] bool is_converged() const;
  /// Every acknowledged write was applied, and the clients' history is linearizable.
  void check_end();
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] std::uint64_t elections() const { return leaders_.size(); }
  [[nodiscard]] std::uint64_t snapshots() const { return snapshots_; }

 private:
  struct event {
    time_ms at = 0;
    std::uint64_t order = 0;
    std::uint32_t to = 0;
    std::uint32_t from = 0;  // 0: a wake-up, or the end of a commit
    bool is_commit = false;
    std::uint64_t start = 0;  // of the node, for the end of a commit
    std::unique_ptr<peer_message> message;
  };
  struct client_operation {
    std::uint64_t key = 0;
    std::size_t number = 0;
    std::uint64_t value = 0;
  };
  struct client_request {
    std::uint32_t node = 0;
    bool is_write = false;
    std::vector<client_operation> operations;
  };

  void push(event&& one);
  void wake(std::uint32_t number, time_ms at);
  bool waits_for_stalled(event& one);
  void run_cycle(std::uint32_t number);
  void commit(std::uint32_t number);
  void release(std::uint32_t number);
  void send(std::uint32_t from, outgoing_message&& out);
  void finish(std::uint32_t number, const completion& one);
  void install(std::uint32_t number, const snapshot_swap& swap);
  void connect(std::uint32_t a, std::uint32_t b);
  void observe(std::uint32_t number);
  void fail(const std::string& what);
  bool crashes_at(crash_point point);
  void crash_for_a_while(std::uint32_t number);
  void note_applied(std::uint32_t number);

  simulation_knobs knobs_;
  std::uint64_t seed_;
  random_source random_;
  time_ms now_ = 1000;
  std::uint64_t order_ = 0;
  std::uint64_t cycles_ = 0;
  std::vector<simulated_node> nodes_;  // [0] is not used
  std::vector<event> heap_;
  std::vector<std::vector<bool>> blocked_;
  std::vector<std::vector<time_ms>> last_delivery_;
  std::vector<std::pair<time_ms, std::uint32_t>> restarts_;
  std::set<std::uint32_t> gone_;
  std::uint64_t last_session_ = 0;
  std::uint64_t last_ticket_ = 0;
  std::uint64_t last_value_ = 0;
  std::optional<std::pair<std::uint64_t, crash_point>> planned_crash_;

  std::unordered_map<std::uint64_t, client_request> requests_;
  std::map<ticket, std::string> outcomes_;
  std::set<std::string> acknowledged_commands_;
  std::set<std::string> applied_commands_;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t reads_answered_ = 0;
  std::uint64_t snapshots_ = 0;
  register_history history_;
  std::map<term_number, std::uint32_t> leaders_;
  struct truth {
    std::string payload;
    std::uint64_t hash_after = 0;
  };
  std::unordered_map<log_index, truth> applied_;
  std::string violation_;
};

}  // namespace hive::replication::testing
