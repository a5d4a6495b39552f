#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/ids.hpp"
#include "core/limits.hpp"
#include "core/table.hpp"
#include "hive/v1/command.pb.h"

namespace hive::core {

/// A lease that was made by a committed command, ready to be pushed.
struct assignment {
  worker_id worker;
  v1::TaskAssignment message;
};

/// A task whose worker must be told to stop: canceled, timed out, or taken away.
struct revocation {
  worker_id worker;
  task_id task;
  attempt attempt_number;
  v1::Reason reason = v1::REASON_UNSPECIFIED;
};

/// What the outside must do or know after the batch is durable. Appended to, in log order.
struct effects {
  std::vector<v1::Event> events;
  std::vector<assignment> assignments;
  std::vector<revocation> revocations;
  /// Slots that came free: a leased or running task of this worker ended or was taken away.
  std::vector<worker_id> freed_slots;

  void clear();
};

/// The orchestration rules: a deterministic state machine over `table_transaction`.
///
/// apply() turns one command into an outcome, table writes and effects. No clock, random source,
/// thread, unordered iteration or floating point; time is Command.time_unix_ms. A refused command is
/// an outcome with a status, never an exception, and leaves no trace.
///
/// The machine keeps derived caches (signatures, which of them each worker matches, counters, next
/// ids). They are loaded from the tables and written back by flush(). Use: open a transaction,
/// apply() any number of commands, flush(), commit. If the commit fails, load() again from a fresh
/// snapshot before the next apply(). Not thread-safe: owned by the single writer.
class machine {
 public:
  /// `limits` hold until the tables say others: see are_limits_stored().
  explicit machine(core_limits limits = {}, std::uint16_t shard = 1);
  ~machine();
  machine(machine&&) noexcept;
  machine& operator=(machine&&) noexcept;

  /// Forgets everything cached and reads it anew. data_loss if a table cannot be understood.
  result<void> load(const table_reader& tables);

  v1::Outcome apply(const v1::Command& command, table_transaction& tables, effects& out);

  /// Writes the changed counters and ids. Call once before each commit.
  void flush(table_transaction& tables);

  /// True if an offer of slots to this worker would lease at least one task. O(signatures it matches).
  [[nodiscard]] bool has_ready_for(worker_id worker) const;

  /// Queued tasks, all signatures. O(1).
  [[nodiscard]] std::uint64_t ready_count() const;

  /// Due time of the first timer, or -1 if there is none.
  [[nodiscard]] std::int64_t next_due_unix_ms(const table_reader& tables) const;

  /// Those that the rules use now.
  [[nodiscard]] const core_limits& limits() const;
  /// They came from the command SetLimits, so every machine with these tables uses the same ones.
  [[nodiscard]] bool are_limits_stored() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace hive::core
