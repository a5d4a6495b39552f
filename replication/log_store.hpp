#pragma once

#include <functional>

#include "base/result.hpp"
#include "replication/types.hpp"

namespace hive::replication {

/// What a node knows again after a restart.
struct stored_state {
  term_number term = 0;
  node_id voted_for;
  log_index first = 1;   // of the log; entries before it are compacted away
  log_index last = 0;    // first - 1: the log is empty
  state_point snapshot;  // up to where the log was last compacted or replaced; index 0: never
  state_point applied;   // up to where the state machine has come; never behind `snapshot`
};

/// The log and what belongs to it, inside one open write transaction that the owner commits: everything that a cycle
/// does becomes durable at once, together with the effects of the commands that it applied, or not at all. Methods
/// throw core::table_error if the store cannot go on; the owner then aborts the transaction and starts the driver anew
/// from what is stored. Not thread-safe.
class log_store {
 public:
  log_store() = default;
  log_store(const log_store&) = delete;
  log_store& operator=(const log_store&) = delete;
  virtual ~log_store() = default;

  [[nodiscard]] virtual stored_state load() const = 0;
  /// Visits the entries from..through, ascending.
  virtual void scan(log_index from, log_index through,
                    const std::function<void(log_index, const entry_ptr&)>& visit) const = 0;
  /// Null if it is not there.
  [[nodiscard]] virtual entry_ptr read(log_index index) const = 0;

  virtual void save_vote(term_number term, node_id voted_for) = 0;
  /// `index` is the last of the log plus one.
  virtual void append(log_index index, const entry_ptr& entry) = 0;
  /// Erases the end of the log, from..last.
  virtual void truncate(log_index from, log_index last) = 0;
  /// Erases the beginning of the log, first..through; through + 1 is the first one from now on.
  virtual void compact(log_index first, log_index through) = 0;
  /// Erases the whole log; `first` is the first one from now on.
  virtual void reset(log_index first) = 0;
  virtual void save_snapshot(const state_point& point) = 0;
  virtual void save_applied(const state_point& point) = 0;
};

/// Makes an empty log that of a founding member: every founder does this with the same members and the same state
/// (none, or a copy of the first one's). A standalone node that becomes a cluster does it with its state in place. The
/// log begins after a snapshot point 1, so whoever joins later gets that state. failed_precondition: there is a log
/// already. invalid_argument: members.
result<void> found_cluster(log_store& log, const configuration& members);

/// Last resort when a majority is lost for ever: makes `members` the configuration by force, at the end of this node's
/// log. Entries that only the lost nodes had are gone. Every other surviving node must be emptied and added anew.
/// failed_precondition: not a member of a cluster. invalid_argument: members, or `self` is not the only voter.
result<void> force_configuration(log_store& log, node_id self, const configuration& members);

}  // namespace hive::replication
