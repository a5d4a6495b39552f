#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "actors/batch_writer.hpp"
#include "actors/credit_book.hpp"
#include "actors/service_context.hpp"
#include "core/machine.hpp"
#include "replication/driver.hpp"

namespace hive {

/// The state machine of one member of a cluster: applies the commands that come out of the replicated log. While the
/// member leads, it also makes the entries: requests of this node and offers of free slots become a proposal, one at a
/// time, and the outcomes find their way back to the requests when the entry is applied. Limits are commands too: the
/// settings of the node that leads are those that count, on all nodes. Owned by the replicator;
/// single-threaded.
class replica_machine final : public replication::state_machine {
 public:
  explicit replica_machine(service_context_ptr context);

  /// Forgets everything and reads the machine's caches from the store. data_loss if the tables make no sense.
  result<void> load();

  // ---- a cycle of the replicator

  void begin(core::table_transaction& tables);
  /// Throws core::table_error, data_loss for an entry that cannot be read.
  void apply(replication::log_index index, const replication::log_entry& entry) override;
  /// Writes the caches; before the commit.
  void flush();
  /// After the commit: opens the sessions of the requests that were applied.
  void publish_sessions();
  /// What the cycle's commands bring about, after the commit.
  [[nodiscard]] core::effects take_effects() { return std::exchange(effects_, {}); }
  /// Commands applied in this cycle.
  [[nodiscard]] std::size_t applied_commands() const { return applied_commands_; }
  /// Due time of the first timer as of the last flush; -1: none.
  [[nodiscard]] std::int64_t next_due_unix_ms() const { return next_due_unix_ms_; }

  // ---- while it leads

  /// A proposal is on its way through the log. 0: none.
  [[nodiscard]] std::uint64_t proposal() const { return number_; }
  /// The entry for these requests and for the offers that the present state calls for; empty if there is nothing to
  /// propose. Not while another proposal is under way. Commands that are refused for lack of room have their outcome
  /// at once. `is_offering`: false before this node has caught up with its own leadership.
  std::string propose(std::vector<pending_write>&& batch, bool is_offering);
  /// Proposals that were applied in this cycle, with the outcomes of their requests; after the commit.
  struct finished_proposal {
    std::uint64_t number = 0;
    std::vector<pending_write> writes;
  };
  std::vector<finished_proposal> take_finished() { return std::exchange(finished_, {}); }
  /// The proposal will not be answered: its requests are handed back.
  std::vector<pending_write> drop_proposal();
  /// The connection of a session is gone: nothing is offered to it.
  void suspend(worker_id worker, session_number session) { book_.suspend(worker, session); }
  /// Leadership has begun or ended: nobody has a session.
  void forget_sessions();

 private:
  struct planned_offer {
    v1::Command command;
    worker_id worker;
    std::uint32_t slots = 0;
  };

  void apply_own();
  void apply_foreign(const std::string& payload);
  v1::Outcome apply_one(const v1::Command& command);
  /// Offers for what is ready, and for as many tasks as are about to be created.
  void plan_offers(std::uint64_t tasks_created);
  std::int64_t stamp();

  service_context_ptr context_;
  core::machine machine_;
  credit_book book_;
  core::table_transaction* tables_ = nullptr;
  core::effects effects_;
  std::size_t applied_commands_ = 0;
  std::int64_t last_time_ = 0;  // commands never go back in time, whoever leads
  std::int64_t next_due_unix_ms_ = -1;

  // the proposal
  std::uint64_t number_ = 0;  // 0: none
  std::uint64_t last_number_ = 0;
  std::vector<finished_proposal> finished_;
  std::optional<v1::Command> limits_command_;  // the cluster's limits are not those of this node's settings
  std::vector<pending_write> writes_;
  std::vector<std::vector<bool>> is_refused_;  // of each write, by command
  std::vector<planned_offer> offers_;
  std::set<worker_id> satisfied_;  // took less than they were offered, and nothing has changed since
};

}  // namespace hive
