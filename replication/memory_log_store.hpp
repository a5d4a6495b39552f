#pragma once

#include <deque>
#include <vector>

#include "replication/log_store.hpp"

namespace hive::replication {

/// A log in memory, for simulations: changes take effect at once and are undone by abort(), as a crash before the
/// commit does. Entries are shared, so a whole simulated cluster holds each of them once.
class memory_log_store final : public log_store {
 public:
  [[nodiscard]] stored_state load() const override;
  void scan(log_index from, log_index through,
            const std::function<void(log_index, const entry_ptr&)>& visit) const override;
  [[nodiscard]] entry_ptr read(log_index index) const override;
  void save_vote(term_number term, node_id voted_for) override;
  void append(log_index index, const entry_ptr& entry) override;
  void truncate(log_index from, log_index last) override;
  void compact(log_index first, log_index through) override;
  void reset(log_index first) override;
  void save_snapshot(const state_point& point) override;
  void save_applied(const state_point& point) override;

  /// What was done since the last commit() stays.
  void commit() { undo_.clear(); }
  /// What was done since the last commit() never happened.
  void abort();
  [[nodiscard]] bool is_changed() const { return !undo_.empty(); }

 private:
  struct contents {
    term_number term = 0;
    node_id voted_for;
    log_index first = 1;
    state_point snapshot;
    state_point applied;
  };
  /// How to take one change back: the fixed part as it was, entries to drop or to put back at either end.
  struct undo_step {
    std::size_t appended = 0;
    std::vector<entry_ptr> truncated;
    std::vector<entry_ptr> compacted;
  };
  undo_step& note();

  contents now_;
  std::deque<entry_ptr> entries_;
  contents before_;  // as of the last commit, while `undo_` is not empty
  std::vector<undo_step> undo_;
};

}  // namespace hive::replication
