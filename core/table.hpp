#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "base/errc.hpp"

namespace hive::core {

/// Every table of the state machine. Keys are big-endian, so that byte order is numeric order
/// (core/keys.hpp builds them). The order of this enum may grow at its end only.
enum class table : std::uint8_t {
  meta,            // name -> value: next ids, applied index, retention marks
  task_spec,       // task -> TaskSpec; immutable
  task_status,     // task -> TaskStatus; small, rewritten on every change
  task_result,     // task -> TaskResult
  task_log,        // task | offset -> TaskLogChunk
  task_by_state,   // state | task -> ""; all states but queued (see ready), leased and running (see lease)
  ready,           // signature | inverted priority | task -> ""; exactly the queued tasks
  lease,           // worker (0: driven by hand) | task -> ""; exactly the leased and running tasks
  signature,       // signature -> Signature
  timer,           // due ms | kind | id -> ""
  idempotency,     // 't' or 'p' | key -> id of the task or plan that it created
  counter,         // name -> int64 big-endian
  worker,          // worker -> Worker
  worker_name,     // name -> worker
  plan,            // plan -> PlanSpec
  plan_status,     // plan -> PlanStatus
  plan_step,       // plan | index -> PlanStep
  plan_step_name,  // plan | name -> index
  plan_edge,       // plan | from index | to index -> ""; `to` needs `from`
  plan_parked,     // plan | index -> ""; ready steps of a paused plan
  event,           // seq -> Event
  log,             // index -> entry of the replicated log; of this node, not of the state machine (replication/)
  log_meta,        // name -> vote, applied point, snapshot point, first index; as `log`
};

constexpr std::size_t table_count = 23;

/// Names as they stand in LMDB and in docs/storage_format.md, in the order of `table`.
constexpr std::array<std::string_view, table_count> table_names{
    "meta",      "task_spec",      "task_status", "task_result", "task_log", "task_by_state", "ready",   "lease",
    "signature", "timer",          "idempotency", "counter",     "worker",   "worker_name",   "plan",    "plan_status",
    "plan_step", "plan_step_name", "plan_edge",   "plan_parked", "event",    "log",           "log_meta"};

/// Called for each entry of a scan, in key order; returns false to stop. Views are valid during the
/// call only.
using scan_visitor = std::function<bool(std::string_view key, std::string_view value)>;

/// Ordered tables of bytes, as one consistent snapshot. Not thread-safe: one user at a time.
class table_reader {
 public:
  table_reader() = default;
  table_reader(const table_reader&) = delete;
  table_reader& operator=(const table_reader&) = delete;
  virtual ~table_reader() = default;

  /// The value is valid until the next change of any table through the same transaction.
  [[nodiscard]] virtual std::optional<std::string_view> get(table where, std::string_view key) const = 0;

  /// Visits entries with key >= `from`, ascending. The visitor must not change any table.
  virtual void scan(table where, std::string_view from, const scan_visitor& visit) const = 0;

  /// Visits entries with key < `before` (all, if `before` is empty), descending.
  virtual void scan_back(table where, std::string_view before, const scan_visitor& visit) const = 0;

  /// Number of entries; O(1).
  [[nodiscard]] virtual std::uint64_t size(table where) const = 0;
};

/// The store cannot go on with this transaction: resource_exhausted (map or disk full), data_loss
/// (damaged) or internal. Thrown through apply(); the owner aborts the transaction and reloads the machine.
class table_error : public std::runtime_error {
 public:
  table_error(errc code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] errc code() const { return code_; }

 private:
  errc code_;
};

/// A write transaction. Whoever opened it commits or aborts it; core never does.
class table_transaction : public table_reader {
 public:
  /// Inserts or replaces. Keys are 1 to 511 bytes.
  virtual void put(table where, std::string_view key, std::string_view value) = 0;
  /// As put, for a key larger than every key of the table (faster where the store can append).
  virtual void append(table where, std::string_view key, std::string_view value) { put(where, key, value); }
  /// True if the key was there.
  virtual bool erase(table where, std::string_view key) = 0;
};

}  // namespace hive::core
