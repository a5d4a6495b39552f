#pragma once

#include "core/table.hpp"
#include "replication/log_store.hpp"

namespace hive::replication {

/// The log in the tables `log` and `log_meta` (docs/storage_format.md), inside the write transaction of a cycle, so
/// that log and state are one fsync. Over LMDB in production (persistence::write_transaction), over core::memory_tables
/// in tests. Besides core::table_error of the tables it throws core::table_error{data_loss} for a row that cannot be
/// read.
class table_log_store final : public log_store {
 public:
  /// `tables` must stay open as long as this is used.
  explicit table_log_store(core::table_transaction& tables) : tables_(tables) {}

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

 private:
  void save_point(std::string_view row, const state_point& point);
  void erase_range(log_index from, log_index through);

  core::table_transaction& tables_;
};

}  // namespace hive::replication
