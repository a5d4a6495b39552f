#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "replication/driver_options.hpp"
#include "replication/effects.hpp"
#include "replication/entry_cache.hpp"
#include "replication/link_table.hpp"
#include "replication/log_store.hpp"
#include "replication/read_tracker.hpp"
#include "replication/snapshot_offers.hpp"

struct raft;
struct raft_event;
struct raft_entry;
struct raft_message;
struct raft_append_entries;
struct raft_snapshot_metadata;

namespace hive::replication {

/// Applies committed commands, in log order, each once, inside the transaction of the cycle. May collect them and apply
/// them together before the commit.
class state_machine {
 public:
  virtual ~state_machine() = default;
  virtual void apply(log_index index, const log_entry& command) = 0;
};

enum class change_kind : std::uint8_t {
  add_stand_by,  // a new member, with its address; it gets the log and has no vote
  promote,       // stand-by to voter, once it has caught up
  demote,        // voter to stand-by
  remove,
};

struct membership_change {
  change_kind kind = change_kind::add_stand_by;
  node_id member;
  std::string address;     // add_stand_by
  bool is_forced = false;  // demote, remove: below options.voters_min
};

struct peer_status {
  member who;
  bool is_linked = false;
  log_index match = 0;  // leader: what it acknowledged in this term
};

/// For metrics and status pages.
struct driver_status {
  node_role role = node_role::follower;
  term_number term = 0;
  node_id leader;  // 0: unknown
  log_index first = 1;
  log_index last = 0;
  log_index commit = 0;
  log_index applied = 0;
  log_index snapshot = 0;
  configuration members;
  bool is_change_pending = false;  // a configuration in the log is not committed yet
  bool is_installing = false;
  bool is_transferring = false;
  std::vector<peer_status> peers;
  std::uint64_t messages_refused = 0;    // malformed or impossible
  std::uint64_t messages_discarded = 0;  // of an old link
  std::uint64_t batches_split = 0;
  std::uint64_t requests_lifted = 0;
  std::uint64_t snapshots_offered = 0;
};

/// One member of a consensus group: Raft (Ongaro and Ousterhout, 2014; Ongaro's thesis) by libraft 0.22.1, driven by
/// raft_step() only. Pure: no I/O, clock, thread or actor; the same calls give the same effects. Not thread-safe.
///
/// The owner runs cycles. Everything between begin_cycle and end_cycle shares one write transaction, and everything
/// it causes is durable with the transaction's one commit:
///
///   auto transaction = store.write();                     // persistence::write_transaction
///   table_log_store log{*transaction};
///   driver.begin_cycle(now_ms, log, machine);             // machine.apply writes through *transaction too
///   for (all that waits in the mailbox) driver.receive(...), submit(...), read(...), ...;
///   if (now_ms >= driver.next_deadline_ms()) driver.tick();
///   effects out = driver.end_cycle();
///   if (driver.has_changes()) commit; else abort          // a failed commit: drop `out` and this driver, start a new
///   one send out.messages, answer out.completions, ...        // only now
///
/// Why this order: a vote or an acknowledgement that left before it was on disk could be taken back by a crash. Because
/// nothing leaves before the commit, entries may be reported to the library as persisted at once, and a batch of
/// commands costs one fsync for log and state together.
///
/// Start: construct, then one cycle with start(). Any core::table_error thrown out of a call, a failed commit, and any
/// failure() mean the same: abort the transaction, destroy the driver, construct a new one from what is stored.
///
/// Snapshots carry no state: a follower that is too far behind is told where to pull a copy of the other's storage. The
/// owner of the sender answers snapshot_reads with snapshot_bytes; the owner of the receiver stages snapshot_writes and
/// says snapshot_written; then it gets a `swap`: outside any cycle and before the next one it opens the staged copy as
/// a store, in one transaction calls prepare_installed(log, swap), commits, renames it into the place of the own one,
/// syncs the folder, opens it, reloads the state machine, and in the next cycle calls snapshot_installed() before
/// anything else. A crash before the rename leaves the old state, after it the new one; both are complete.
class driver {
 public:
  explicit driver(driver_options options);
  ~driver();
  driver(const driver&) = delete;
  driver& operator=(const driver&) = delete;

  // ---- the cycle

  /// `log` and `machine` must live until end_cycle. A time before an earlier one counts as that. For the timers no more
  /// than two heartbeat intervals, or half an election timeout, pass between two cycles: an owner that comes later was
  /// held up, and what its peers said meanwhile must be heard before they count as silent.
  void begin_cycle(time_ms now, log_store& log, state_machine& machine);
  /// Compacts a little and hands out what to do after the commit.
  [[nodiscard]] effects end_cycle();
  /// True if the cycle changed log or state, so that it must be committed before its effects are released.
  [[nodiscard]] bool has_changes() const { return has_changes_; }
  /// By the owner's clock: when tick() must be called at the latest, and the next cycle be run, also if nothing
  /// happens.
  [[nodiscard]] time_ms next_deadline_ms() const;
  /// Set once the library failed or a peer contradicted a committed entry: this driver must not be used further.
  [[nodiscard]] const std::optional<error>& failure() const { return failure_; }

  // ---- events; each inside a cycle

  /// The first event. Loads what is stored; data_loss if that makes no sense.
  result<void> start();
  /// Timers; early or repeated calls do no harm.
  void tick();
  /// A connection to a peer is up; see link_table for the sessions.
  void open_link(node_id peer, std::uint64_t inbound_session, std::uint64_t outbound_session);
  void close_link(node_id peer);
  /// invalid_argument: the peer is broken or hostile; drop the connection. What is merely old is dropped in silence.
  result<void> receive(node_id from, peer_message message);
  /// Appends n commands as one batch; one completion when the last is applied. They are contiguous in the log.
  /// not_leader; unavailable (leadership is being handed over); resource_exhausted; invalid_argument.
  result<void> submit(ticket request, std::vector<std::string> commands);
  /// A linearizable read: completes when this node's applied state may be read for it. On a follower it asks the
  /// leader. not_leader (none known), resource_exhausted.
  result<void> read(ticket request);
  /// Completes when the change is committed. One at a time. not_leader, failed_precondition, invalid_argument.
  result<void> change(ticket request, const membership_change& what);
  /// Hands leadership to a voter (0: the one with the most of the log). Completes when this node leads no more, or
  /// fails.
  result<void> transfer(ticket request, node_id to);

  /// Sender: the bytes asked for by effects::snapshot_reads.
  void snapshot_bytes(snapshot_id id, std::uint64_t offset, std::string data, bool is_last);
  /// Sender: the copy cannot be made or read.
  void snapshot_failed(snapshot_id id);
  /// Receiver: the bytes of effects::write are in the staged file, whose size is now `staged_bytes`.
  void snapshot_written(std::uint64_t staged_bytes);
  /// Receiver: after effects::swap was done; `log` of this cycle is the new store's.
  result<void> snapshot_installed();
  /// Receiver: staging or swapping failed; the own state is as it was.
  void snapshot_refused();

  // ---- what is

  [[nodiscard]] driver_status status() const;
  [[nodiscard]] bool is_leader() const;
  [[nodiscard]] const state_point& applied() const { return applied_; }

 private:
  struct role_mark {
    node_role role = node_role::follower;
    term_number term = 0;
    node_id leader;

    friend bool operator==(const role_mark&, const role_mark&) = default;
  };
  struct pending_submit {
    log_index last = 0;
    ticket request;
    std::uint64_t bytes = 0;
  };
  struct change_operation {
    enum class phase : std::uint8_t { waiting, catching_up, committing };
    ticket request;
    membership_change what;
    phase at = phase::waiting;
    bool is_caught_up = false;
    log_index index = 0;  // of the change entry
    time_ms deadline_ms = 0;
  };
  struct transfer_operation {
    ticket request;
    node_id to;
    bool is_told = false;  // the library was
    time_ms deadline_ms = 0;
  };
  struct install_operation {
    node_id from;
    snapshot_id snapshot;
    state_point point;
    std::unique_ptr<raft_snapshot_metadata> metadata;
    std::uint64_t offset = 0;
    bool is_writing = false;
    bool is_last = false;  // of what is being written
    bool is_staged = false;
    time_ms asked_ms = 0;
    time_ms progress_ms = 0;
  };
  struct follower_query {
    std::vector<ticket> requests;
    time_ms deadline_ms = 0;
  };

  // driver.cpp: the cycle
  void open_library();
  void close_library();
  result<void> load();
  void restart_library();
  void apply_committed();
  void apply_change(log_index index, const log_entry& entry);
  void save_applied();
  void compact();
  [[nodiscard]] log_index compaction_limit() const;
  [[nodiscard]] std::uint64_t trailing_entries() const;
  void complete(ticket request, log_index index);
  void fail(ticket request, errc code, const std::string& message, bool is_unknown = false);
  [[nodiscard]] error not_leader() const;
  [[nodiscard]] role_mark current_role() const;
  [[nodiscard]] time_ms cycle_gap_ms_max() const;

  // driver_step.cpp: one event into the library, its update into the log and the effects
  int step(raft_event& event);
  log_index persist(log_index index, const raft_entry* batch, unsigned count);
  int submit_entries(std::vector<entry_ptr> entries);
  void enqueue(const raft_message& message);
  void enqueue_entries(node_id to, const raft_append_entries& request);
  void send(node_id to, message_body body);
  void on_state_change(bool was_leader, bool has_new_entries);
  void adapt_inflight(const log_entry& entry);

  // driver_receive.cpp: peers' messages
  result<void> on(node_id from, append_entries& message);
  result<void> on(node_id from, append_result& message);
  result<void> on(node_id from, vote_request& message);
  result<void> on(node_id from, vote_result& message);
  result<void> on(node_id from, install_snapshot& message);
  result<void> on(node_id from, timeout_now& message);
  result<void> on(node_id from, read_ping& message);
  result<void> on(node_id from, read_pong& message);
  result<void> on(node_id from, read_query& message);
  result<void> on(node_id from, read_answer& message);
  result<void> on(node_id from, snapshot_pull& message);
  result<void> on(node_id from, snapshot_chunk& message);
  void vote_as_stand_by(node_id from, const vote_request& message);
  result<void> check_committed(const append_entries& message) const;
  void lift(append_entries& message);
  void receive_part(node_id from, const append_entries& message, std::size_t begin, std::size_t end);
  int step_message(node_id from, raft_message& message);
  [[nodiscard]] term_number term_at(log_index index) const;
  [[nodiscard]] entry_ptr entry_at(log_index index) const;
  [[nodiscard]] log_index settled() const;

  // driver_members.cpp: membership and transfer
  result<configuration> changed(const membership_change& what) const;
  void advance_change();
  void advance_catch_up();
  void begin_catch_up();
  void submit_change();
  [[nodiscard]] bool is_change_safe(const configuration& wanted) const;
  void end_change(const std::optional<error>& failure, bool is_unknown = false);
  void advance_transfer();
  void end_transfer(const std::optional<error>& failure);

  // driver_reads.cpp
  void advance_reads();
  void send_pings();
  void release_reads();
  void refuse_reads();
  void expire_queries();

  // driver_snapshots.cpp
  void offer_snapshot(node_id to, const raft_message& message);
  void begin_install(raft_snapshot_metadata& metadata);
  void ask_chunk();
  void watch_install();
  void give_up_install();

  void refresh_members();

  driver_options options_;
  std::unique_ptr<raft> raft_;
  bool is_open_ = false;
  std::optional<error> failure_;

  // the open cycle
  log_store* log_ = nullptr;
  state_machine* machine_ = nullptr;
  effects effects_;
  bool has_changes_ = false;
  time_ms now_ = 0;        // of all timers here and in the library: the owner's less what it was held up
  time_ms owner_now_ = 0;  // as begin_cycle was told

  // mirror of what is stored
  log_index first_ = 1;
  log_index last_ = 0;
  state_point snapshot_;
  state_point applied_;
  bool is_applied_dirty_ = false;
  log_index cursor_ = 0;  // what the library's commits were followed to; behind applied_ after a restart

  entry_cache cache_;
  link_table links_;
  configuration members_;  // of the library, committed or not

  const raft_entry* batch_begin_ = nullptr;  // the event's entries, as the library sees them
  const std::vector<entry_ptr>* batch_ = nullptr;
  bool was_batch_taken_ = false;

  std::deque<pending_submit> submits_;
  std::uint64_t uncommitted_bytes_ = 0;
  std::uint64_t entry_bytes_estimate_ = 256;
  time_ms leader_heard_ms_ = 0;
  node_id install_from_;
  snapshot_id install_id_;

  read_tracker reads_;
  std::deque<read_tracker::confirmed_reads> confirmed_;
  std::vector<ticket> queries_waiting_;  // follower: go out with the end of the cycle
  std::map<std::uint64_t, follower_query> queries_;
  std::uint64_t last_query_ = 0;  // begins at random: the leader may still answer one from before a restart

  std::optional<change_operation> change_;
  node_id newest_voter_;  // as far as this node saw its promotion, in the entry newest_voter_index_
  log_index newest_voter_index_ = 0;
  std::optional<transfer_operation> transfer_;
  std::optional<install_operation> install_;
  snapshot_offers offers_;
  driver_status counters_;                        // only its counters
  role_mark told_;                                // as of the last cycle
  std::pair<log_index, log_index> members_mark_;  // what members_ was read at
};

/// Makes a staged copy of another node's storage this node's: its log begins after the snapshot point, and the vote is
/// this node's own. In one transaction of the copy, committed before the copy takes the place of the own storage.
/// data_loss: the copy has not reached the snapshot point.
result<void> prepare_installed(log_store& copy, const snapshot_swap& swap);

}  // namespace hive::replication
